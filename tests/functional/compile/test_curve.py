"""`ragc advise --curve`: real compiles on nested parts of the training labels, and nothing else touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ragc
from conftest import RunRagc
from provider import Provider
from ragc.compiler import learning_curve
from ragc.compiler._curve import nested
from ragc.data import Example
from ragc.errors import BudgetError, ConfigError
from ragc.project import Project


def asked_of(model: Provider, root: Path, split: str) -> set[str]:
    """The questions of a split that the model has been asked."""
    lines = (root / "data/allotments/examples.jsonl").read_text("utf-8").splitlines()
    splits = json.loads((root / "data/allotments/splits.json").read_text())["splits"]
    questions = {one["question"] for one in map(json.loads, lines) if splits.get(one["id"]) == split}
    return {question for question in questions for asked in model.requests if question in asked.text}


def test_the_curve_is_drawn_without_the_test_split_and_seals_nothing(
    hosted_project: Path, hosted_model: Provider, run_ragc: RunRagc
) -> None:
    done = run_ragc("advise", "allotments", "--curve", "--json", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    points = found["curve"]["points"]
    train = points[-1]["labels"]
    assert [point["share"] for point in points] == [0.25, 0.5, 1.0]
    assert [point["labels"] for point in points] == [-(-train // 4), -(-train // 2), train]
    assert all(point["n"] == 12 and 0 <= point["score"] <= 1 for point in points)
    assert len(found["curve"]["doublings"]) == 2
    assert found["curve"]["sentence"].startswith(f"The last doubling, from {points[1]['labels']} to {train} labels")
    assert not (hosted_project / "compiled").exists()
    assert not (hosted_project / "data/allotments/openings.jsonl").exists()
    assert asked_of(hosted_model, hosted_project, "validation")
    assert not asked_of(hosted_model, hosted_project, "test")

    before = len(hosted_model.requests)
    again = json.loads(run_ragc("advise", "allotments", "--curve", "--json", cwd=hosted_project).stdout)
    assert (again["curve"]["paid_calls"], len(hosted_model.requests)) == (0, before)
    assert again["curve"]["points"] == points
    shown = run_ragc("advise", "allotments", "--curve", cwd=hosted_project)
    assert "training labels" in shown.stdout and "The last doubling" in shown.stdout


def test_a_compile_pays_nothing_again_for_what_the_last_point_asked(
    hosted_project: Path, hosted_model: Provider
) -> None:
    learning_curve(project=Project.find(hosted_project))
    before = len(asked_of(hosted_model, hosted_project, "validation"))
    count = len(hosted_model.requests)
    result = ragc.compile(project=hosted_project)
    assert len(asked_of(hosted_model, hosted_project, "validation")) == before
    tested = 0 if result.compiled_test is None else result.compiled_test.n
    assert len(hosted_model.requests) - count <= 2 * tested


def test_a_budget_that_funds_no_point_is_refused(hosted_project: Path, run_ragc: RunRagc) -> None:
    with pytest.raises(BudgetError):
        learning_curve(project=Project.find(hosted_project), budget={"calls": 3})
    done = run_ragc("advise", "allotments", "--curve", "--budget-calls", "3", cwd=hosted_project)
    assert done.returncode == 2
    assert "3 calls cannot fund the first point of a curve: the smallest that can is" in done.stderr


def test_a_budget_that_runs_out_leaves_the_points_behind_it_empty(hosted_project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("advise", "allotments", "--curve", "--budget-calls", "30", "--json", cwd=hosted_project)
    found = json.loads(done.stdout)["curve"]
    assert (done.returncode, found["stopped"]) == (3, "budget")
    assert found["cost"]["calls"] <= 30
    assert found["points"][-1]["score"] is None
    assert found["sentence"] == "The curve has no last doubling: a compile was cut short."
    rest = json.loads(run_ragc("advise", "allotments", "--curve", "--json", cwd=hosted_project).stdout)["curve"]
    assert rest["stopped"] is None
    assert rest["paid_calls"] + found["paid_calls"] == rest["cost"]["calls"]


def test_parts_are_nested_and_seeded() -> None:
    train = [Example(f"e{number}", "", ()) for number in range(21)]
    parts = nested(train, (0.25, 0.5, 1.0), 0)
    assert [len(part) for part in parts] == [6, 11, 21]
    assert set(parts[0]) < set(parts[1]) < set(parts[2])
    assert parts[2] == tuple(train)
    assert parts == nested(train, (0.25, 0.5, 1.0), 0) != nested(train, (0.25, 0.5, 1.0), 1)


def test_too_few_labels_are_no_curve(hosted_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ragc.compiler import _curve

    monkeypatch.setattr(_curve, "FEWEST", 1000)
    with pytest.raises(ConfigError, match="training labels are no curve"):
        learning_curve(project=Project.find(hosted_project))


def test_what_is_no_curve_is_told(hosted_project: Path) -> None:
    from ragc.advise import Compiled, draw_curve

    drawn: Any = draw_curve([Compiled(0.5, 4, None, "budget"), Compiled(1.0, 8, None, "budget")])
    assert drawn.sentence == "The curve has no last doubling: a compile was cut short."
