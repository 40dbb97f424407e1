"""The language of filters refuses what is not in it, in one line."""

from __future__ import annotations

from typing import Any

import pytest

from ragc.errors import ConfigError
from ragc.retrieval import Condition, parse_filters


def test_every_form() -> None:
    assert parse_filters({"a": "x", "b": {"gte": 1, "lt": 2.5}, "c": {"in": ["x", 1]}, "d": {"ne": True}}) == (
        Condition("a", "eq", "x"),
        Condition("b", "gte", 1),
        Condition("b", "lt", 2.5),
        Condition("c", "in", ("x", 1)),
        Condition("d", "ne", True),
    )
    assert parse_filters(None) == parse_filters({}) == ()


def test_conditions_pass_through_and_add_up() -> None:
    first = parse_filters({"team": "a"})
    assert parse_filters((*first, *parse_filters({"team": "b"}))) == (
        Condition("team", "eq", "a"),
        Condition("team", "eq", "b"),
    )


@pytest.mark.parametrize(
    "filters",
    [
        {"": "x"},
        {1: "x"},
        {"a": None},
        {"a": ["x"]},
        {"a": {}},
        {"a": {"like": "x%"}},
        {"a": {"eq": "x"}},
        {"a": {"in": "text"}},
        {"a": {"in": [None]}},
        {"a": {"in": [["x"]]}},
        {"a": {"in": list(range(1001))}},
        {"a": {"gt": None}},
        {"a": {"gt": True}},
        {"a": {"gt": [1]}},
        {"a": float("nan")},
        {"a": {"lt": float("inf")}},
        {"a": 2**64},
        {"a": b"x"},
        ["team"],
        "team",
    ],
)
def test_what_is_not_in_the_language(filters: Any) -> None:
    with pytest.raises(ConfigError, match=r"^filters: ") as caught:
        parse_filters(filters)
    assert "\n" not in str(caught.value)
