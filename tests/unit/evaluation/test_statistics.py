"""Verdicts on paired scores."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from ragc.evaluation import Evaluation, Outcome, compare_arms, compare_paired, detectable_gain, questions_needed


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
    assert small == pytest.approx(2 * large, rel=0.1)
    assert large == pytest.approx((1.959964 + 0.841621) * 0.502519 / 200**0.5, rel=0.03)


def test_detectable_gain_does_not_exist_without_spread() -> None:
    assert detectable_gain([1.0] * 10, 50) is None
    assert detectable_gain([0.0, 1.0], 1) is None


def noisy(rate: float, seed: int, n: int = 120) -> Evaluation:
    rng = random.Random(seed)
    return evaluation([float(rng.random() < rate) for _ in range(n)])


def test_several_arms_need_a_smaller_p_each() -> None:
    before = [0.0] * 60 + [1.0] * 60
    gain = [1.0] * 20 + [0.0] * 40 + [0.0] * 7 + [1.0] * 53
    alone = compare_paired(evaluation(before), evaluation(gain))
    noise = {f"noise {n}": [noisy(0.5, n)] for n in range(6)}
    beside = compare_arms([evaluation(before)], {"gain": [evaluation(gain)], **noise})["gain"]
    assert alone.verdict == "better" and alone.p_value is not None and alone.p_corrected == alone.p_value
    assert beside.p_value == alone.p_value and beside.p_corrected == pytest.approx(7 * alone.p_value)
    assert beside.verdict == "not shown" and beside.ci_low == alone.ci_low


def test_one_lucky_seed_is_no_result() -> None:
    before = evaluation([0.0, 1.0] * 60)
    lucky = evaluation([1.0, 1.0] * 60)
    assert compare_arms([before], {"a": [lucky]})["a"].verdict == "better"
    found = compare_arms([before], {"a": [before, before, lucky]})["a"]
    assert found.difference == pytest.approx(0.5 / 3)
    assert found.verdict == "not shown" and found.p_value is not None and found.p_value > 0.05
    assert found.ci_low is not None and found.ci_low < 0


def test_repeats_that_agree_change_nothing() -> None:
    before, after = noisy(0.4, 1), noisy(0.7, 2)
    once = compare_arms([before], {"a": [after]})["a"]
    assert compare_arms([before], {"a": [after, after, after]})["a"] == once


def test_a_margin_asks_whether_the_arm_is_not_worse() -> None:
    before = evaluation([0.0, 1.0] * 150)
    after = evaluation(([0.0, 1.0] * 10 + [1.0, 0.0]) * 13 + [0.0, 1.0] * 7)
    found = compare_paired(before, after, margin=0.05)
    assert found.verdict == "not shown" and found.non_inferior is True
    assert "; not worse by 5 points" in found.sentence
    assert compare_paired(before, after, margin=0.01).non_inferior is False
    assert compare_paired(before, after).non_inferior is None
    with pytest.raises(ValueError, match="margin"):
        compare_paired(before, after, margin=-0.01)


def test_what_is_not_shown_says_what_would_have_been() -> None:
    before = [1.0, 0.0] * 30
    found = compare_paired(evaluation(before), evaluation([1.0, 0.0] * 22 + [0.0, 1.0] * 8))
    deviation = (16 / 59) ** 0.5
    assert found.detectable == pytest.approx((2.001 + 0.848) * deviation / 60**0.5, rel=1e-3)
    assert "would have been shown with 80% power" in found.sentence
    assert compare_paired(evaluation(before), evaluation(before)).detectable == pytest.approx(10 / 60)


def test_a_smaller_difference_needs_more_questions() -> None:
    before = noisy(0.5, 3, 200)
    needed = [questions_needed(gain, before) for gain in (0.05, 0.1, 0.2)]
    assert all(one is not None for one in needed)
    assert needed == sorted(needed, key=lambda one: -(one or 0))
    assert needed[1] == pytest.approx((1.96 + 0.8416) ** 2 * 0.26 / 0.01, rel=0.05)
    more = questions_needed(0.1, before, arms=4)
    assert more is not None and needed[1] is not None and more > needed[1]


def test_clusters_ask_for_more_questions() -> None:
    before = evaluation(([1.0] * 4 + [0.0] * 4) * 15)
    clusters = {f"e{n}": str(n // 4) for n in range(120)}
    apart, together = questions_needed(0.1, before), questions_needed(0.1, before, clusters=clusters)
    assert apart is not None and together == pytest.approx(4 * apart, rel=0.02)


def test_a_difference_that_cannot_be_shown_needs_no_number() -> None:
    assert questions_needed(0.1, evaluation([1.0] * 50)) is None
    assert questions_needed(0.0, noisy(0.5, 3)) is None
    assert questions_needed(1e-5, noisy(0.5, 3)) is None
