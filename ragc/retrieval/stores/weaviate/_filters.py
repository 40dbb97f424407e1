"""The filters of `ragc.retrieval._filters` in Weaviate's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ragc.retrieval._filters import Condition
from ragc.retrieval.stores.weaviate._schema import BEYOND, BOOLEAN, NUMBER, TEXT, field_name, sortable


def where(conditions: Sequence[Condition]) -> Any:
    """Return a filter that all conditions must fulfil; None without any."""
    return all_of([_where(condition) for condition in conditions])


def all_of(parts: Sequence[Any]) -> Any:
    """Return a filter that holds where all of `parts` do (those that are None left out); None without any."""
    from weaviate.classes.query import Filter

    held = [part for part in parts if part is not None]
    return None if not held else held[0] if len(held) == 1 else Filter.all_of(held)


def can_hold(conditions: Sequence[Condition]) -> bool:
    """Whether anything at all may fulfil the conditions: nothing is one of none."""
    return all(condition.value != () for condition in conditions)


def has_field(field: str) -> Any:
    """Return a filter for the documents that have the field, empty or not."""
    from weaviate.classes.query import Filter

    return Filter.by_property(field_name(field)).greater_or_equal("0")


def _where(condition: Condition) -> Any:
    from weaviate.classes.query import Filter

    field, value = Filter.by_property(field_name(condition.field)), condition.value
    if isinstance(value, tuple):
        return field.contains_any([sortable(one) for one in value])
    wanted = sortable(value)
    if condition.operator == "eq":
        return field.equal(wanted)
    if condition.operator == "ne":
        return Filter.all_of([field.greater_or_equal(BOOLEAN), field.not_equal(wanted)])
    kind, end = (TEXT, BEYOND) if isinstance(value, str) else (NUMBER, chr(ord(NUMBER) + 1))
    compared = {
        "gt": (field.greater_than(wanted), field.less_than(end)),
        "gte": (field.greater_or_equal(wanted), field.less_than(end)),
        "lt": (field.less_than(wanted), field.greater_or_equal(kind)),
        "lte": (field.less_or_equal(wanted), field.greater_or_equal(kind)),
    }
    return Filter.all_of(list(compared[condition.operator]))
