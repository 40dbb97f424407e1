"""The Weaviate store: passages in a collection of a server, which finds them by vectors, words, or both.

A search is one request: the server reads both legs, filters them and fuses them. How several writes take effect as one
although Weaviate has no transactions, and what a search reads meanwhile, is told in `_state.py`; who may write, in
`_lock.py`.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ragc.errors import StoreError
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import Query
from ragc.retrieval._store import CollectionState, IndexedDocument, MadeWith
from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores._entries import check_vector
from ragc.retrieval.stores.weaviate._collections import STATE, Collections, state_in
from ragc.retrieval.stores.weaviate._connection import Connections
from ragc.retrieval.stores.weaviate._filters import all_of, can_hold, has_field
from ragc.retrieval.stores.weaviate._lock import locked
from ragc.retrieval.stores.weaviate._objects import among
from ragc.retrieval.stores.weaviate._schema import READ, field_name, passage_of, sortable
from ragc.retrieval.stores.weaviate._search import Asked, asked
from ragc.retrieval.stores.weaviate._server import Server
from ragc.retrieval.stores.weaviate._session import Session
from ragc.retrieval.stores.weaviate._state import FRESH, GRACE, State
from ragc.retrieval.stores.weaviate._told import Missing, told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ATTEMPTS = 5
"""How often a search is made that takes so long that what it reads may have been deleted under it."""

Request = Callable[[Any], Any]
"""What the collection is asked, given the client's; what it returns has to be awaited where that client is async."""


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
        self._views: dict[str, tuple[State, float]] = {}

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
            for entry in (entry for document in documents for entry in document.entries):
                check_vector(entry, state.made_with.dimensions)
            with told(self._server):
                state = session.write(name, state, documents, removed, corpus_version)
                if corpus_version is not None:
                    self._collections.switch(name)
                    self._building = None
            self._views.clear()

    def search(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """See Store."""
        steps = self._searching(query, made_with)
        name = self._collections.physical(made_with)
        answer = error = None
        while True:
            try:
                request = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as end:
                return _passages_of(end)
            answer = error = None
            try:
                with told(self._server):
                    answer = request(self._collections.use(name))
            except StoreError as found:
                error = found

    async def asearch(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """Unlike `search`: awaits the server, in the running event loop and no other thread."""
        steps = self._searching(query, made_with)
        name = self._collections.physical(made_with)
        client = await self._connections.aclient()
        answer = error = None
        while True:
            try:
                request = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as end:
                return _passages_of(end)
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
                self._views.clear()
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

    def _searching(self, query: Query, made_with: MadeWith) -> Generator[Request, Any, list[Passage]]:
        """The requests of one search, and from their answers the passages."""
        name = self._collections.physical(made_with)
        view = self._views.get(name)
        for _ in range(ATTEMPTS):
            if view is None or time.monotonic() - view[1] > FRESH:
                view = yield from self._viewed(name)
            state, begun = view
            ask = asked(query, state) if can_hold(query.conditions) else None
            try:
                answer = (yield _hybrid(ask)) if ask else None
            except Missing:
                raise self._other() from None
            except StoreError as error:
                raise self._unknown_field(query, error) from None
            found = ask.found(answer.objects) if ask and answer else []
            if ask and ask.shortened and len(found) < min(query.k, state.passages):
                ask = asked(query, state, every_word=True)
                answer = (yield _hybrid(ask)) if ask else None
                found = ask.found(answer.objects) if ask and answer else []
            if not found and query.conditions and state.documents:
                yield from self._checked_fields(query, state)
            if time.monotonic() - begun <= GRACE:
                return found
            view = yield from self._viewed(name)
            if view[0] == state:
                return found
        raise StoreError(f"{self._server.shown} is written faster than it can be searched; try again")

    def _viewed(self, name: str) -> Generator[Request, Any, tuple[State, float]]:
        begun = time.monotonic()
        try:
            state = state_in((yield lambda collection: collection.query.fetch_object_by_id(**STATE)))
        except Missing:
            state = None
        if state is None:
            raise self._other()
        view = self._views[name] = (state, begun)
        return view

    def _checked_fields(self, query: Query, state: State) -> Generator[Request, Any, None]:
        for condition in query.conditions:
            if condition.field == "document":
                continue
            where = all_of([has_field(condition.field), state.where])
            try:
                answer = yield _any(where)
            except StoreError as error:
                raise self._unknown_field(query, error) from None
            if not answer.objects:
                raise self._no_such_field(condition.field)

    def _unknown_field(self, query: Query, error: StoreError) -> StoreError:
        missing = re.search(r"no such prop with name '(\w+)'", str(error))
        for condition in query.conditions:
            if missing and field_name(condition.field) == missing[1]:
                return self._no_such_field(condition.field)
        return error

    def _no_such_field(self, field: str) -> StoreError:
        return StoreError(f"filters: no document of {self._task} has a field {field!r}")

    def _missing(self) -> StoreError:
        return StoreError(f"{self.location} holds no index of {self._task}; run `ragc index {self._task}`")

    def _other(self) -> StoreError:
        if self._found() is None:
            return self._missing()
        return StoreError(
            f"{self.location}: the index of {self._task} was made anew with other settings; open it again"
        )


def _hybrid(ask: Asked) -> Request:
    return lambda collection: collection.query.hybrid(**ask.arguments)


def _passages(collection: Any, state: State, documents: Sequence[str]) -> list[Passage]:
    values = [sortable(id_) for id_ in documents]
    held = among(collection, field_name("document"), values, [*READ, "since", "version"])
    found = [
        passage_of(each.uuid, each.properties)
        for each in held
        if each.properties.get("rest") and state.counts(each.properties)
    ]
    return sorted(found, key=lambda passage: (passage.document, passage.start, passage.id))


def _any(where: Any) -> Request:
    return lambda collection: collection.query.fetch_objects(filters=where, limit=1, return_properties=["document"])


def _passages_of(end: StopIteration) -> list[Passage]:
    found: list[Passage] = end.value
    return found
