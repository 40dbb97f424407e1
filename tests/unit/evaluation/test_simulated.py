"""Verdicts and intervals on scores drawn with a known true difference; the long tables are in `benchmarks/`."""

from __future__ import annotations

import random

import pytest

from ragc.evaluation import Comparison, Evaluation, Outcome, compare_arms, compare_paired, detectable_gain

RUNS = 120


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragc.evaluation._resampling.RESAMPLES", 499)


def evaluation(scores: list[float]) -> Evaluation:
    return Evaluation(tuple(Outcome(f"e{number}", score) for number, score in enumerate(scores)))


def compared(seed: int, *, questions: int, size: int, won: float, lost: float) -> Comparison:
    """Questions that are won and lost with these chances, often together where they share their evidence."""
    rng = random.Random(seed)
    before, after = [], []
    for number in range(questions):
        if number % size == 0:
            shared = rng.random()
        luck = shared if size > 1 and rng.random() < 0.6 else rng.random()
        change = (luck < won) - (luck > 1 - lost)
        before.append(0.5 - change / 2)
        after.append(0.5 + change / 2)
    clusters = {f"e{number}": str(number // size) for number in range(questions)}
    return compare_paired(evaluation(before), evaluation(after), clusters=clusters, seed=seed)


@pytest.mark.parametrize(
    ("questions", "size", "won", "lost"), [(50, 1, 0.35, 0.0), (60, 2, 0.25, 0.1), (100, 4, 0.2, 0.2)]
)
def test_intervals_hold_the_true_difference_as_often_as_they_say(
    questions: int, size: int, won: float, lost: float
) -> None:
    """95% are promised; three standard errors of 120 draws below that are 89%."""
    found = [compared(seed, questions=questions, size=size, won=won, lost=lost) for seed in range(RUNS)]
    bounds = [(one.ci_low, one.ci_high) for one in found if one.ci_low is not None and one.ci_high is not None]
    assert len(bounds) > RUNS / 2
    held = sum(low <= won - lost <= high for low, high in bounds)
    assert held >= 0.89 * len(bounds)
    assert sum(high - low for low, high in bounds) / len(bounds) < 0.5


@pytest.mark.parametrize("size", [1, 2])
def test_better_is_rarely_said_where_nothing_is(size: int) -> None:
    words = [compared(seed, questions=80, size=size, won=0.2, lost=0.2).verdict for seed in range(RUNS)]
    assert words.count("better") + words.count("worse") <= 0.1 * RUNS


def test_the_announced_gain_is_shown_as_often_as_announced() -> None:
    """A gain of what 150 questions show with 80% power; three standard errors of 120 draws below that are 69%."""
    gain = detectable_gain([0.0, 1.0] * 60, 150)
    assert gain is not None
    lost = (0.25 - gain + gain**2) / 2  # as many changes as make the deviation that was assumed
    words = [compared(seed, questions=150, size=1, won=lost + gain, lost=lost).verdict for seed in range(RUNS)]
    assert 0.69 * RUNS <= words.count("better") < RUNS


def test_seeds_that_lie_apart_are_no_better_than_their_spread_allows() -> None:
    """Arms whose seeds differ by 8 points around no gain at all: an interval over questions alone would say better."""
    alone = together = 0
    for seed in range(RUNS // 2):
        rng = random.Random(seed)
        before = [float(rng.random() < 0.5) for _ in range(150)]
        repeats = []
        for _ in range(3):
            shift = rng.gauss(0, 0.12)
            repeats.append(evaluation([float(rng.random() < 0.5 + shift) for _ in before]))
        alone += compare_paired(evaluation(before), repeats[0], seed=seed).verdict != "not shown"
        together += compare_arms([evaluation(before)], {"a": repeats}, seed=seed)["a"].verdict != "not shown"
    assert together <= 0.1 * RUNS / 2 < alone
