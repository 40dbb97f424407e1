"""What holds, and what is noted, while one answer is made."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import threading
from typing import Any

import dspy
import pytest

from ragc.errors import ConfigError
from ragc.retrieval import DSPY_KEY, Condition, Index, Retrieve, access, access_conditions, in_force, parse_filters

PEOPLE, NOBODY = parse_filters({"team": "people"}), parse_filters({"team": "nobody"})


def found(index: Index) -> int:
    return len(index.search("leave bonfires rent", alpha=0))


def test_it_holds_for_every_search_in_the_block_and_no_longer(filled: Index) -> None:
    everything = found(filled)
    with access(NOBODY):
        assert found(filled) == 0
        assert filled.rankings("leave bonfires rent", [0, 0.5, 1], k=9) == [[], [], []]
        assert asyncio.run(filled.asearch("leave bonfires rent")) == []
    assert found(filled) == everything == 3


def test_one_inside_another_adds_to_it(filled: Index) -> None:
    with access(NOBODY), access(PEOPLE):
        assert in_force() == (*NOBODY, *PEOPLE)
        assert found(filled) == 0
    assert in_force() == ()


def test_conditions_that_python_calls_equal_all_hold() -> None:
    true, one = parse_filters({"draft": True}), parse_filters({"draft": 1})
    assert true == one
    with access(true), access(one):
        assert [condition.value for condition in in_force()] == [True, 1]
        assert [type(condition.value) for condition in in_force()] == [bool, int]


def test_it_follows_into_copied_contexts_and_not_into_others(filled: Index) -> None:
    def seen(run: Any = lambda work: work()) -> tuple[Condition, ...]:
        here: list[tuple[Condition, ...]] = []
        thread = threading.Thread(target=run, args=(lambda: here.append(in_force()),))
        thread.start()
        thread.join()
        return here[0]

    with access(PEOPLE):
        assert seen(contextvars.copy_context().run) == PEOPLE
        assert seen() == ()
    with access(PEOPLE) as whole, dspy.context(**{DSPY_KEY: whole}):
        assert asyncio.run(dspy.asyncify(in_force)()) == PEOPLE


def test_searches_are_noted_with_all_that_had_to_hold(filled: Index) -> None:
    retrieve = Retrieve(k=2, filters={"document": {"ne": "rent.md"}})
    retrieve.bind(filled, filters=PEOPLE)
    bound = copy.deepcopy(retrieve)
    with access() as outer:
        with access(parse_filters({"document": {"gte": "b"}})) as inner:
            passages = bound("leave")
        asyncio.run(retrieve.acall("bonfires"))
    assert [search.query for search in outer.searches] == ["leave", "bonfires"]
    (search,) = inner.searches
    assert search.passages is passages
    assert [(one.field, one.operator) for one in search.conditions] == [
        ("document", "gte"),
        ("team", "eq"),
        ("document", "ne"),
    ]


def test_nothing_is_noted_where_nobody_asked(filled: Index) -> None:
    retrieve = Retrieve(k=2)
    retrieve.bind(filled)
    assert len(retrieve("leave")) == 2


@pytest.mark.parametrize("filters", [None, {}, (), {"a": ""}, {"a": " \n"}, {"a": {"in": ["x", ""]}}, {"a": None}])
def test_what_is_empty_guards_nothing_and_is_refused(filters: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        access_conditions(filters)
    assert "\n" not in str(caught.value)


def test_an_empty_list_finds_nothing_and_is_a_filter() -> None:
    assert access_conditions({"a": {"in": []}}) == (Condition("a", "in", ()),)
    assert access_conditions({"a": 0, "b": False}) == (Condition("a", "eq", 0), Condition("b", "eq", False))
