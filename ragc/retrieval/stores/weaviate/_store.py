"""The Weaviate store: passages in a collection of a server, which finds them by vectors, words, or both.

A search is one request: the server reads both legs, filters them and fuses them. How several writes take effect as one
although Weaviate has no transactions, and what a search reads meanwhile, is told in `_state.py`; who may write, in
`_lock.py`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ragc.errors import StoreError
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import Query
from ragc.retrieval._store import CollectionState, IndexedDocument, MadeWith
from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores._entries import made_anew
from ragc.retrieval.stores.weaviate._collections import Collections
from ragc.retrieval.stores.weaviate._connection import Connections
from ragc.retrieval.stores.weaviate._lock import locked
from ragc.retrieval.stores.weaviate._objects import among
from ragc.retrieval.stores.weaviate._requests import Other, Requests, passages_of
from ragc.retrieval.stores.weaviate._schema import READ, field_name, passage_of, sortable
from ragc.retrieval.stores.weaviate._server import Server
from ragc.retrieval.stores.weaviate._session import Session
from ragc.retrieval.stores.weaviate._state import ATTEMPTS, GRACE, State
from ragc.retrieval.stores.weaviate._told import told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WeaviateStore:
    """A collection on a Weaviate server; see `Store` for the contract."""

    def __init__(self, server: Server, address: Address) -> None:
        self._server = server
        self._connections = Connections(server)
        self._collections = Collections(self._connections, address)
        self._acollections = Collections(self._connections, address)
        self._task = address.collection
        self._read_only = address.read_only
        self._building: str | None = None
        self._session = threading.local()
        self._requests = Requests(server, address.collection)

    @property
    def location(self) -> str:
        """The server's address and the name of the alias."""
        return f"{self._server.shown} ({self._collections.alias})"

    def state(self) -> CollectionState | None:
        """See Store."""
        found = self._found()
        return None if found is None else found[1].public

    def reset(self, made_with: MadeWith) -> None:
        """See Store. Grows beside what is searched until it is whole; an unfinished one is taken up again."""
        with self._writing() as session, told(self._server):
            self._building = session.reset(State(made_with))

    def documents(self) -> dict[str, str]:
        """See Store."""
        return self._steadily(self._documents) or {}

    def passages(self, documents: Sequence[str]) -> list[Passage]:
        """See Store."""
        return self._steadily(lambda collection, state: _passages(collection, state, documents)) or []

    def vectors(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """See Store."""
        import numpy as np

        found = self._found()
        if found is None or not keys:
            return {}
        with told(self._server):
            held = among(self._collections.use(found[0]), "key", keys, ["key"], vectors=True)
            return {
                each.properties["key"]: np.asarray(each.vector["default"], dtype=np.float32)
                for each in held
                if "default" in each.vector
            }

    def write(
        self, documents: Sequence[IndexedDocument], removed: Sequence[str] = (), corpus_version: str | None = None
    ) -> None:
        """See Store."""
        with self._writing() as session:
            found = self._found()
            if found is None:
                raise self._missing()
            name, state = found
            with told(self._server):
                session.write(name, state, documents, removed, corpus_version)
                if corpus_version is not None:
                    self._collections.switch(name)
                    self._building = None
            self._requests.forget()

    def search(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """See Store."""
        name = self._collections.physical(made_with)
        steps, answer, error = self._requests.search(query, name), None, None
        while True:
            try:
                request = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as end:
                return passages_of(end)
            except Other:
                raise self._other(made_with) from None
            answer = error = None
            try:
                with told(self._server):
                    answer = request(self._collections.use(name))
            except StoreError as found:
                error = found

    async def asearch(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """Unlike `search`: awaits the server, in the running event loop and no other thread."""
        name = self._collections.physical(made_with)
        steps, answer, error = self._requests.search(query, name), None, None
        client = await self._connections.aclient()
        while True:
            try:
                request = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as end:
                return passages_of(end)
            except Other:
                raise self._other(made_with) from None
            answer = error = None
            try:
                with told(self._server):
                    answer = await request(self._acollections.use(name, client))
            except StoreError as found:
                error = found

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """See Store. A lease on the server; that of a process that was killed runs out in seconds."""
        with self._writing():
            yield

    def close(self) -> None:
        """See Store."""
        self._connections.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Session]:
        """Have the lock: that of the block around this one in the same thread, or a new one."""
        if self._read_only:
            raise StoreError(f"{self._server.shown} was opened read-only and cannot be changed")
        held: Session | None = getattr(self._session, "held", None)
        if held is not None:
            yield held
            return
        with locked(self._connections, self._collections.alias) as lease:
            session = self._session.held = Session(self._collections, lease)
            try:
                found = self._found()
                if found is not None and found[1].complete and self._building is None:
                    self._collections.name(found[0])  # one that was killed did not come to it
                yield session
                with told(self._server):
                    session.end()
                self._requests.forget()
            finally:
                self._session.held = None

    def _found(self) -> tuple[str, State] | None:
        """Name and state of the collection that this store reads and writes."""
        if self._building is not None and (state := self._collections.read(self._building)) is not None:
            return self._building, state
        return self._collections.current()

    def _steadily(self, read: Callable[[Any, State], Any]) -> Any:
        """What `read` finds in the collection, read again if that took so long that something may have been deleted."""
        for _ in range(ATTEMPTS):
            begun = time.monotonic()
            found = self._found()
            if found is None:
                return None
            with told(self._server):
                answer = read(self._collections.use(found[0]), found[1])
            if time.monotonic() - begun <= GRACE or self._found() == found:
                return answer
        raise StoreError(f"{self._server.shown} is written faster than it can be read; try again")

    def _documents(self, collection: Any, state: State) -> dict[str, str]:
        properties = ["document", "digest", "head", "since", "version"]
        found = (each.properties for each in collection.iterator(return_properties=properties, cache_size=1000))
        return {each["document"]: each["digest"] for each in found if each.get("head") and state.counts(each)}

    def _missing(self) -> StoreError:
        return StoreError(f"{self.location} holds no index of {self._task}; run `ragc index {self._task}`")

    def _other(self, made_with: MadeWith) -> StoreError:
        found = self._found()
        if found is None:
            return self._missing()
        if found[1].made_with == made_with:  # a server that starts answers before it knows its collections
            return StoreError(f"{self._server.shown} is not ready: it is still reading its collections; try again")
        return made_anew(self.location, self._task)


def _passages(collection: Any, state: State, documents: Sequence[str]) -> list[Passage]:
    values = [sortable(id_) for id_ in documents]
    held = among(collection, field_name("document"), values, [*READ, "since", "version"])
    found = [
        passage_of(each.uuid, each.properties)
        for each in held
        if each.properties.get("rest") and state.counts(each.properties)
    ]
    return sorted(found, key=lambda passage: (passage.document, passage.start, passage.id))
