"""What a search asks a server for, request by request, whoever sends them: a thread or an event loop.

Most are one request. A reader goes by a state of the collection that may be FRESH seconds old, so now and then that is
read before; and where words were left out, a field is unknown, or the state may have moved on, there is one more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator
from typing import Any

from ragc.errors import StoreError
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import Query
from ragc.retrieval.stores.weaviate._collections import STATE, state_in
from ragc.retrieval.stores.weaviate._filters import all_of, can_hold, has_field
from ragc.retrieval.stores.weaviate._schema import field_name
from ragc.retrieval.stores.weaviate._search import Asked, asked
from ragc.retrieval.stores.weaviate._server import Server
from ragc.retrieval.stores.weaviate._state import ATTEMPTS, FRESH, GRACE, State
from ragc.retrieval.stores.weaviate._told import Missing

Request = Callable[[Any], Any]
"""What the collection is asked, given the client's; what it returns has to be awaited where that client is async."""


class Other(Exception):
    """The collection that was to be searched is not there, or no longer."""


class Requests:
    """Makes the requests of one store's searches, and keeps the states that they go by. May be shared by threads."""

    def __init__(self, server: Server, task: str) -> None:
        self._server = server
        self._task = task
        self._views: dict[str, tuple[State, float]] = {}

    def forget(self) -> None:
        """Go by no state that was read before now."""
        self._views.clear()

    def view(self, name: str) -> State:
        """Return the state that the last search of the collection went by."""
        return self._views[name][0]

    def search(self, query: Query, name: str) -> Generator[Request, Any, list[Passage]]:
        """Yield requests, be sent their answers, or thrown the StoreError; return passages. Raises Other."""
        view = self._views.get(name)
        for _ in range(ATTEMPTS):
            if view is None or time.monotonic() - view[1] > FRESH:
                view = yield from self._viewed(name)
            state, begun = view
            found = yield from self._found(query, state)
            if not found and query.conditions and state.documents:
                yield from self._checked_fields(query, state)
            if time.monotonic() - begun <= GRACE:
                return found
            view = yield from self._viewed(name)
            if view[0] == state:
                return found
        raise StoreError(f"{self._server.shown} is written faster than it can be searched; try again")

    def _found(self, query: Query, state: State) -> Generator[Request, Any, list[Passage]]:
        ask = asked(query, state) if can_hold(query.conditions) else None
        if ask is None:
            return []
        try:
            answer = yield _hybrid(ask)
        except Missing:
            raise Other from None
        except StoreError as error:
            raise self._unknown_field(query, error) from None
        found = ask.found(answer.objects)
        if ask.shortened and len(found) < min(query.k, state.passages):
            ask = asked(query, state, every_word=True)
            found = ask.found((yield _hybrid(ask)).objects) if ask else []
        return found

    def _viewed(self, name: str) -> Generator[Request, Any, tuple[State, float]]:
        begun = time.monotonic()
        try:
            state = state_in((yield lambda collection: collection.query.fetch_object_by_id(**STATE)))
        except Missing:
            state = None
        if state is None:
            raise Other
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


def passages_of(end: StopIteration) -> list[Passage]:
    """Return what a search came to."""
    found: list[Passage] = end.value
    return found


def _hybrid(ask: Asked) -> Request:
    return lambda collection: collection.query.hybrid(**ask.arguments)


def _any(where: Any) -> Request:
    return lambda collection: collection.query.fetch_objects(filters=where, limit=1, return_properties=["document"])
