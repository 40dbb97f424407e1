"""Searches that are remembered: the same answers, and only the same search is done once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from contract.stores import corpus_of
from ragc.errors import ConfigError
from ragc.retrieval import Index, Remembered, _remembered
from ragc.retrieval._access import access
from ragc.retrieval._filters import parse_filters

TEXTS = {"leave.md": "Days not taken lapse on 31 March.", "pay.md": "Days of pay are days of leave."}


@pytest.fixture
def index(index: Index) -> Index:
    index.update(corpus_of(TEXTS, {"team": "hr"}))
    return index


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries that were really searched for."""
    done: list[str] = []
    search = Index.search

    def counted(self: Index, query: str, **given: Any) -> list[Any]:
        done.append(query)
        return search(self, query, **given)

    monkeypatch.setattr(Index, "search", counted)
    return done


def test_the_same_search_is_done_once_and_comes_to_the_same(index: Index, searches: list[str]) -> None:
    remembered = Remembered(index)
    first, second = remembered.search("days"), remembered.search("days")
    assert searches == ["days"]
    assert first == second == index.search("days")
    assert asyncio.run(remembered.asearch("days")) == first


@pytest.mark.parametrize(
    "other",
    [{"k": 1}, {"alpha": 0.0}, {"fetch_k": 7}, {"filters": {"team": "hr"}}, {"filters": {"team": 1}}],
    ids=str,
)
def test_another_setting_is_another_search(index: Index, searches: list[str], other: dict[str, Any]) -> None:
    remembered = Remembered(index)
    remembered.search("days", filters={"team": True})
    assert remembered.search("days", **other) == Index.search(index, "days", **other)
    assert searches == ["days"] * 3


def test_what_changed_meanwhile_is_searched_anew(index: Index) -> None:
    remembered = Remembered(index)
    assert len(remembered.search("days")) == 2
    index.update(corpus_of({"leave.md": TEXTS["leave.md"]}))
    assert [passage.document for passage in remembered.search("days")] == ["leave.md"]


def test_who_changes_a_passage_changes_it_for_himself(index: Index) -> None:
    remembered = Remembered(index)
    for _ in range(2):
        found = remembered.search("days")
        assert "mine" not in found[0].metadata
        found[0].metadata["mine"] = 1  # type: ignore[index]
        found.clear()


def test_memory_is_bounded_and_what_was_asked_last_stays(
    index: Index, searches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_remembered, "MOST", 6)  # two searches that find two passages each
    remembered = Remembered(index)
    for query in ("days", "leave days", "days", "pay days", "days", "leave days"):
        remembered.search(query)
    assert searches == ["days", "leave days", "pay days", "leave days"]


def test_a_mistake_is_raised_each_time(index: Index) -> None:
    remembered = Remembered(index)
    for _ in range(2):
        with pytest.raises(ConfigError):
            remembered.search("days", k=0)


def test_threads_share_what_is_remembered(index: Index) -> None:
    remembered, expected = Remembered(index), index.search("days")
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(1 for _ in range(20) if remembered.search("days") != expected)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_filters_in_force_around_it_hold_for_what_is_remembered(index: Index) -> None:
    remembered = Remembered(index)
    assert remembered.search("days")
    with access(parse_filters({"team": "sales"})):
        assert remembered.search("days") == []
    assert remembered.search("days")
