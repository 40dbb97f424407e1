"""What one answer may see, and what it saw: filters for every search that is made for it, and what was found.

A binding (`Retrieve.bind`) narrows one Retrieve of one program. An access narrows whatever else is searched in the same
thread or task while an answer is made: `ragc.search`, another artifact, a Retrieve that two programs share. It adds
conditions and takes none away, and one inside another adds to it. It follows into `dspy.Parallel`, `asyncio.to_thread`
and batches; into a bare thread a program has to take it along (`contextvars.copy_context().run`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragc.errors import ConfigError
from ragc.retrieval._filters import Condition, Filters, parse_filters

if TYPE_CHECKING:
    from ragc.retrieval._passages import Passages


@dataclass(frozen=True)
class Search:
    """One search by a Retrieve."""

    query: str
    conditions: tuple[Condition, ...]
    """All that had to hold."""
    passages: Passages
    """What came of it."""


@dataclass(frozen=True, eq=False)
class Access:
    """What holds, and what was found, while one answer is made."""

    conditions: tuple[Condition, ...]
    """Those of the accesses around it included."""
    searches: list[Search] = field(default_factory=list)
    """In the order in which they ended."""
    outer: Access | None = None


DSPY_KEY = "ragc_access"
"""The key of DSPy's settings in which an Access is handed on to its threads: `dspy.context(**{DSPY_KEY: …})`."""
_ACCESS: ContextVar[Access | None] = ContextVar("ragc_access", default=None)


@contextlib.contextmanager
def access(conditions: Sequence[Condition] = ()) -> Iterator[Access]:
    """Let `conditions` hold for every search in the block, in this thread or task and what it starts."""
    outer = _current()
    inner = Access(with_those_in_force(conditions), outer=outer)
    token = _ACCESS.set(inner)
    try:
        yield inner
    finally:
        _ACCESS.reset(token)


def _current() -> Access | None:
    """The access here; in a thread of `dspy.Parallel`, which hands on DSPy's settings and no context, theirs."""
    inner, dspy = _ACCESS.get(), sys.modules.get("dspy")
    return dspy.settings.get(DSPY_KEY) if inner is None and dspy is not None else inner


def in_force() -> tuple[Condition, ...]:
    """Return the conditions that hold here."""
    inner = _current()
    return () if inner is None else inner.conditions


def with_those_in_force(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Return `conditions` and those that hold here."""
    # By identity: True and 1 are equal in Python, and two conditions in a filter.
    return (*(one for one in in_force() if not any(one is other for other in conditions)), *conditions)


def record_search(query: str, conditions: Sequence[Condition], passages: Passages) -> None:
    """Note what a search came to, for the answers that are being made."""
    inner = _current()
    if inner is None:
        return
    search = Search(query, with_those_in_force(conditions), passages)
    while inner is not None:
        inner.searches.append(search)
        inner = inner.outer


def access_conditions(filters: Filters | None) -> tuple[Condition, ...]:
    """Return the conditions of filters that guard access. Unlike `parse_filters`, what is empty is refused.

    A user without a team must not become a user without a filter, nor one for whom the empty team is looked up. Raises
    ConfigError for no filters at all, for one that compares with None or blank text, and for what is not in the
    language. An empty list for `in` finds nothing and is none of these.
    """
    if filters is None or not filters:
        raise ConfigError("filters: none given; name at least one field, or leave filters out to search everything")
    if isinstance(filters, Mapping):
        filters = {field: dict(value) if isinstance(value, Mapping) else value for field, value in filters.items()}
    conditions = parse_filters(filters)
    for one in conditions:
        values = one.value if isinstance(one.value, tuple) else (one.value,)
        if any(isinstance(value, str) and not value.strip() for value in values):
            raise ConfigError(f"filters: {one.field!r} is compared with empty text; refuse whoever has no value for it")
    return conditions
