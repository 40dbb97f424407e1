"""Pinecone: its full-text search and its vectors, fused here; a namespace each time that a collection is made anew.

Two things are Pinecone's own and not the contract's. Writes are shown a while after they were taken in: so every write
waits until what it wrote can be read, and only then counts. And nothing there excludes another writer: updates wait for
each other on one machine only, by a lock file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pinecone import DenseVectorQuery, Index, TextQuery
from pinecone.errors.exceptions import NotFoundError

from ragc.errors import StoreError
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import Query
from ragc.retrieval._store import CollectionState, IndexedDocument, MadeWith
from ragc.retrieval.stores import _snapshots
from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores._entries import made_anew
from ragc.retrieval.stores._snapshots import State, unpacked
from ragc.retrieval.stores._words import asked_words
from ragc.retrieval.stores.pinecone._connection import BODY, VECTOR, Connection
from ragc.retrieval.stores.pinecone._records import Namespace, counting, passage_id_of, patiently
from ragc.retrieval.stores.pinecone._server import Server
from ragc.retrieval.stores.pinecone._told import told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

ATTEMPTS = 5
"""How often something is read that changes under the reader."""
STATE = "state"
"""The id of the document that holds the state, in the namespace that is called as the collection."""


class PineconeStore:
    """A collection in an index of Pinecone; see `Store` for the contract."""

    def __init__(self, server: Server, address: Address) -> None:
        self._server = server
        self._connection = Connection(server)
        self._task = address.collection
        self._read_only = address.read_only
        self._name = address.name_on_server(server.owner)
        self._held = threading.local()

    @property
    def location(self) -> str:
        """The index, and the collection's namespace in it; `ragc doctor` shows it."""
        return f"{self._server.shown} ({self._name}; experimental)"

    def state(self) -> CollectionState | None:
        """See Store."""
        found = self._read(lambda records, state: state)
        return found.public if found else None

    def reset(self, made_with: MadeWith) -> None:
        """See Store."""
        with self._writing(), told(self._server):
            index = self._connection.ensure(made_with.dimensions)
            former = self._found(index)
            records = _Records(index, self._name, f"{self._name}-{uuid.uuid4().hex[:12]}", made_with.dimensions)
            records.commit(State(made_with))
            if former is not None:
                former[0].remove()

    def documents(self) -> dict[str, str]:
        """See Store."""

        def read(records: Namespace, state: State) -> dict[str, str]:
            heads = records.all_of(counting(state, [{"head": {"$eq": True}}]), ["document", "digest"])
            return {each["document"][1:]: each["digest"] for each in heads}

        return self._read(read) or {}

    def passages(self, documents: Sequence[str]) -> list[Passage]:
        """See Store."""

        def read(records: Namespace, state: State) -> list[Passage]:
            wanted = [_snapshots.typed(id_) for id_ in documents]
            found = records.among(state, "document", wanted, ["passage"])
            return [unpacked(passage_id_of(each["_id"]), each["passage"]) for each in found if "passage" in each]

        return sorted(self._read(read) or [], key=lambda each: (each.document, each.start, each.id))

    def vectors(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """See Store."""
        import numpy as np

        def read(records: Namespace, state: State) -> dict[str, NDArray[np.float32]]:
            found = records.among(state, "key", keys, ["key", "directed", VECTOR])
            return {each["key"]: np.asarray(each[VECTOR], dtype=np.float32) for each in found if each["directed"]}

        return self._read(read) or {}

    def write(
        self, documents: Sequence[IndexedDocument], removed: Sequence[str] = (), corpus_version: str | None = None
    ) -> None:
        """See Store."""
        with self._writing(), told(self._server):
            index = self._connection.index()
            found = self._found(index) if index else None
            if found is None:
                raise self._missing()
            _snapshots.write(found[0], found[1], documents, removed, corpus_version)

    def search(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """See Store."""

        def read(records: Namespace, state: State) -> list[Passage]:
            if state.made_with != made_with:
                raise made_anew(self.location, self._task)
            return self._search(records, state, query)

        found = self._read(read)
        if found is None:
            raise self._missing()
        return found

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """See Store. Holds off updates on this machine; two machines must not update one collection at once."""
        with self._writing():
            yield

    def close(self) -> None:
        """See Store."""
        self._connection.close()

    def _search(self, records: Namespace, state: State, query: Query) -> list[Passage]:
        text = " ".join(asked_words(query.text)) if query.alpha < 1 else ""
        given = query.vector if query.alpha > 0 else None
        vector = given.tolist() if given is not None and any(given) else None
        where = records.where(state, query.conditions)
        legs: list[dict[str, float]] = [{}, {}]
        if where is not None and text:
            legs[0] = records.leg(TextQuery(query=text, fields=[BODY]), where, query.depth)
        if where is not None and vector:
            directed = {"$and": [where, {"directed": {"$eq": True}}]}
            legs[1] = records.leg(DenseVectorQuery(field=VECTOR, values=vector), directed, query.depth)
        found = _snapshots.found(legs, passage_id_of, query.alpha, query.k)
        if not found.fused and query.conditions and state.documents:
            for field in {condition.field for condition in query.conditions} - {"document"}:
                if not records.has_field(state, field):
                    raise StoreError(f"filters: no document of {self._task} has a field {field!r}")
        return found.passages(records.texts(found.wanted))

    def _read(self, read: Callable[[Namespace, State], T]) -> T | None:
        """What `read` finds; read again where the state has changed, since something may have been deleted under it."""
        with told(self._server):
            index = self._connection.index()
            if index is None:
                return None
            for _ in range(ATTEMPTS):
                found = self._found(index)
                if found is None:
                    return None
                answer = read(*found)
                again = self._found(index)
                if again is not None and (again[0].name, again[1]) == (found[0].name, found[1]):
                    return answer
        raise StoreError(f"{self._server.shown} is written faster than it can be read; try again")

    def _found(self, index: Index) -> tuple[_Records, State] | None:
        """The namespace that counts now, and its state."""
        try:
            answer = index.documents.fetch(namespace=self._name, ids=[STATE], include_fields=["state", "place"])
        except NotFoundError:
            return None
        if STATE not in answer.documents:
            return None
        held = answer.documents[STATE].to_dict()
        if not held.get("state"):
            raise StoreError(
                f"{self._server.shown}: {self._name} is a namespace of somebody else's; add ?collection=NAME to `store`"
            )
        state = State.read(held["state"])
        return _Records(index, self._name, held["place"], state.made_with.dimensions), state

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Have the lock: that of the block around this one in the same thread, or a new one."""
        if self._read_only:
            raise StoreError(f"{self.location} was opened read-only and cannot be changed")
        if getattr(self._held, "inside", False):
            yield
            return
        digest = hashlib.sha256(f"{self._server.index}/{self._name}".encode()).hexdigest()[:16]
        with (Path(tempfile.gettempdir()) / f"ragc-pinecone-{digest}.lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._held.inside = True
            try:
                yield
                with told(self._server):
                    index = self._connection.index()
                    found = self._found(index) if index else None
                    if found is not None:
                        _snapshots.tidied(*found)
            finally:
                self._held.inside = False

    def _missing(self) -> StoreError:
        return StoreError(f"{self.location} holds no index of {self._task}; run `ragc index {self._task}`")


class _Records(Namespace):
    """A namespace of passages, and the state that says so, which is in another."""

    def __init__(self, index: Index, home: str, name: str, dimensions: int) -> None:
        super().__init__(index, name, dimensions)
        self._home = home

    def commit(self, state: State) -> None:
        """See Records. Returns when the state can be read."""
        written = state.written()
        kept = {"_id": STATE, VECTOR: self._placeholder, "state": written, "place": self.name}
        self._documents.upsert(namespace=self._home, documents=[kept])

        def shown() -> bool:
            answer = self._documents.fetch(namespace=self._home, ids=[STATE], include_fields=["state"])
            return STATE in answer.documents and answer.documents[STATE].to_dict().get("state") == written

        patiently(shown)
