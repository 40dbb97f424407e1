"""A fresh test split: only what nobody has measured by comes into it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragc.data import (
    Example,
    Splits,
    assign_splits,
    open_test,
    openings_beside,
    read_openings,
    renew_test,
)
from ragc.errors import DataError


def made(number: int, first: int = 0) -> list[Example]:
    """So many questions of which no two are near."""
    words = [
        f"{a}{b}{c}" for a in ("ba", "ke", "mu") for b in ("lor", "tin", "sap", "wex") for c in ("dim", "gor", "fy")
    ]
    return [
        Example(f"e{i}", f"What is {words[i % 36]} for {words[(7 * i + i // 36) % 36][::-1]}?", (f"answer {i}",))
        for i in range(first, first + number)
    ]


def opened(splits: Splits, path: Path, program: str) -> int:
    file = openings_beside(path)
    return open_test(splits, file, by="compile", programs={"baseline": program}, corpus="c").count


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "splits.json"


def test_only_new_examples_come_into_a_fresh_test_and_the_old_one_trains_and_validates(path: Path) -> None:
    old = made(60)
    before = assign_splits(old, path)
    assert [opened(before, path, program) for program in "abc"] == [1, 2, 3]
    renewal = renew_test(made(85), path)
    after = renewal.splits
    assert {one.id for one in after.test} == {one.id for one in made(25, 60)}
    assert (renewal.opened, len(renewal.moved)) == (3, 30)
    assert {one.id for one in before.train} <= {one.id for one in after.train}
    assert (len(after.train), len(after.validation)) == (24, 36)
    assert read_openings(openings_beside(path)).count == 0
    assert opened(after, path, "a") == 1
    assert assign_splits(made(85), path).fingerprint == after.fingerprint, "the next compile keeps it"


def test_a_question_near_to_an_old_one_stays_out_of_it(path: Path) -> None:
    old = made(60)
    assign_splits(old, path)
    near = Example("near", old[0].question.replace("What is", "What is the"), ("answer 0",))
    renewal = renew_test([*made(85), near], path)
    assert renewal.joined == (near,)
    assert near not in renewal.splits.test


def test_a_question_that_was_deleted_and_comes_back_is_no_new_one(path: Path) -> None:
    old = made(60)
    gone = assign_splits(old, path).test[0]
    assert gone not in renew_test([*(one for one in old if one != gone), *made(25, 60)], path).splits.test
    assert gone not in assign_splits(made(85), path).test


def test_too_few_new_examples_say_how_many_are_needed_and_nothing_is_written(path: Path) -> None:
    assign_splits(made(60), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"needs 20 new examples, and 7 stand in no split yet: label 13 more"):
        renew_test(made(67), path)
    assert path.read_bytes() == before


def test_an_old_test_example_that_asks_for_the_test_split_is_named(path: Path) -> None:
    old = made(60)
    pinned = Example("pinned", "Who keeps the keys?", ("Ann",), split="test")
    assign_splits([*old, pinned], path)
    with pytest.raises(DataError, match=r'1 example in a split already, such as "pinned", ask for "split": "test"'):
        renew_test([*made(85), pinned], path)


def test_nothing_split_yet_is_nothing_to_renew(path: Path) -> None:
    with pytest.raises(DataError, match="nothing to renew"):
        renew_test(made(60), path)


def test_a_renewal_that_is_cut_short_still_counts_the_openings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = assign_splits(made(60), path)
    opened(before, path, "a")

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("ragc.data._renewal.record_renewal", full)
    with pytest.raises(OSError, match="disk full"):
        renew_test(made(85), path)
    assert json.loads(path.read_text())["splits"]["e60"] == "test"
    assert read_openings(openings_beside(path)).count == 1
