"""Qdrant: BM25 over its text index, exact or HNSW search of vectors, both legs in one request and fused here.

A collection has a name of its own for each time that it is made anew, and an alias by which it is found; a reset makes
the new one and moves the alias. Qdrant has no transactions: `_snapshots` says how a write takes effect whole.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from qdrant_client import QdrantClient, models

from ragc.errors import StoreError
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import Query
from ragc.retrieval._store import CollectionState, IndexedDocument, MadeWith
from ragc.retrieval.stores import _snapshots
from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores._entries import made_anew
from ragc.retrieval.stores._snapshots import State, unpacked
from ragc.retrieval.stores._words import asked_words
from ragc.retrieval.stores.qdrant._connection import Connection
from ragc.retrieval.stores.qdrant._folder import locked
from ragc.retrieval.stores.qdrant._lock import Lease, leased
from ragc.retrieval.stores.qdrant._points import VECTOR, Points, passage_id_of
from ragc.retrieval.stores.qdrant._server import Server
from ragc.retrieval.stores.qdrant._told import Missing, told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

GRACE = 0.5
"""Seconds that a reader has, from before it reads the state; one that took longer looks whether that still holds."""
ATTEMPTS = 5
"""How often something is read that changes under the reader."""


class QdrantStore:
    """A collection in Qdrant; see `Store` for the contract."""

    def __init__(self, server: Server, address: Address) -> None:
        self._server = server
        self._connection = Connection(server)
        self._task = address.collection
        self._read_only = address.read_only
        self._alias = address.name_on_server(server.owner)
        self._held = threading.local()
        self._frequent: tuple[object, dict[str, bool]] = (None, {})

    @property
    def location(self) -> str:
        """The server's address, or the folder, and the name of the alias."""
        return f"{self._server.folder or self._server.shown} ({self._alias})"

    def state(self) -> CollectionState | None:
        """See Store."""
        found = self._read(lambda points, state: state)
        return found.public if found else None

    def reset(self, made_with: MadeWith) -> None:
        """See Store."""
        with self._writing(), self._connection.lent(writing=True) as client:
            former = self._physical(client)
            if former is None and client.collection_exists(self._alias):
                raise self._somebody_elses()
            name = f"{self._alias}_{uuid.uuid4().hex[:12]}"
            points = self._points(client, name)
            points.create(made_with.dimensions, self._server.replicas, self._server.shards)
            points.commit(State(made_with))
            alias = models.CreateAlias(collection_name=name, alias_name=self._alias)
            operations: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=alias)]
            if former is not None:
                gone = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._alias))
                operations.insert(0, gone)
            client.update_collection_aliases(operations)
            for each in client.get_collections().collections:
                if each.name != name and re.fullmatch(rf"{self._alias}_[0-9a-f]{{12}}", each.name):
                    client.delete_collection(each.name)

    def documents(self) -> dict[str, str]:
        """See Store."""
        fields = ["document", "digest"]
        return (
            self._read(
                lambda points, state: {
                    each.payload["document"]: each.payload["digest"] for each in points.heads(state, fields)
                }
            )
            or {}
        )

    def passages(self, documents: Sequence[str]) -> list[Passage]:
        """See Store."""

        def read(points: Points, state: State) -> list[Passage]:
            found = points.among(state, "document", documents, ["passage"])
            return [
                unpacked(passage_id_of(str(each.id)), each.payload["passage"])
                for each in found
                if "passage" in each.payload
            ]

        return sorted(self._read(read) or [], key=lambda each: (each.document, each.start, each.id))

    def vectors(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """See Store."""
        import numpy as np

        def read(points: Points, state: State) -> dict[str, NDArray[np.float32]]:
            return {
                each.payload["key"]: np.asarray(each.vector[VECTOR], dtype=np.float32)
                for each in points.among(state, "key", keys, ["key"], vectors=True)
                if each.vector and VECTOR in each.vector
            }

        return self._read(read) or {}

    def write(
        self, documents: Sequence[IndexedDocument], removed: Sequence[str] = (), corpus_version: str | None = None
    ) -> None:
        """See Store."""
        with self._writing() as lease, self._connection.lent(writing=True) as client:
            name = self._physical(client)
            if name is None:
                raise self._missing()
            points = self._points(client, name)
            state = self._state(points)
            if lease is not None:
                lease.check()
            _snapshots.write(points, state, documents, removed, corpus_version)

    def search(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """See Store."""

        def read(points: Points, state: State) -> list[Passage]:
            if state.made_with != made_with:
                raise made_anew(self.location, self._task)
            return self._search(points, state, query)

        found = self._read(read)
        if found is None:
            raise self._missing()
        return found

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """See Store. On a server a lease: that of a process that was killed runs out in seconds."""
        with self._writing():
            yield

    def close(self) -> None:
        """See Store."""
        self._connection.close()

    def _search(self, points: Points, state: State, query: Query) -> list[Passage]:
        words = asked_words(query.text) if query.alpha < 1 else []
        # As the embedded store does it: these decide nothing there, and here they would.
        rare = [word for word in words if not self._is_frequent(points, state, word)]
        given = query.vector if query.alpha > 0 else None
        vector = given.tolist() if given is not None and any(given) else None
        where = points.where(state, query.conditions)
        legs: list[dict[str, float]] = [{}, {}]
        if where is not None:
            legs = points.legs(" ".join(rare), vector, where, query.depth)
            if len(legs[0]) < query.depth and len(rare) < len(words):
                legs[0] = points.legs(" ".join(words), None, where, query.depth)[0]
        found = _snapshots.found(legs, passage_id_of, query.alpha, query.k)
        if not found.fused and query.conditions and state.documents:
            self._check_fields(points, state, query)
        return found.passages(points.texts(found.wanted) if found.fused else {})

    def _is_frequent(self, points: Points, state: State, word: str) -> bool:
        """Whether the word stands in more than half of the passages; counted once for each state of the index."""
        known = self._frequent
        if known[0] != (points.name, state.generation):
            spread = points.spread(state) if self._server.folder else {}
            frequent = {word: 2 * passages > state.passages for word, passages in spread.items()}
            known = self._frequent = ((points.name, state.generation), frequent)
        if word not in known[1] and not self._server.folder:
            known[1][word] = 2 * points.holding(state, word) > state.passages
        return known[1].get(word, False)

    def _read(self, read: Callable[[Points, State], T]) -> T | None:
        """What `read` finds; read again where that took so long that something may have been deleted under it."""
        if not self._connection.exists:
            return None
        for _ in range(ATTEMPTS):
            begun = time.monotonic()
            with self._connection.lent() as client:
                name = self._physical(client)
                if name is None:
                    return None
                points = self._points(client, name)
                try:
                    state = self._state(points)
                    answer = read(points, state)
                    if self._server.folder or time.monotonic() - begun <= GRACE or points.state() == state:
                        return answer
                except Missing:
                    continue  # made anew
        raise StoreError(f"{self._server.shown} is written faster than it can be read; try again")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Lease | None]:
        """Have the lock: that of the block around this one in the same thread, or a new one."""
        if self._read_only:
            raise StoreError(f"{self.location} was opened read-only and cannot be changed")
        if getattr(self._held, "inside", False):
            yield self._held.lease
            return
        with self._lock() as lease:
            self._held.inside, self._held.lease = True, lease
            try:
                yield lease
                self._tidy()
            finally:
                self._held.inside = False

    @contextlib.contextmanager
    def _lock(self) -> Iterator[Lease | None]:
        folder = self._server.folder
        if folder is None:
            with leased(self._connection, self._alias) as lease:
                yield lease
            return
        with told(self._server):
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / f"ragc-{self._alias}.lock"):
                yield None

    def _tidy(self) -> None:
        with self._connection.lent() as client:
            name = self._physical(client)
            state = self._points(client, name).state() if name else None
        if state is not None and state.dead:
            with self._connection.lent(writing=True) as client:
                _snapshots.tidied(self._points(client, str(name)), state)

    def _points(self, client: QdrantClient, name: str) -> Points:
        local = self._server.folder is not None
        return Points(client, name, local=local, grace=0.0 if local else GRACE)

    def _state(self, points: Points) -> State:
        state = points.state()
        if state is None:
            raise self._somebody_elses()
        return state

    def _physical(self, client: QdrantClient) -> str | None:
        """The collection that the alias names; None where there is no alias."""
        for each in client.get_aliases().aliases:
            if each.alias_name == self._alias:
                return each.collection_name
        return None

    def _check_fields(self, points: Points, state: State, query: Query) -> None:
        for field in {condition.field for condition in query.conditions} - {"document"}:
            if not points.has_field(state, field):
                raise StoreError(f"filters: no document of {self._task} has a field {field!r}")

    def _somebody_elses(self) -> StoreError:
        return StoreError(
            f"{self._server.shown}: {self._alias} is a collection of somebody else's; add ?collection=NAME to `store`"
        )

    def _missing(self) -> StoreError:
        return StoreError(f"{self.location} holds no index of {self._task}; run `ragc index {self._task}`")
