"""Scores of two programs drawn with a known true difference, and the questions that share their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ragc.evaluation import Evaluation, Outcome

WITHIN = 0.6
"""How often questions of one cluster share their luck."""


@dataclass(frozen=True)
class Change:
    """How a candidate differs from the baseline: with which chance a question is won or lost, and by how much."""

    name: str
    won: float
    lost: float
    gain: float = 1.0
    loss: float = 1.0
    partial: bool = False
    """Whether a change is anything up to that, evenly spread."""

    @property
    def difference(self) -> float:
        """The true difference."""
        return (self.won * self.gain - self.lost * self.loss) / (2 if self.partial else 1)


def clusters(rng: np.random.Generator, n: int, size: int | None) -> np.ndarray:
    """The number of each question's cluster: all of one `size`, or (None) mostly alone with some that are many."""
    sizes = np.full(n, size) if size is not None else rng.geometric(0.5, n)
    return np.repeat(np.arange(n), sizes)[:n]


def luck(rng: np.random.Generator, place: np.ndarray) -> np.ndarray:
    """A uniform number for each question, which those of a cluster often share."""
    shared = rng.random(len(place)) < WITHIN
    return np.where(shared, rng.random(place.max() + 1)[place], rng.random(len(place)))


def changed(rng: np.random.Generator, place: np.ndarray, change: Change) -> tuple[Evaluation, Evaluation]:
    """A baseline and a candidate that differs from it by `change`."""
    drawn = luck(rng, place) if len(set(place)) < len(place) else rng.random(len(place))
    size = rng.random(len(place)) if change.partial else np.ones(len(place))
    step = np.where(drawn < change.won, change.gain, np.where(drawn > 1 - change.lost, -change.loss, 0.0)) * size
    before = np.where(step > 0, 0.0, np.where(step < 0, 1.0, 0.5))
    return evaluation(before), evaluation(before + step)


def evaluation(scores: Sequence[float] | np.ndarray) -> Evaluation:
    """An evaluation with these scores, of questions e0, e1 and so on."""
    return Evaluation(tuple(Outcome(f"e{number}", float(score)) for number, score in enumerate(scores)))


def named(place: np.ndarray) -> Mapping[str, str]:
    """The clusters as the statistics want them."""
    return {f"e{number}": str(one) for number, one in enumerate(place)}
