"""`openings.jsonl`: how often the test split was opened, by what and for which artifact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ragc
from provider import Provider
from ragc.artifact import verify
from ragc.compiler import Warned, evaluate, evaluate_retrieval
from ragc.errors import RagcError

from .conftest import learner


def file_of(root: Path) -> Path:
    return root / "data" / "allotments" / "openings.jsonl"


def lines_of(root: Path, kind: str) -> list[dict[str, Any]]:
    file = file_of(root)
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    return [line for line in lines if line["kind"] == kind]


def test_an_opening_is_recorded_once_and_its_repeat_from_the_journal_is_none(hosted_project: Path) -> None:
    ragc.compile(project=hosted_project, dry_run=True)
    assert not file_of(hosted_project).exists(), "a dry run opens nothing"
    first = ragc.compile(project=hosted_project)
    opening = lines_of(hosted_project, "opening")[0]
    assert (opening["by"], opening["questions"]) == ("compile", 20)
    assert set(opening["programs"]) == {"baseline", "compiled"}
    assert [line.get("artifact") for line in lines_of(hosted_project, "result")] == [None, first.id]
    before = file_of(hosted_project).read_bytes()
    assert ragc.compile(project=hosted_project).id == first.id, "openings are no part of the id"
    assert ragc.compile(project=hosted_project, replay=True).id == first.id
    assert evaluate(project=hosted_project, split="test").openings == 1, "the artifact is what the compile measured"
    assert evaluate(project=hosted_project, split="test", uncompiled=True).openings == 1
    assert file_of(hosted_project).read_bytes() == before
    assert first.as_json()["test"]["openings"] == 1


def test_a_replay_writes_nothing(hosted_project: Path) -> None:
    first = ragc.compile(project=hosted_project)
    file_of(hosted_project).unlink()
    assert ragc.compile(project=hosted_project, replay=True).id == first.id
    assert not file_of(hosted_project).exists()


def test_from_the_third_opening_on_everything_that_shows_a_figure_warns(hosted_project: Path) -> None:
    results = [ragc.compile(project=hosted_project, seed=seed) for seed in range(2)]
    assert [result.openings for result in results] == [1, 2]
    told: list[object] = []
    third = ragc.compile(project=hosted_project, seed=2, on_event=told.append)
    assert third.openings == 3
    assert "opened 3 times" in str(told)
    assert third.artifact is not None
    for name in ("card.md", "report.html"):
        assert "may promise more" in (third.artifact / name).read_text("utf-8")
    assert verify(third.artifact).results["openings"] == 3
    evaluate(project=hosted_project, split="test", on_event=told.append)
    warnings = [event.text for event in told if isinstance(event, Warned)]
    assert any("renew" in text for text in warnings)


def test_other_scores_of_the_same_program_are_an_opening(hosted_project: Path, hosted_model: Provider) -> None:
    ragc.compile(project=hosted_project)
    (hosted_project / ".ragc" / "journal.db").unlink()
    assert evaluate(project=hosted_project, split="test").openings == 1, "asked anew, and the answers are the same"
    (hosted_project / ".ragc" / "journal.db").unlink()
    hosted_model.script = learner(hosted_project, plain=0.1, shown=0.3)
    assert evaluate(project=hosted_project, split="test").openings == 2
    assert [line["by"] for line in lines_of(hosted_project, "opening")] == ["compile", "eval"]


def test_retrieval_alone_opens_it_as_well(project: Path) -> None:
    assert evaluate_retrieval(project=project).openings is None
    assert evaluate_retrieval(project=project, split="test").openings == 1
    assert evaluate_retrieval(project=project, split="test").openings == 1
    assert evaluate_retrieval(project=project, split="test", ks=(2,)).openings == 2


def test_a_damaged_line_ends_a_compile_before_anything_is_paid(hosted_project: Path, hosted_model: Provider) -> None:
    file_of(hosted_project).write_text("<<<<<<< HEAD\n", "utf-8")
    with pytest.raises(RagcError, match=r"openings\.jsonl line 1: not JSON.*restore it from version control"):
        ragc.compile(project=hosted_project)
    assert hosted_model.requests == []


def test_a_folder_that_cannot_be_written_ends_a_compile_before_anything_is_paid(
    hosted_project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ragc.compile(project=hosted_project, dry_run=True)  # assigns the splits
    monkeypatch.setattr("ragc.data._openings.os.access", lambda path, mode: False)
    with pytest.raises(RagcError, match=r"cannot write .*openings\.jsonl: .*permission"):
        ragc.compile(project=hosted_project)
    assert hosted_model.requests == []


def test_a_label_that_was_mended_makes_it_another_look(hosted_project: Path) -> None:
    ragc.compile(project=hosted_project)
    ids = json.loads((hosted_project / "data" / "allotments" / "splits.json").read_text("utf-8"))["splits"]
    tested = next(id_ for id_, split in ids.items() if split == "test")
    file = hosted_project / "data" / "allotments" / "examples.jsonl"
    examples = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for example in examples:
        if example["id"] == tested:
            example["slice"] = "mended"
    file.write_text("".join(json.dumps(example) + "\n" for example in examples), "utf-8")
    assert ragc.compile(project=hosted_project).openings == 2


def test_fresh_answers_are_another_look(hosted_project: Path) -> None:
    ragc.compile(project=hosted_project)
    assert ragc.compile(project=hosted_project, fresh=True).openings == 2
