"""Verdicts on paired scores."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from ragc.evaluation import Evaluation, Outcome, compare_paired, detectable_gain


def evaluation(scores: Sequence[float | None]) -> Evaluation:
    return Evaluation(
        tuple(Outcome(f"e{n}", score, error=None if score is not None else "x") for n, score in enumerate(scores))
    )


def test_a_clear_gain_is_better() -> None:
    rng = random.Random(1)
    before = [float(rng.random() < 0.3) for _ in range(120)]
    after = [1.0 if score or rng.random() < 0.3 else 0.0 for score in before]
    found = compare_paired(evaluation(before), evaluation(after))
    assert found.verdict == "better"
    assert found.ci_low is not None and found.difference is not None and found.ci_high is not None
    assert 0 < found.ci_low < found.difference < found.ci_high
    assert found.lost == 0
    assert found.sentence.startswith("Better: ")


def test_a_clear_loss_is_worse() -> None:
    before = [1.0] * 40 + [0.0] * 40
    after = [0.0] * 20 + [1.0] * 20 + [0.0] * 40
    assert compare_paired(evaluation(before), evaluation(after)).verdict == "worse"


def test_noise_is_not_shown() -> None:
    before = [1.0, 0.0] * 30
    after = [1.0, 0.0] * 22 + [0.0, 1.0] * 8
    found = compare_paired(evaluation(before), evaluation(after))
    assert found.verdict == "not shown"
    assert found.p_value is not None and found.p_value > 0.05


def test_too_few_changes_give_counts_and_no_interval() -> None:
    before = [0.0] * 50
    after = [1.0] * 9 + [0.0] * 41
    found = compare_paired(evaluation(before), evaluation(after))
    assert (found.verdict, found.won, found.lost) == ("not shown", 9, 0)
    assert found.ci_low is None and found.ci_high is None and found.p_value is None
    assert "too few" in found.sentence


def test_pairs_leave_out_errors_of_either_side() -> None:
    before: list[float | None] = [None, 1.0, 0.0, 1.0]
    after: list[float | None] = [1.0, None, 0.0, 1.0]
    found = compare_paired(evaluation(before), evaluation(after))
    assert (found.n, found.difference) == (2, 0)


def test_no_pair_is_not_shown() -> None:
    assert compare_paired(evaluation([None]), evaluation([1.0])).verdict == "not tested"


def test_the_same_seed_gives_the_same_figures() -> None:
    before = [0.0, 1.0, 0.5, 0.25] * 12
    after = [0.5, 1.0, 0.0, 0.75] * 12
    assert compare_paired(evaluation(before), evaluation(after), seed=3) == compare_paired(
        evaluation(before), evaluation(after), seed=3
    )


def test_detectable_gain_shrinks_with_the_root_of_n() -> None:
    scores = [0.0, 1.0] * 50
    small, large = detectable_gain(scores, 50), detectable_gain(scores, 200)
    assert small is not None and large is not None
    assert small == pytest.approx(2 * large)
    assert large == pytest.approx((1.959964 + 0.841621) * 0.502519 / 200**0.5, rel=1e-4)


def test_detectable_gain_does_not_exist_without_spread() -> None:
    assert detectable_gain([1.0] * 10, 50) is None
    assert detectable_gain([0.0, 1.0], 1) is None
