"""One writer at a time: what a write does, and what is tidied up after the last.

Readers are never asked whether they are done. They know how long they may go by a state, and this side waits longer:
before passages are added to a collection that readers search without a filter, and before what is gone is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ragc.retrieval._store import IndexedDocument
from ragc.retrieval.stores._entries import version_of
from ragc.retrieval.stores.weaviate._collections import Collections
from ragc.retrieval.stores.weaviate._lock import Lease, put
from ragc.retrieval.stores.weaviate._objects import among, delete, frequent_words, insert, objects_of
from ragc.retrieval.stores.weaviate._schema import field_name, fields, filtered, sortable
from ragc.retrieval.stores.weaviate._state import FRESH, GRACE, STATE_ID, State


class Session:
    """What a holder of the lock knows and may do. One thread's."""

    def __init__(self, collections: Collections, lease: Lease) -> None:
        self._collections = collections
        self._lease = lease
        self._name = ""
        self._known: set[str] = set()
        self._torn = False
        self._committed = 0.0
        self._own: dict[str, tuple[str, int]] | None = None

    def reset(self, state: State) -> str:
        """Begin to build what `state` is made with, or take up what another build with the same left; return where."""
        name, collections = self._collections.physical(state.made_with), self._collections
        collections.ensure(name)
        held = collections.read(name)
        if held is None:
            self._commit(name, state)
        return name

    def write(
        self, name: str, state: State, documents: Sequence[IndexedDocument], removed: Sequence[str], version: str | None
    ) -> State:
        """Put documents in place of those with the same ids, delete others, and return the state of the collection."""
        collection = self._collections.use(name)
        state = self._begun(name, state)
        held = self._held(collection, state, [*removed, *(document.id for document in documents)])
        versions = {document.id: version_of(document) for document in documents}
        changed = [each for each in documents if held.get(each.id, ("", 0))[0] != versions[each.id]]
        if {versions[each.id] for each in changed} & set(state.dead):
            state = self._cleared(name, state)  # a document as it was before: the same ids, so they must be free
        self._add_properties(name, collection, changed)
        self._torn = True
        generation = state.generation + 1
        insert(collection, (one for each in changed for one in objects_of(each, versions[each.id], generation)))
        gone = {id_: held[id_] for id_ in [*removed, *(each.id for each in changed)] if id_ in held}
        written = sum(len(each.entries) for each in changed)
        self._lease.check()
        state = replace(
            state,
            generation=generation,
            corpus_version=version,
            complete=state.complete or version is not None,
            documents=state.documents + len(changed) - len(gone),
            passages=state.passages + written - sum(passages for _, passages in gone.values()),
            dead=(*state.dead, *(each for each, _ in gone.values())),
            moving=True,
        )
        self._commit(name, state)
        self._torn = False
        if self._own is not None:
            for id_ in gone:
                del self._own[id_]
            self._own |= {each.id: (versions[each.id], len(each.entries)) for each in changed}
        return state

    def end(self) -> State | None:
        """Delete what is gone, once no reader can still want it; return the state if there was anything to do."""
        if not self._name:
            return None
        state = self._collections.read(self._name)
        if state is None:
            return None
        state = self._cleared(self._name, state)
        state = replace(state, moving=False)
        if state.complete and abs(state.passages - state.counted) > state.counted / 10:
            frequent = frequent_words(self._collections.use(self._name), state.passages)
            state = replace(state, frequent=frequent, counted=state.passages)
        self._commit(self._name, state)
        # So that whoever looks after this returns finds what was written.
        self._wait(FRESH)
        return state

    def _begun(self, name: str, state: State) -> State:
        """Make sure that readers leave out what does not count yet, and that nothing of a writer that died is there."""
        if self._torn or (self._name != name and state.moving):
            state = self._cleared(name, state)
            self._torn = False
        if not state.moving:
            state = replace(state, moving=True)
            self._commit(name, state)
            self._wait(GRACE)
        self._name = name
        return state

    def _cleared(self, name: str, state: State) -> State:
        """Delete what does not count: of writes that failed, and versions that are gone."""
        from weaviate.classes.query import Filter

        collection = self._collections.use(name)
        delete(collection, Filter.by_property("since").greater_than(state.generation))
        if state.dead:
            self._wait(GRACE)
            for start in range(0, len(state.dead), 500):
                delete(collection, Filter.by_property("version").contains_any(list(state.dead[start : start + 500])))
            state = replace(state, dead=())
            self._commit(name, state)
        return state

    def _held(self, collection: Any, state: State, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """The version and the number of passages of each of these documents that is there."""
        if not state.documents:
            self._own = {}  # all that there will be is this session's, so that it knows without asking
        if self._own is not None:
            return {id_: self._own[id_] for id_ in ids if id_ in self._own}
        found: dict[str, tuple[str, int]] = {}
        properties = ["document", "version", "since", "key"]
        for each in among(collection, field_name("document"), [sortable(id_) for id_ in ids], properties):
            if state.counts(each.properties):
                id_, is_passage = each.properties["document"], bool(each.properties.get("key"))
                found[id_] = (each.properties["version"], found.get(id_, ("", 0))[1] + is_passage)
        return found

    def _add_properties(self, name: str, collection: Any, documents: Sequence[IndexedDocument]) -> None:
        wanted = {field for document in documents for field in fields(document)}
        if wanted <= self._known and self._name == name:
            return
        self._known = self._collections.properties(name)
        for field in sorted(wanted - self._known):
            collection.config.add_property(filtered(field))
        self._known |= wanted

    def _commit(self, name: str, state: State) -> None:
        put(self._collections.use(name), STATE_ID, {"state": state.written()})
        self._committed = time.monotonic()

    def _wait(self, seconds: float) -> None:
        time.sleep(max(0.0, self._committed + seconds - time.monotonic()) if self._committed else seconds)
