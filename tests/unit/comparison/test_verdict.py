"""What a comparison says, and which arms are worth looking at."""

from __future__ import annotations

import random

import pytest

from ragc.comparison import ArmResult, CompareResult
from ragc.evaluation import Evaluation, Outcome, compare_arms
from ragc.models import Usage

N = 120


def answered(
    share: float, *, usd: float | None = 0.001, tokens: int = 100, seed: int = 0, luck: float = 0.2
) -> Evaluation:
    """An evaluation in which about that share is right; the same questions are hard for all."""
    hard = random.Random(1)
    own = random.Random(seed)
    return Evaluation(
        tuple(
            Outcome(
                str(n), float((1 - luck) * hard.random() + luck * own.random() < share), usd=usd, input_tokens=tokens
            )
            for n in range(N)
        )
    )


def result(margin: float | None = None, queries: int | None = None, **arms: Evaluation | str) -> CompareResult:
    """A comparison of these arms, the first of them the baseline; a text is what one failed for."""
    base = next(iter(arms))
    evaluations = {name: [one] for name, one in arms.items() if isinstance(one, Evaluation)}
    others = {name: one for name, one in evaluations.items() if name != base}
    told = compare_arms(evaluations[base], others, margin=margin) if base in evaluations else {}
    return CompareResult(
        experiment="first",
        task="handbook",
        metric="exact_match",
        baseline=base,
        arms=tuple(
            ArmResult(
                name,
                {},
                "programs.grounded:GroundedAnswer",
                "openai/x",
                None,
                evaluations=tuple(evaluations.get(name, ())),
                comparison=told.get(name),
                error=one if isinstance(one, str) else None,
                failed=(one,) if isinstance(one, str) else (),
                cost=Usage(),
            )
            for name, one in arms.items()
        ),
        repeats=1,
        seed=0,
        margin=margin,
        queries=queries,
    )


def test_a_proven_gain_is_told_with_what_it_costs() -> None:
    found = result(rag=answered(0.5), compiled=answered(0.8, usd=0.002), bad=answered(0.2))
    gain = 100 * (found.arm("compiled").score or 0) - 100 * (found.arm("rag").score or 0)
    assert found.verdict.sentence == (
        f"`compiled` instead of `rag`: +{gain:.0f} points, $1.00 → $2.00 per 1,000 questions, proven on {N} questions."
    )
    assert found.verdict.arm == "compiled" and found.exit_code == 0


def test_at_a_volume_it_is_told_by_the_month() -> None:
    found = result(queries=310_000, rag=answered(0.5), compiled=answered(0.8, usd=0.002))
    assert "$310.00 → $620.00 a month at your volume" in found.verdict.sentence


def test_without_prices_by_tokens() -> None:
    found = result(rag=answered(0.5, usd=None), compiled=answered(0.8, usd=None, tokens=400))
    assert "100 → 400 tokens a question" in found.verdict.sentence


def test_cheaper_and_not_worse_needs_a_margin() -> None:
    rag, small = answered(0.6), answered(0.6, usd=0.0002, seed=3, luck=0.5)
    assert result(rag=rag, small=small).verdict.arm == "rag"
    found = result(margin=0.2, rag=rag, small=small)
    assert found.verdict.arm == "small" and "proven to lose less than 20 points" in found.verdict.sentence


def test_where_nothing_is_shown_it_says_what_would_be() -> None:
    found = result(rag=answered(0.5), other=answered(0.53, seed=2))
    assert found.verdict.arm == "rag" and found.verdict.sentence.startswith("Keep `rag`: nothing is shown to be better")
    assert found.verdict.sentence.endswith(("label more.", "shown.", "to tell."))


def test_what_is_proven_worse_is_called_worse() -> None:
    assert "`bad` is worse, proven on" in result(rag=answered(0.7), bad=answered(0.3)).verdict.sentence


def test_a_baseline_that_failed_is_said() -> None:
    found = result(rag="wrong key", other=answered(0.5))
    assert found.verdict.arm is None and "the baseline `rag` was not tested (wrong key)" in found.verdict.sentence
    assert found.exit_code == 2 and found.as_json()["arms"][0]["error"] == "wrong key"


def test_scores_that_are_all_the_same_tell_nothing() -> None:
    found = result(rag=answered(0.0), other=answered(0.0, seed=1))
    assert found.exit_code == 2 and found.tells_nothing is not None and "scores 0" in found.tells_nothing
    assert result(rag=answered(0.5), other=answered(0.5)).tells_nothing is None


@pytest.mark.parametrize(("usd", "by"), [(0.001, "usd"), (0.0, "tokens"), (None, "tokens")])
def test_the_front_holds_what_nothing_beats(usd: float | None, by: str) -> None:
    def dear(times: int) -> dict[str, float | int | None]:
        return {"usd": None if usd is None else usd * times, "tokens": 100 * times}

    found = result(
        rag=answered(0.5, **dear(2)),  # type: ignore[arg-type]
        better=answered(0.7, **dear(3)),  # type: ignore[arg-type]
        dearer=answered(0.7, **dear(4)),  # type: ignore[arg-type]
        cheap=answered(0.2, **dear(1)),  # type: ignore[arg-type]
    )
    assert (found.front, found.front_by) == (("rag", "better", "cheap"), by)


def test_one_line_an_arm_for_a_spreadsheet() -> None:
    lines = result(rag=answered(0.5), other=answered(0.6)).as_csv().splitlines()
    assert len(lines) == 3 and lines[0].startswith("name,score,n,errors,difference")
