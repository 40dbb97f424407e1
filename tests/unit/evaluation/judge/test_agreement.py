"""Figures that say how far a judge can be trusted."""

from __future__ import annotations

import pytest

from ragc.evaluation.judge import LEVELS, WORTH, Opinion, agreement_of, level_of
from ragc.evaluation.judge import family as family_of


def opinions(*pairs: tuple[str, float], words: int = 3, model: str | None = None) -> list[Opinion]:
    return [Opinion(next(one for one in LEVELS if one == label), score, words, model) for label, score in pairs]


@pytest.mark.parametrize(
    ("score", "level"),
    [(0, "wrong"), (0.33, "wrong"), (0.34, "partly"), (0.66, "partly"), (0.67, "right"), (1, "right")],
)
def test_thirds_of_the_scale_are_words(score: float, level: str) -> None:
    assert level_of(score) == level


def test_agreement_and_kappa_are_those_of_the_textbook() -> None:
    """Cohen's own kind of table: 20 right/right, 5 right/wrong, 10 wrong/right, 15 wrong/wrong is κ .4."""
    found = agreement_of(
        opinions(*[("right", 1.0)] * 20, *[("right", 0.0)] * 5, *[("wrong", 1.0)] * 10, *[("wrong", 0.0)] * 15),
        "openai/gpt-5",
    )
    assert found.agreement == 0.7
    assert found.kappa == pytest.approx(0.4)
    assert found.kappa_low is not None and found.kappa_high is not None
    assert found.kappa_low < 0.4 < found.kappa_high
    assert (found.agreement_low, found.agreement_high) == pytest.approx((0.5625, 0.8090), abs=1e-3)
    assert found.bias == pytest.approx(5 / 50)


def test_kappa_counts_a_near_miss_less_than_a_far_one() -> None:
    same = [("right", 1.0), ("wrong", 0.0), ("partly", 0.5)]
    near = agreement_of(opinions(*same * 10, *[("right", 0.5)] * 6), "j").kappa
    far = agreement_of(opinions(*same * 10, *[("right", 0.0)] * 6), "j").kappa
    assert near is not None and far is not None and near > far


def test_a_judge_that_always_says_the_same_agrees_by_chance_alone() -> None:
    constant = agreement_of(opinions(*[("right", 1.0)] * 25, *[("wrong", 1.0)] * 5), "j")
    assert constant.kappa == pytest.approx(0) and constant.agreement > 0.8
    alone = agreement_of(opinions(*[("right", 1.0)] * 30), "j")
    assert (alone.kappa, alone.agreement) == (None, 1.0) and alone.agreement_low < 0.9


def test_no_interval_is_made_of_no_disagreement() -> None:
    found = agreement_of(opinions(*[("right", 1.0)] * 15, *[("wrong", 0.0)] * 15), "j")
    assert (found.kappa, found.kappa_low, found.kappa_high) == (1.0, None, None)


def test_a_judge_that_favours_long_answers_is_found_out() -> None:
    biased = [Opinion("partly", min(1.0, 0.3 + words / 50), words, None) for words in range(1, 31)]
    found = agreement_of(biased, "j")
    assert found.length_bias == pytest.approx(1) and found.length_p is not None and found.length_p < 0.001
    assert agreement_of(opinions(*[("right", 0.5), ("wrong", 0.5)] * 15), "j").length_bias is None


def test_a_judge_that_favours_its_own_family_is_found_out() -> None:
    own = opinions(*[("partly", 0.9), ("partly", 0.8)] * 6, model="openai/gpt-5-mini")
    others = opinions(*[("partly", 0.5), ("partly", 0.4)] * 6, model="anthropic/claude-4")
    found = agreement_of([*own, *others], "azure/gpt-5")
    assert (found.own_family, found.own_n) == ("gpt", 12)
    assert found.family_bias == pytest.approx(0.4)
    assert found.family_low is not None and 0 < found.family_low < 0.4
    few = agreement_of([*own, *others[:9]], "azure/gpt-5")
    assert few.family_bias is None


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("openai/gpt-5-mini", "gpt"),
        ("openai/o3", "gpt"),
        ("anthropic/claude-sonnet-4-6", "claude"),
        ("bedrock/anthropic.claude-4", "claude"),
        ("openrouter/meta-llama/llama-4-70b", "llama"),
        ("local/smollm2-135m-instruct", "smollm"),
    ],
)
def test_models_of_one_family_are_known_by_their_names(model: str, family: str) -> None:
    assert family_of(model) == family


def test_a_persons_words_are_worth_what_the_scale_says() -> None:
    assert [level_of(WORTH[level]) for level in WORTH] == list(WORTH)
