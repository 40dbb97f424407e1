"""The language of metadata filters: small, typed, the same for every store.

    {"team": "payroll"}                      equal
    {"year": {"gte": 2024, "lt": 2026}}      gt, gte, lt, lte
    {"office": {"in": ["Gdańsk", "Lisbon"]}} one of
    {"status": {"ne": "draft"}}              not equal

All conditions hold at once. A field is a key of the document's metadata; `document` is the document's id. A condition
on a field that a document lacks does not hold, `ne` included: a filter that guards access must not open on what nobody
labelled. Values of different types are unequal and without order; true and false are not numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ragc.errors import ConfigError

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in"]
_ORDERING = ("gt", "gte", "lt", "lte")
_OPERATORS = ("in", "ne", *_ORDERING)
MOST_VALUES = 1000
"""The longest list that `in` takes."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a filter. `value` is a tuple for `in` and a scalar otherwise; never None or NaN."""

    field: str
    operator: Operator
    value: str | int | float | bool | tuple[str | int | float | bool, ...]


Filters = Mapping[str, object] | Sequence[Condition]
"""A filter as written, or conditions that were parsed before."""


def parse_filters(filters: Filters | None) -> tuple[Condition, ...]:
    """Return the conditions of `filters`, all of which must hold. Raises ConfigError on what is not in the language."""
    if filters is None:
        return ()
    if not isinstance(filters, Mapping):
        conditions = tuple(filters)
        for condition in conditions:
            if not isinstance(condition, Condition):
                raise _refused(f"{condition!r} is no condition")
        return conditions
    return tuple(condition for field, wanted in filters.items() for condition in _conditions(field, wanted))


def holds(conditions: Sequence[Condition], document: str, metadata: Mapping[str, object]) -> bool:
    """Whether a document fulfils all conditions: what every store decides in its own language."""
    return all(_holds(one, document if one.field == "document" else metadata.get(one.field)) for one in conditions)


def _holds(condition: Condition, value: object) -> bool:
    if value is None:
        return False
    wanted = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    if condition.operator in ("eq", "in"):
        return any(_kind(value) is _kind(one) and value == one for one in wanted)
    if condition.operator == "ne":
        return not any(_kind(value) is _kind(one) and value == one for one in wanted)
    kind = _kind(value)
    return kind is not bool and all(kind is _kind(one) and _ordered(condition.operator, value, one) for one in wanted)


def _kind(value: object) -> type:
    """Numbers of both kinds are one, and true and false are none of them."""
    return float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)


def _ordered(operator: Operator, value: Any, bound: Any) -> bool:
    compared = {"gt": value > bound, "gte": value >= bound, "lt": value < bound, "lte": value <= bound}
    return bool(compared[operator])


def _conditions(field: object, wanted: object) -> list[Condition]:
    if not isinstance(field, str) or not field:
        raise _refused(f"a field is named by text, not {field!r}")
    if not isinstance(wanted, Mapping):
        return [Condition(field, "eq", _scalar(field, wanted))]
    if not wanted:
        raise _refused(f"no condition for {field!r}")
    return [_condition(field, operator, value) for operator, value in wanted.items()]


def _condition(field: str, operator: object, value: object) -> Condition:
    if operator not in _OPERATORS:
        raise _refused(f"unknown operator {operator!r} for {field!r}")
    if operator == "in":
        if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, set, frozenset)):
            raise _refused(f"`in` for {field!r} takes a list, not {type(value).__name__}")
        if len(value) > MOST_VALUES:
            raise _refused(f"`in` for {field!r} takes at most {MOST_VALUES} values, not {len(value)}")
        return Condition(field, "in", tuple(_scalar(field, one) for one in value))
    scalar = _scalar(field, value)
    if operator in _ORDERING and isinstance(scalar, bool):
        raise _refused(f"`{operator}` for {field!r} takes a number or text, not {scalar}")
    return Condition(field, operator, scalar)  # type: ignore[arg-type]  # one of _OPERATORS, checked above


def _scalar(field: str, value: object) -> str | int | float | bool:
    if isinstance(value, float) and not math.isfinite(value):
        raise _refused(f"{field!r} is compared with {value}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise _refused(f"{field!r} is compared with a number of more than 64 bits")
    if isinstance(value, (str, int, float)):
        return value
    raise _refused(f"{field!r} is compared with {type(value).__name__}; text, a number, true or false was expected")


def _refused(found: str) -> ConfigError:
    return ConfigError(
        f'filters: {found}; write {{"field": value}} or {{"field": {{"in": […]}}}} with in, ne, gt, gte, lt or lte'
    )
