"""Labels that people give are kept, and known by what they are about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragc.errors import DataError
from ragc.evaluation.judge import Item, Judgement, add_judgements, judgements_beside, read_judgements, read_labels


def item(number: int = 1, **changes: object) -> Item:
    fields = {
        "example": f"e{number}",
        "metric": "semantic_f1",
        "question": "How many days?",
        "accepted": ("five",),
        "given": f"about {number}",
        "model": "openai/gpt-5",
        "source": "8f3a",
    }
    return Item(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_judgement_is_read_as_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "data" / "judgements.jsonl"
    given = [Judgement(item(1), "right"), Judgement(item(2, context=("a passage",)), "wrong")]
    for one in given:
        add_judgements(path, [one])
    assert list(read_judgements(path, {"e1", "e2"}).values()) == given


def test_the_last_word_counts_and_none_is_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    add_judgements(path, [Judgement(item(), "right")])
    add_judgements(path, [Judgement(item(), "wrong")])
    assert [one.label for one in read_judgements(path, {"e1"}).values()] == ["wrong"]
    assert len(path.read_text("utf-8").splitlines()) == 2


def test_a_file_without_a_last_line_end_is_added_to_on_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    add_judgements(path, [Judgement(item(1), "right")])
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    add_judgements(path, [Judgement(item(2), "wrong")])
    assert len(read_judgements(path, {"e1", "e2"})) == 2


def test_who_gave_an_answer_is_kept_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    add_judgements(path, [Judgement(item(), "right")])
    assert "openai/gpt-5" in path.read_text("utf-8")
    assert not {"openai/gpt-5", "8f3a"} & set(json.dumps(item().shown()).split('"'))
    assert item().id == item(model="other", source="other").id != item(given="other").id


def test_a_changed_line_is_no_judgement_of_what_it_says_now(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    add_judgements(path, [Judgement(item(), "right")])
    path.write_text(path.read_text("utf-8").replace("about 1", "about 9"), "utf-8")
    with pytest.raises(DataError, match=r'judgements.jsonl line 1: unknown id "[0-9a-f]{16}"'):
        read_judgements(path, {"e1"})


def test_a_judgement_of_an_unknown_example_is_told_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    add_judgements(path, [Judgement(item(1), "right"), Judgement(item(2), "right")])
    before = path.read_bytes()
    with pytest.raises(DataError, match='line 2: judges example "e2", which the task no longer has'):
        read_judgements(path, {"e1"})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("label", "good", '"label": expected wrong, partly, right, found "good"'),
        ("accepted", "x", '"accepted": expected'),
    ],
)
def test_what_is_no_judgement_is_told_with_its_line(tmp_path: Path, key: str, value: object, told: str) -> None:
    path = tmp_path / "judgements.jsonl"
    add_judgements(path, [Judgement(item(), "right")])
    record = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**record, key: value}), "utf-8")
    with pytest.raises(DataError, match=told):
        read_judgements(path, {"e1"})


def test_labels_from_elsewhere_are_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    known = {one.id: one for one in (item(1), item(2))}
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(json.dumps({"id": id_, "label": "partly"}) + "\n" for id_ in known), "utf-8")
    assert [one.label for one in read_labels(file, known)] == ["partly", "partly"]
    file.write_text(file.read_text("utf-8") + '{"id": "nobody", "label": "right"}\n', "utf-8")
    with pytest.raises(DataError, match='line 3: unknown id "nobody"'):
        read_labels(file, known)


def test_each_file_of_examples_has_its_own(tmp_path: Path) -> None:
    assert judgements_beside(tmp_path / "examples.jsonl").name == "judgements.jsonl"
    assert judgements_beside(tmp_path / "faq.csv").name == "faq.judgements.jsonl"
