"""`ragc status`: how far a corpus has moved since an artifact was compiled, and what is due."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifacts import seal_program
from ragc.artifact import _status as rules
from ragc.artifact import status
from ragc.project import Project
from ragc.retrieval import index

Run = Callable[..., Any]
CORPUS = Path("data/allotments/corpus")


@pytest.fixture
def sealed(project: Path) -> Path:
    seal_program(project)
    index(project=Project.find(project))
    return project


def told(run_ragc: Run, project: Path, *options: str) -> dict[str, Any]:
    done = run_ragc("status", "--json", *options, cwd=project)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nothing_has_moved(sealed: Path, run_ragc: Run) -> None:
    found = told(run_ragc, sealed, "--check")
    (artifact,) = found["artifacts"]
    assert not found["due"]
    assert artifact["corpus"] == {
        "before": 10,
        "added": [],
        "changed": [],
        "removed": [],
        "evidence": artifact["corpus"]["evidence"],
        "evidence_touched": 0,
    }
    assert (artifact["verdict"], artifact["index"], artifact["notes"]) == ("not tested", "current", [])
    assert 0 <= artifact["age_seconds"] < 600
    text = run_ragc("status", "allotments", cwd=sealed).stdout
    assert "as compiled, 10 documents" in text
    assert "due" not in text


def test_what_moved_is_counted_and_too_much_is_due(sealed: Path, run_ragc: Run) -> None:
    (sealed / CORPUS / "news.md").write_text("# News\n\nA new gate was put up.\n")
    (found,) = told(run_ragc, sealed, "--check")["artifacts"]
    assert found["corpus"]["added"] == ["news.md"]
    assert (found["corpus"]["evidence_touched"], found["due"], found["index"]) == (0, [], "behind")

    (sealed / CORPUS / "rent.md").write_text("# Rent and deposit\n\nRent is free.\n")
    (sealed / CORPUS / "waiting-list.md").unlink()
    (found,) = told(run_ragc, sealed)["artifacts"]
    assert (found["corpus"]["changed"], found["corpus"]["removed"]) == (["rent.md"], ["waiting-list.md"])
    assert found["corpus"]["evidence_touched"] > 4
    assert [line.partition(" (")[0] for line in found["due"]] == [
        f"{found['corpus']['evidence_touched'] / found['corpus']['evidence']:.0%} of the evidence stands in documents"
        " that changed or are gone",
        "3 documents added, changed or removed, 30% of what there was",
    ]
    done = run_ragc("status", "--check", cwd=sealed)
    assert done.returncode == 1
    assert "+1 ~1 -1 of 10" in done.stdout
    assert "ragc compile allotments" in done.stdout
    assert done.stderr == "error: time to compile again: allotments\n"


def test_task_without_an_artifact_and_one_that_was_touched(project: Path, run_ragc: Run) -> None:
    (found,) = told(run_ragc, project)["artifacts"]
    assert (found["id"], found["notes"]) == (None, ["not compiled yet: ragc compile allotments"])
    sealed = seal_program(project)
    (sealed.path / "state.json").write_text("{}")
    (found,) = told(run_ragc, project)["artifacts"]
    assert "state.json was changed after sealing" in found["notes"][0]


def test_what_cannot_be_read_is_a_note(sealed: Path, run_ragc: Run) -> None:
    (sealed / ".ragc" / "index.db").write_bytes(b"no database, " * 100)
    (found,) = told(run_ragc, sealed)["artifacts"]
    assert found["index"] == "unreachable"
    assert "damaged or no index" in found["notes"][0]
    (sealed / "data/allotments/examples.jsonl").write_text("{")
    (found,) = told(run_ragc, sealed)["artifacts"]
    assert found["corpus"]["evidence"] == 0
    assert any("examples.jsonl" in note for note in found["notes"])


def test_an_artifact_without_a_record_of_its_documents(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "CORPUS", "none.json")
    project = Project.find(sealed)
    seen = status(project, project.task())
    assert seen.moved is None
    assert seen.notes == ("the corpus has moved; how far is known of artifacts that this ragc compiles",)


def test_unknown_task_is_one_line(sealed: Path, run_ragc: Run) -> None:
    done = run_ragc("status", "nothing", cwd=sealed)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "allotments" in done.stderr
