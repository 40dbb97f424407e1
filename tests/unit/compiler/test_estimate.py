"""What a run is said to take, and which budgets are refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ragc.compiler._estimate import (
    Estimate,
    PerQuestion,
    estimate,
    observed,
    refuse_unfundable,
    with_embeddings,
    with_rankings,
    without_rankings,
)
from ragc.compiler._optimizer import Work
from ragc.errors import BudgetError
from ragc.evaluation import Outcome
from ragc.models import Amounts
from ragc.project import Budget


def plan(calls: float = 1, usd: float | None = 0.001, work: Work | None = None) -> Estimate:
    one = PerQuestion(calls=calls, input_tokens=90, output_tokens=10, usd=usd, seconds=0.5)
    return estimate(one, work or Work(training=20, candidates=4), validation=30, test=50, already=5, is_pilot=True)


def test_runs_are_baseline_training_candidates_and_both_sides_of_the_test() -> None:
    assert plan().runs == 30 + 20 + 4 * 30 + 2 * 50
    assert plan(calls=2).calls == (540, 540)


def test_candidates_may_be_dearer_than_the_baseline() -> None:
    found = plan()
    assert found.usd is not None
    assert found.usd == pytest.approx((0.270, 0.100 + 3 * 0.170))
    assert found.tokens == (27_000, (100 + 3 * 170) * 90 + 270 * 10)  # longer prompts, not longer answers


def test_the_smallest_budget_funds_one_candidate() -> None:
    assert plan().smallest["calls"] == 30 + 20 + 30 + 100
    refuse_unfundable(Budget(calls=180), plan())
    with pytest.raises(BudgetError, match="the smallest that can is 180 calls"):
        refuse_unfundable(Budget(calls=179), plan())


def test_the_smallest_budget_in_dollars_is_named() -> None:
    with pytest.raises(BudgetError, match=r"--budget-usd 0\.34"):
        refuse_unfundable(Budget(usd=0.30), plan())


def test_a_cap_in_tokens_is_named_as_well() -> None:
    with pytest.raises(BudgetError, match=r"the smallest that can is about .* output tokens \(--budget-output-tokens "):
        refuse_unfundable(Budget(output_tokens=100), plan())


def test_an_unknown_price_leaves_dollars_out() -> None:
    found = plan(usd=None)
    assert found.usd is None and "usd" not in found.smallest
    refuse_unfundable(Budget(usd=0.01), found)


def test_without_a_plan_the_estimate_is_open_ended() -> None:
    one = PerQuestion(calls=1, input_tokens=90, output_tokens=10, usd=0.0, seconds=None)
    found = estimate(one, None, validation=10, test=20, already=0, is_pilot=False)
    assert found.open_ended and found.seconds is None
    assert found.runs == 10 + 10 + 40


def test_a_pilot_is_averaged_and_its_dearest_question_kept() -> None:
    outcomes = [
        Outcome("a", 1.0, calls=1, input_tokens=90, output_tokens=10, usd=0.1, seconds=2.0),
        Outcome("b", 0.0, calls=3, input_tokens=290, output_tokens=10, usd=0.3, seconds=6.0),
    ]
    average, most = observed(outcomes, 2)
    assert average == PerQuestion(calls=2, input_tokens=190, output_tokens=10, usd=0.2, seconds=2.0)
    assert most == PerQuestion(calls=2, input_tokens=290, output_tokens=10, usd=0.3, seconds=2.0)


def test_questions_are_embedded_once_and_the_index_is_paid_from_the_same_budget() -> None:
    one = PerQuestion(calls=1, input_tokens=90, output_tokens=10, usd=0.001, seconds=0.5, embeddings=1)
    index = Amounts(3, 5000, 0, Fraction(1, 100))
    before = plan()
    found = with_embeddings(before, one, 100, index)
    assert before.usd is not None and found.usd is not None
    assert found.calls == (before.calls[0] + 103, before.calls[1] + 103)
    assert found.tokens[0] == before.tokens[0] + 5000
    assert found.usd[1] == pytest.approx(before.usd[1] + 0.01)
    added = {name: found.smallest[name] - before.smallest[name] for name in found.smallest}
    assert added == pytest.approx({"calls": 103, "input_tokens": 5000, "output_tokens": 0, "usd": 0.01, "seconds": 0})


def test_what_is_found_for_a_question_is_reranked_once() -> None:
    before = plan()
    takes = Amounts(1, 300, 0, Fraction(1, 500))
    found = with_rankings(before, takes, 100)
    assert before.usd is not None and found.usd is not None
    assert found.calls == (before.calls[0] + 100, before.calls[1] + 100)
    assert found.tokens[1] == before.tokens[1] + 30_000
    assert found.usd[0] == pytest.approx(before.usd[0] + 0.2)
    added = {name: found.smallest[name] - before.smallest[name] for name in found.smallest}
    assert added == pytest.approx({"calls": 100, "input_tokens": 30_000, "output_tokens": 0, "usd": 0.2, "seconds": 0})
    one = PerQuestion(calls=1, input_tokens=390, output_tokens=10, usd=0.003, seconds=0.5)
    alone = without_rankings(one, takes)
    assert alone.input_tokens == 90
    assert alone.usd == pytest.approx(0.001)
