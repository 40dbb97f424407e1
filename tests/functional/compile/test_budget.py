"""Budgets: refused when too small, and never passed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ragc
from conftest import RunRagc
from provider import Provider
from ragc.artifact import verify
from ragc.errors import BudgetError

from .conftest import KEY, use_model


def test_a_budget_that_cannot_fund_the_run_is_refused_with_the_smallest_that_can(
    hosted_project: Path, hosted_model: Provider
) -> None:
    with pytest.raises(BudgetError, match="the smallest that can is 64 calls") as caught:
        ragc.compile(project=hosted_project, budget={"calls": 63})
    assert caught.value.exit_code == 2
    assert hosted_model.requests == []
    assert ragc.compile(project=hosted_project, budget={"calls": 64}).stopped is None


def test_a_budget_that_runs_out_in_the_search_seals_the_best_so_far(
    hosted_project: Path, hosted_model: Provider, run_ragc: RunRagc
) -> None:
    done = run_ragc(
        "compile", "--optimizer", "bootstrap", "--set", "candidates=9", "--budget-calls", "90", "--json",
        cwd=hosted_project,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert found["stopped"] == "budget"
    assert found["verdict"] == "better"
    assert found["cost"]["calls"] <= 90
    assert len(hosted_model.requests) <= 90
    verify(hosted_project / "compiled" / "allotments")


def test_a_budget_in_dollars_holds_the_final_test_back(hosted_project: Path) -> None:
    result = ragc.compile(
        project=hosted_project, optimizer="bootstrap", settings={"candidates": "30"}, budget={"usd": 0.12}
    )
    assert result.stopped == "budget"
    assert result.comparison is not None and result.comparison.verdict == "better"
    assert result.usage is not None and result.usage.usd is not None and result.usage.usd <= 0.12


def test_a_budget_in_dollars_without_a_price_is_refused(
    project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_model(project, hosted_model, price=False)
    monkeypatch.setenv("OUR_KEY", KEY)
    with pytest.raises(BudgetError, match="price"):
        ragc.compile(project=project, budget={"usd": 1.0})
    assert hosted_model.requests == []
