"""`ragc eval --against sealed` and when an artifact counts as evaluated."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import ragc
from artifacts import seal_program
from conftest import RunRagc
from provider import Asked, Provider, fields
from ragc.artifact import status
from ragc.compiler import evaluate
from ragc.project import Project

RECORD = Path(".ragc/evaluations.jsonl")


def script_of(root: Path, wrong: int) -> Any:
    """Knows every answer of the validation split but those of the first `wrong` questions."""
    lines = (root / "data/allotments/examples.jsonl").read_text("utf-8").splitlines()
    examples = [json.loads(line) for line in lines]
    file = root / "data/allotments/splits.json"
    split = json.loads(file.read_text())["splits"] if file.is_file() else {}
    validation = [one["id"] for one in examples if split.get(one["id"]) == "validation"][:wrong]

    def script(asked: Asked) -> str:
        for one in examples:
            if one["question"] in asked.text and one["id"] not in validation:
                return fields(answer=(one["answers"] or ["The documents do not say."])[0])
        return fields(answer="a guess of no use")

    return script


@pytest.fixture
def compiled(hosted_project: Path, hosted_model: Provider) -> Path:
    hosted_model.script = script_of(hosted_project, 0)
    ragc.compile(project=hosted_project)
    return hosted_project


def test_a_drop_that_is_credible_fails_and_few_changed_answers_do_not(
    compiled: Path, hosted_model: Provider, run_ragc: RunRagc
) -> None:
    check = ("eval", "allotments", "--against", "sealed", "--margin", "0.05")
    same = run_ragc(*check, cwd=compiled)
    assert same.returncode == 0, same.stderr
    assert "+0.0 points since sealing on 12 questions; too few answers changed" in same.stdout
    assert "the journal answered" in same.stderr
    assert not (compiled / RECORD).exists()

    hosted_model.script = script_of(compiled, 3)
    few = run_ragc(*check, "--fresh", "--json", cwd=compiled)
    found = json.loads(few.stdout)
    assert (few.returncode, found["against"]["dropped"], found["against"]["lost"]) == (0, False, 3)
    assert found["counts"]
    (record,) = [json.loads(line) for line in (compiled / RECORD).read_text().splitlines()]
    assert (record["artifact"], record["split"], record["n"]) == (found["artifact"], "validation", 12)
    assert run_ragc(*check, "--fail-under", "0.9", cwd=compiled).returncode == 1

    hosted_model.script = script_of(compiled, 12)
    much = run_ragc(*check, "--fresh", cwd=compiled)
    assert much.returncode == 1
    assert "it has dropped by more than 5 points" in much.stderr


def test_what_cannot_be_compared_is_refused_before_anything_is_paid(
    project: Path, hosted_model: Provider, run_ragc: RunRagc
) -> None:
    seal_program(project)
    for flags, says in (
        (("--against", "sealed"), "was sealed without scores on validation"),
        (("--margin", "0.05"), "--margin goes with --against sealed"),
        (("--against", "sealed", "--margin", "5"), "scores are 0 to 1 here: 0.05"),
        (("--against", "sealed", "--uncompiled"), "leave --uncompiled out"),
        (("--against", "sealed", "--retrieval"), "says nothing about --retrieval"),
    ):
        done = run_ragc("eval", "allotments", *flags, cwd=project)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert says in done.stderr
    assert not hosted_model.requests


def aged(root: Path, **ago: int) -> None:
    """Make the record of evaluations say that the artifact was evaluated so long ago."""
    id_ = json.loads((root / "compiled/allotments/manifest.json").read_text())["id"]
    time = (datetime.now(UTC) - timedelta(**ago)).isoformat()
    (root / RECORD).parent.mkdir(exist_ok=True)
    (root / RECORD).write_text('{"time": "cut sh\n' + json.dumps({"time": time, "artifact": id_}) + "\n")


def sealed_ago(monkeypatch: pytest.MonkeyPatch, root: Path, **ago: int) -> None:
    """Seal the starter program as if so long ago."""
    from ragc.artifact import _seal

    class Clock:
        @staticmethod
        def now(tz: Any = None) -> datetime:
            return datetime.now(tz) - timedelta(**ago)

    with monkeypatch.context() as patched:
        patched.setattr(_seal, "datetime", Clock)
        seal_program(root)


@pytest.mark.parametrize(
    ("days", "development", "late"), [(6, True, False), (8, True, True), (90, False, False), (92, False, True)]
)
def test_an_artifact_is_to_be_evaluated_every_week_or_quarter(
    project: Path, monkeypatch: pytest.MonkeyPatch, run_ragc: RunRagc, days: int, development: bool, late: bool
) -> None:
    file = project / "pyproject.toml"
    file.write_text(
        file.read_text().replace("[tool.ragc]\n", f"[tool.ragc]\ndevelopment = {str(development).lower()}\n")
    )
    sealed_ago(monkeypatch, project, days=days)
    done = run_ragc("status", "--check", cwd=project)
    assert done.returncode == int(late)
    if late:
        limit = "a week, in development" if development else "a quarter"
        assert f"last evaluated {days} days ago, more than {limit}" in done.stdout
        assert "ragc eval allotments --against sealed" in done.stdout
        assert done.stderr == "error: time to evaluate again: allotments\n"


def test_an_evaluation_since_sealing_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed_ago(monkeypatch, project, days=200)
    found = Project.find(project)
    assert status(found, found.task()).late is not None
    aged(project, days=3)
    assert status(found, found.task()).late is None
    aged(project, days=95)
    assert status(found, found.task()).late is not None


def test_another_model_is_no_evaluation_of_the_artifact(compiled: Path, hosted_model: Provider) -> None:
    result = evaluate("allotments", project=compiled, lm="openai/other")
    assert not result.counts
    assert not (compiled / RECORD).exists()
