"""The health of a task's data."""

from __future__ import annotations

from pathlib import Path

from ragc.data import Corpus, Document, Evidence, Example, check_data, recorded_splits

CORPUS = Corpus((Document("leave.md", "Leave", "At most five days. How many days may I carry over?"),))


def example(number: int, question: str, answer: str | None = "five days", **more: object) -> Example:
    return Example(f"e{number}", question, () if answer is None else (answer,), **more)  # type: ignore[arg-type]


def test_counts_pairs_and_doubts(tmp_path: Path) -> None:
    examples = [
        example(1, "How many days may I carry over?", split="train", slice="leave"),
        example(2, "how many days may i carry over", "six days", split="test", slice="leave"),
        example(3, "Who pays for the train?", "the company", slice="travel"),
        example(4, "Is there a canteen on the moon?", None),
        example(5, "What of the notice period?", evidence=(Evidence("notice.md"),)),
    ]
    health = check_data(examples, CORPUS, recorded_splits(examples, tmp_path / "splits.json"))
    assert (health.labels, health.unanswerable, health.without_evidence) == (5, 1, 3)
    assert health.slices == {"leave": 2, "travel": 1}
    assert health.splits == {"train": 1, "validation": 0, "test": 1, "unassigned": 3}
    (pair,) = health.repeated
    assert (pair.first.id, pair.second.id, pair.leaks, pair.disagree) == ("e1", "e2", True, True)
    assert [one.example.id for one in health.verbatim] == ["e1", "e2"]
    assert [one.example.id for one in health.doubts.stale] == ["e5"]
    assert [one.example.id for one in health.doubts.unsupported] == ["e2", "e3"]
    assert len(health.refused) == 2
    assert health.refused[0].startswith("1 question in two splits, such as")
    assert health.refused[1] == "5 labels, at least 10 are needed: label more"
    assert not (tmp_path / "splits.json").exists()


def test_sound_data_is_refused_nothing(tmp_path: Path) -> None:
    words = ("notice", "train", "canteen", "laptop", "visitor", "pension", "badge", "office", "boat", "holiday", "tax")
    examples = [example(number, f"What is the rule for a {word}?") for number, word in enumerate(words)]
    health = check_data(examples, CORPUS, recorded_splits(examples, tmp_path / "splits.json"))
    assert health.repeated == ()
    assert health.refused == ()
