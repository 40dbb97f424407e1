"""The own learning curve: what the same compile reaches with a part of the training labels. Nothing is extrapolated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragc.evaluation import Clusters, Comparison, Evaluation

SHARES = (0.25, 0.5, 1.0)
"""Shares of the training labels, each a doubling of the one before; each subset holds the one before."""


@dataclass(frozen=True)
class Point:
    """One compile of the curve, scored on validation. Scores are 0 to 1."""

    share: float
    labels: int
    """Training labels that the optimizer saw."""
    score: float | None
    ci_low: float | None
    """95% bootstrap interval of the mean score over clusters; None with fewer than two."""
    ci_high: float | None
    n: int
    stopped: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The point for a program to read."""
        return {**vars(self)}


@dataclass(frozen=True)
class Curve:
    """The points, and each doubling's paired comparison with the point before."""

    points: tuple[Point, ...]
    doublings: tuple[Comparison, ...]

    @property
    def sentence(self) -> str:
        """What the last doubling of the labels was worth."""
        if not self.doublings or self.doublings[-1].difference is None:
            return "The curve has no last doubling: a compile was cut short."
        last, before, after = self.doublings[-1], self.points[-2], self.points[-1]
        gain = f"{100 * (last.difference or 0.0):+.1f} points on {last.n} questions"
        worth = f"from {before.labels} to {after.labels} labels: {gain}"
        if last.ci_low is None or last.ci_high is None:
            return f"The last doubling, {worth}; too few answers changed for an interval."
        interval = f"95% interval {100 * last.ci_low:+.1f} to {100 * last.ci_high:+.1f}"
        meant = {
            "better": "more labels of this kind still pay",
            "worse": "more labels of this kind did harm",
        }.get(last.verdict, "that more labels of this kind help is not shown")
        return f"The last doubling, {worth}, {interval}: {meant}."

    def as_json(self) -> dict[str, Any]:
        """The curve for a program to read."""
        return {
            "points": [point.as_json() for point in self.points],
            "doublings": [
                {
                    "difference": one.difference,
                    "ci_low": one.ci_low,
                    "ci_high": one.ci_high,
                    "p_value": one.p_value,
                    "verdict": one.verdict,
                    "n": one.n,
                }
                for one in self.doublings
            ],
            "sentence": self.sentence,
        }


@dataclass(frozen=True)
class Compiled:
    """One compile that a curve is drawn from."""

    share: float
    labels: int
    evaluation: Evaluation | None
    """The candidate on validation; None where none was evaluated before a stop."""
    stopped: str | None = None


def draw_curve(compiled: Sequence[Compiled], clusters: Clusters | None = None, *, seed: int = 0) -> Curve:
    """Return the curve of compiles in the order of their labels, with intervals over clusters of questions."""
    from ragc.evaluation import Comparison, compare_paired

    points = tuple(_point(one, clusters, seed) for one in compiled)
    doublings = tuple(
        Comparison("not tested")
        if before.evaluation is None or after.evaluation is None
        else compare_paired(before.evaluation, after.evaluation, clusters=clusters, seed=seed)
        for before, after in pairwise(compiled)
    )
    return Curve(points, doublings)


def _point(one: Compiled, clusters: Clusters | None, seed: int) -> Point:
    from ragc.evaluation import mean_interval

    if one.evaluation is None:
        return Point(one.share, one.labels, None, None, None, 0, one.stopped)
    low, high = mean_interval(one.evaluation, clusters=clusters, seed=seed) or (None, None)
    return Point(one.share, one.labels, one.evaluation.score, low, high, one.evaluation.n, one.stopped)
