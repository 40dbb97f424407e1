"""Splits: assigned once, never moved, without leaks."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ragc.data import Example, Splits, assign_splits, find_leaks, near_duplicates
from ragc.errors import DataError, RagcError

WORDS = (
    "anchor barrel candle dragon engine feather garden hammer island jacket kettle ladder market needle orange pepper "
    "quarry ribbon saddle tunnel urchin velvet window yellow zipper basket copper dinner falcon goblet"
)


def questions(count: int, seed: int = 0) -> list[str]:
    """Return questions of six words that are not near to each other."""
    chance, words = random.Random(seed), WORDS.split()
    return [" ".join(chance.sample(words, 6)) + f" {seed} {i}?" for i in range(count)]


def labelled(count: int, slices: int = 0, seed: int = 0) -> list[Example]:
    return [
        Example(f"{seed}-{i}", question, ("a",), slice=f"s{i % slices}" if slices else None)
        for i, question in enumerate(questions(count, seed))
    ]


def where(splits: Splits) -> dict[str, str]:
    return {e.id: name for name in ("train", "validation", "test") for e in getattr(splits, name)}


@pytest.mark.parametrize("count", [100, 317])
@pytest.mark.parametrize("slices", [0, 6, 50])
def test_shares_are_close_to_20_30_50(tmp_path: Path, count: int, slices: int) -> None:
    splits = assign_splits(labelled(count, slices), tmp_path / "splits.json")
    assert abs(len(splits.train) - 0.2 * count) <= 3
    assert abs(len(splits.validation) - 0.3 * count) <= 3
    assert splits.added == count


def test_slices_are_spread_alike(tmp_path: Path) -> None:
    splits = assign_splits(labelled(300, 6), tmp_path / "splits.json")
    for name, share in (("train", 10), ("validation", 15), ("test", 25)):
        counts = Counter(example.slice for example in getattr(splits, name))
        assert all(abs(count - share) <= 2 for count in counts.values())


def test_assignment_depends_neither_on_order_nor_on_time(tmp_path: Path) -> None:
    examples = labelled(60, 3)
    first = assign_splits(examples, tmp_path / "a.json")
    second = assign_splits(examples[::-1], tmp_path / "b.json")
    assert where(first) == where(second)
    assert first.fingerprint == second.fingerprint
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_file_is_one_line_an_example(tmp_path: Path) -> None:
    assign_splits(labelled(10), tmp_path / "splits.json")
    lines = (tmp_path / "splits.json").read_text().splitlines()
    assert json.loads("\n".join(lines))["schema"] == 1
    assert len(lines) == 10 + 5
    assert lines[3:-2] == sorted(lines[3:-2])


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    assign_splits(labelled(20), path)
    before = path.stat().st_ino
    assert assign_splits(labelled(20), path).added == 0
    assert path.stat().st_ino == before


def test_none_moves_when_examples_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    first = where(assign_splits(labelled(50), path))
    more = labelled(50)[5:] + labelled(100, seed=1)
    second = assign_splits(more, path)
    assert second.added == 100
    assert {id_: name for id_, name in where(second).items() if id_ in first}.items() <= first.items()
    assert abs(len(second.test) - 72) <= 3
    assert where(assign_splits(labelled(50), path)) == first


def test_near_duplicates_stay_together(tmp_path: Path) -> None:
    examples = [
        Example(f"{id_}{i}", text, ("a",))
        for i, q in enumerate(questions(30))
        for id_, text in (("a", q), ("b", f"Please, {q.upper()}"), ("c", " ".join(reversed(q.split()))))
    ]
    placed = where(assign_splits(examples, tmp_path / "splits.json"))
    assert all(placed[f"a{i}"] == placed[f"b{i}"] == placed[f"c{i}"] for i in range(30))


def test_a_new_near_duplicate_joins_its_group(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    examples = labelled(40)
    first = where(assign_splits(examples, path))
    copies = [Example(f"new-{e.id}", f"the {e.question}", ("a",)) for e in examples]
    second = assign_splits(examples + copies, path)
    find_leaks(second)
    assert all(where(second)[f"new-{id_}"] == name for id_, name in first.items())


def test_one_that_is_near_to_two_splits_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    left = Example("left", "anchor barrel candle dragon engine feather", ("a",), split="train")
    middle = Example("middle", "anchors barrels candle dragon engine feather", ("a",))
    right = Example("right", "anchors barrels candles dragons engine feather", ("a",), split="test")
    assert near_duplicates([e.question for e in (left, middle, right)]) == [(0, 1), (1, 2)]
    splits = assign_splits([*labelled(20), left, middle, right], path)
    assert [one.example.id for one in splits.aside] == ["middle"]
    assert splits.aside[0].reason == 'nearly the same as "left" in train and "right" in test'
    assert "middle" not in where(splits)
    assert "middle" not in path.read_text()
    find_leaks(splits)


def test_the_users_split_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    examples = [replace(e, split="test") if i < 20 else e for i, e in enumerate(labelled(60))]
    splits = assign_splits(examples, path)
    assert all(where(splits)[f"0-{i}"] == "test" for i in range(20))
    assert abs(len(splits.test) - 30) <= 1
    moved = [replace(e, split="train") if e.id == "0-0" else e for e in examples]
    assert where(assign_splits(moved, path))["0-0"] == "train"


@pytest.mark.parametrize("count", range(10, 16))
def test_ten_examples_are_enough(tmp_path: Path, count: int) -> None:
    for slices in (0, 2, 3, 10):
        splits = assign_splits(labelled(count, slices, seed=count), tmp_path / f"{slices}.json")
        assert min(len(splits.train), len(splits.validation)) >= 2
        assert len(splits.test) >= 3


def test_too_few_examples_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"too few examples for three splits: 9 \(.*at least 10 are needed") as caught:
        assign_splits(labelled(9), tmp_path / "splits.json")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "splits.json").exists()


def test_a_split_of_the_users_that_is_too_small_is_refused(tmp_path: Path) -> None:
    examples = [replace(e, split="test") for e in labelled(50)]
    with pytest.raises(DataError, match="0 train, 0 validation, 50 test"):
        assign_splits(examples, tmp_path / "splits.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{\n<<<<<<< HEAD\n", "line 2: not JSON"),
        ("[]", "expected {"),
        ('{"schema": 1}', "expected {"),
        ('{"schema": 2, "splits": {}}', "schema 2 is newer"),
        ('{"schema": 1, "splits": {"a": "dev"}}', '"a": expected train, validation or test, found "dev"'),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "splits.json"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        assign_splits(labelled(20), path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)
    assert path.read_text() == text


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RagcError, match="cannot write"):
        assign_splits(labelled(20), tmp_path / "file" / "splits.json")


def test_the_same_question_in_two_splits_fails(tmp_path: Path) -> None:
    examples = [
        *labelled(30),
        Example("one", "How many days can I carry over?", ("a",), split="train"),
        Example("two", "how many day can I carry over", ("a",), split="test"),
    ]
    splits = assign_splits(examples, tmp_path / "splits.json")
    with pytest.raises(DataError, match='two splits: "one" in train and "two" in test') as caught:
        find_leaks(splits)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Can I carry days over?", "can i carry the days over"),
        ("Can I carry over days?", "Can I carry days over"),
        ("How many holidays do I get in Gdańsk?", "How many holiday do I get in Gdańsk?"),
        ("Who approves expenses over 500 euros?", "Who aproves expenses over 500 euros?"),
        ("Who won the cup?", "Who won the cup?"),
        ("How do I book a train to the Lisbon office?", "please, how do I book a train to the Lisbon office"),
    ],
)
def test_nearly_the_same(left: str, right: str) -> None:
    assert near_duplicates(["Something else entirely", left, right]) == [(1, 2)]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("How many days of leave do I get in Bristol?", "How many days of leave do I get in Lisbon?"),
        ("What was the limit for hotels in Halifax in 2024?", "What was the limit for hotels in Halifax in 2025?"),
        ("How long is paternity leave for staff in Halifax?", "How long is maternity leave for staff in Halifax?"),
        ("What is the capital city of the country Austria?", "What is the capital city of the country Australia?"),
        ("When did the movement begin in this town?", "Where did the movement begin in this town?"),
        ("Can I keep the unused days of the old year?", "What happens to leave that I have not taken?"),
        ("???", "!!!"),
    ],
)
def test_not_the_same(left: str, right: str) -> None:
    assert near_duplicates([left, right]) == []


def test_no_near_duplicate_is_missed() -> None:
    chance = random.Random(5)
    asked = questions(30)
    asked += [q.replace(chance.choice("aeiou"), "u", 1) for q in asked] + [f"please {q}" for q in asked]
    near = {(i, j) for j in range(len(asked)) for i in range(j) if near_duplicates([asked[i], asked[j]])}
    assert set(near_duplicates(asked)) == near
    assert len(near) > 50


def test_ten_thousand_questions_take_seconds(tmp_path: Path) -> None:
    chance = random.Random(6)
    words = ["".join(chance.sample("abcdefghijklmnopqrstuvwxyz", 6)) for _ in range(2000)]
    examples = [Example(f"e{i}", f"What is the {' '.join(chance.sample(words, 6))}?", ("a",)) for i in range(10_000)]
    began = time.process_time()
    splits = assign_splits(examples, tmp_path / "splits.json")
    assert time.process_time() - began < 20
    assert abs(len(splits.test) - 5000) <= 3
