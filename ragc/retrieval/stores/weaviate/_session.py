"""One writer at a time: what a write does, and what is tidied up after the last.

Readers are never asked whether they are done. They know how long they may go by a state, and this side waits longer:
before passages are added to a collection that readers search without a filter, and before what is gone is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ragc.retrieval._store import IndexedDocument
from ragc.retrieval.stores import _snapshots
from ragc.retrieval.stores.weaviate._collections import Collections
from ragc.retrieval.stores.weaviate._lock import Lease, put
from ragc.retrieval.stores.weaviate._objects import among, delete, frequent_words, insert, objects_of
from ragc.retrieval.stores.weaviate._schema import field_name, fields, filtered, sortable
from ragc.retrieval.stores.weaviate._state import FRESH, GRACE, STATE_ID, State

CHUNK = 500
"""How many versions one request deletes."""


class Session:
    """What a holder of the lock knows and may do: the `Records` of the collection that it writes. One thread's."""

    def __init__(self, collections: Collections, lease: Lease) -> None:
        self._collections = collections
        self._lease = lease
        self._name = ""
        self._known: set[str] = set()
        self._torn = False
        self._committed = 0.0
        self._own: dict[str, tuple[str, int]] | None = None
        self._new: dict[str, tuple[str, int]] = {}

    def reset(self, state: State) -> str:
        """Begin to build what `state` is made with, or take up what another build with the same left; return where."""
        name, collections = self._collections.physical(state.made_with), self._collections
        collections.ensure(name)
        if collections.read(name) is None:
            put(collections.use(name), STATE_ID, {"state": state.written()})
        return name

    def write(
        self, name: str, state: State, documents: Sequence[IndexedDocument], removed: Sequence[str], version: str | None
    ) -> State:
        """Put documents in place of those with the same ids, delete others, and return the state of the collection."""
        state = self._begun(name, state)
        self._new = {}
        try:
            state = _snapshots.write(self, state, documents, removed, version)
        except BaseException:
            self._own = None  # how much of it counts is for the server to say
            raise
        if self._own is not None:
            for id_ in set(removed) - {document.id for document in documents}:
                self._own.pop(id_, None)
            self._own |= self._new
        return state

    def end(self) -> None:
        """Delete what is gone, once no reader can still want it."""
        state = self._collections.read(self._name) if self._name else None
        if state is None:
            return
        self.delete_later(state.generation)
        state = replace(_snapshots.tidied(self, state), moving=False)
        if state.complete and abs(state.passages - state.counted) > state.counted / 10:
            frequent = frequent_words(self._collection, state.passages)
            state = replace(state, frequent=frequent, counted=state.passages)
        self.commit(state)
        # So that whoever looks after this returns finds what was written.
        self._wait(FRESH)

    def held(self, state: State, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """See Records."""
        if not state.documents:
            self._own = {}  # all that there will be is this session's, so that it knows without asking
        if self._own is not None:
            return {id_: self._own[id_] for id_ in ids if id_ in self._own}
        found: dict[str, tuple[str, int]] = {}
        properties = ["document", "version", "since", "key"]
        for each in among(self._collection, field_name("document"), [sortable(id_) for id_ in ids], properties):
            if state.counts(each.properties):
                id_, is_passage = each.properties["document"], bool(each.properties.get("key"))
                found[id_] = (each.properties["version"], found.get(id_, ("", 0))[1] + is_passage)
        return found

    def insert(self, documents: Mapping[str, IndexedDocument], generation: int) -> None:
        """See Records."""
        self._add_properties({field for document in documents.values() for field in fields(document)})
        self._torn = True
        insert(
            self._collection,
            (one for version, each in documents.items() for one in objects_of(each, version, generation)),
        )
        self._new = {each.id: (version, len(each.entries)) for version, each in documents.items()}

    def delete_later(self, generation: int) -> None:
        """See Records. Asks for nothing where it is known that there is nothing."""
        from weaviate.classes.query import Filter

        if self._torn:
            delete(self._collection, Filter.by_property("since").greater_than(generation))
            self._torn = False

    def delete_versions(self, versions: Sequence[str]) -> None:
        """See Records."""
        from weaviate.classes.query import Filter

        self._wait(GRACE)
        for start in range(0, len(versions), CHUNK):
            delete(self._collection, Filter.by_property("version").contains_any(list(versions[start : start + CHUNK])))

    def commit(self, state: State) -> None:
        """See Records. Raises StoreError when another one may have the lock."""
        self._lease.check()
        put(self._collection, STATE_ID, {"state": state.written()})
        self._committed = time.monotonic()
        self._torn = False

    @property
    def _collection(self) -> Any:
        return self._collections.use(self._name)

    def _begun(self, name: str, state: State) -> State:
        """Make sure that readers leave out what does not count yet."""
        if self._name != name:
            self._name, self._known, self._own = name, set(), None
            self._torn = state.moving  # as a writer leaves it that dies
        if not state.moving:
            state = replace(state, moving=True)
            self.commit(state)
            self._wait(GRACE)
        return state

    def _add_properties(self, wanted: set[str]) -> None:
        if not wanted <= self._known:
            self._known = self._collections.properties(self._name)
            for field in sorted(wanted - self._known):
                self._collection.config.add_property(filtered(field))
            self._known |= wanted

    def _wait(self, seconds: float) -> None:
        time.sleep(max(0.0, self._committed + seconds - time.monotonic()) if self._committed else seconds)
