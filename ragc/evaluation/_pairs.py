"""Two arms on the same questions: a difference a question, summed by cluster, and the spread between repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import TYPE_CHECKING

from ragc.evaluation._clusters import Clusters, cluster_places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragc.evaluation._evaluation import Evaluation


@dataclass(frozen=True)
class Pairs:
    """What both arms answered, a question's score being the mean over the repeats that answered it."""

    before: NDArray[np.float64]
    """The baseline's score, one a question."""
    after: NDArray[np.float64]
    sums: NDArray[np.float64]
    """Sum of the differences, one a cluster."""
    sizes: NDArray[np.float64]
    """Number of questions, one a cluster."""
    repeats: tuple[tuple[float, int], ...]
    """Variance of an arm's mean that comes from its repeats, and their number less one; for each arm that varies."""

    @property
    def differences(self) -> NDArray[np.float64]:
        """Arm minus baseline, one a question."""
        return self.after - self.before


def pairs_of(
    baseline: Sequence[Evaluation], arm: Sequence[Evaluation], clusters: Clusters | None = None
) -> Pairs | None:
    """Pairs what both arms answered in one repeat at least; None: there is no such question.

    The evaluations of an arm are its repeats: the same recipe, followed with other seeds.
    """
    import numpy as np

    before, after = _means(baseline), _means(arm)
    both = [example for example in before if example in after]
    if not both:
        return None
    ours, theirs = np.array([after[one] for one in both]), np.array([before[one] for one in both])
    place = cluster_places(both, clusters)
    spreads = (_between(side, means, both) for side, means in ((baseline, before), (arm, after)))
    return Pairs(
        theirs,
        ours,
        np.bincount(place, weights=ours - theirs).astype(np.float64),
        np.bincount(place).astype(np.float64),
        tuple(spread for spread in spreads if spread is not None),
    )


def _means(repeats: Sequence[Evaluation]) -> dict[str, float]:
    """The mean score of every example that a repeat has scored, in the order of the first repeat."""
    found: dict[str, list[float]] = {}
    for evaluation in repeats:
        for example, score in evaluation.scores.items():
            if score is not None:
                found.setdefault(example, []).append(score)
    return {example: fmean(scores) for example, scores in found.items()}


def _between(
    repeats: Sequence[Evaluation], means: dict[str, float], examples: Sequence[str]
) -> tuple[float, int] | None:
    """What the repeats of one arm add to the variance of its mean; None: they do not differ, or there is one.

    A repeat's effect is its mean departure from the questions' means: that it left out hard ones has none.
    """
    effects = []
    for evaluation in repeats:
        scores = evaluation.scores
        departures = [score - means[one] for one in examples if (score := scores.get(one)) is not None]
        if departures:
            effects.append(fmean(departures))
    if len(effects) < 2 or not (spread := variance(effects)):
        return None
    return spread / len(effects), len(effects) - 1
