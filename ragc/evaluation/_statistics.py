"""Paired comparison of two evaluations on the same examples, and the gain that so many examples can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ragc.evaluation._clusters import Clusters
from ragc.evaluation._evaluation import Evaluation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["better", "not shown", "worse", "not tested"]

FEWEST_CHANGES = 10
"""Below this many changed scores, of different clusters, there is no interval and no verdict but "not shown"."""
RESAMPLES = 9_999
LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """Candidate against baseline on the questions that both answered, in points of the score (0 to 1)."""

    verdict: Verdict
    n: int = 0
    """Number of pairs: examples that neither program ended in an error."""
    clusters: int = 0
    """Number of groups of pairs that rest on different evidence; n where every question has its own."""
    won: int = 0
    lost: int = 0
    baseline: float | None = None
    """Mean score of the baseline over the pairs."""
    candidate: float | None = None
    difference: float | None = None
    """Mean of candidate minus baseline."""
    ci_low: float | None = None
    ci_high: float | None = None
    """95% bootstrap interval (BCa; Efron 1987) over clusters of the difference; None with too few changes."""
    p_value: float | None = None
    """Two-sided paired permutation test (sign flips, a cluster at once) of no difference."""

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.verdict == "not tested" or self.difference is None:
            return "Not tested: the test split was not answered to its end."
        points = f"{100 * self.difference:+.1f} points on {self.n} questions ({self.won} won, {self.lost} lost)"
        if self.ci_low is None or self.ci_high is None or self.p_value is None:
            return f"Not shown: {points}; too few answers changed, on different evidence, for an interval."
        interval = f"95% interval {100 * self.ci_low:+.1f} to {100 * self.ci_high:+.1f}, p = {self.p_value:.2g}"
        opening = {"better": "Better", "worse": "Worse", "not shown": "Not shown"}[self.verdict]
        return f"{opening}: {points}; {interval}."


def compare_paired(
    baseline: Evaluation, candidate: Evaluation, *, clusters: Clusters | None = None, seed: int = 0
) -> Comparison:
    """Compares two evaluations of the same examples; an example with an error on either side is left out.

    `better` and `worse` need both p < .05 (two-sided) and a 95% interval that excludes 0. Examples of one cluster
    change sign together in the test and are drawn together for the interval (a cluster bootstrap, Davison and Hinkley
    1997, §3.8; the difference is then a ratio of the clusters' sums and sizes).
    """
    import numpy as np

    ours = candidate.scores
    pairs = {
        example: (before, after)
        for example, before in baseline.scores.items()
        if before is not None and (after := ours.get(example)) is not None
    }
    if not pairs:
        return Comparison("not tested")
    differences = np.array([after - before for before, after in pairs.values()])
    place = cluster_places(list(pairs), clusters)
    sums, sizes = np.bincount(place, weights=differences).astype(np.float64), np.bincount(place)
    common: dict[str, Any] = {
        "n": len(pairs),
        "clusters": len(sums),
        "won": int((differences > 0).sum()),
        "lost": int((differences < 0).sum()),
        "baseline": sum(before for before, _ in pairs.values()) / len(pairs),
        "candidate": sum(after for _, after in pairs.values()) / len(pairs),
        "difference": float(differences.mean()),
    }
    if np.count_nonzero(sums) < FEWEST_CHANGES:
        return Comparison("not shown", **common)
    p_value = _sign_flips(sums, np.random.default_rng([seed, 0]))
    if np.ptp(sums / sizes) == 0:
        low = high = float(sums[0] / sizes[0])
    else:
        low, high = map(float, ratio_interval(sums, sizes, np.random.default_rng([seed, 1])))
    verdict: Verdict = "not shown"
    if p_value < LEVEL and low > 0:
        verdict = "better"
    elif p_value < LEVEL and high < 0:
        verdict = "worse"
    return Comparison(verdict, ci_low=low, ci_high=high, p_value=p_value, **common)


def cluster_places(examples: Sequence[str], clusters: Clusters | None) -> list[int]:
    """Return the number of each example's cluster, from 0 in the order in which they come up."""
    number: dict[str, int] = {}
    return [number.setdefault((clusters or {}).get(example, example), len(number)) for example in examples]


def _sign_flips(sums: NDArray[np.float64], rng: np.random.Generator) -> float:
    """The two-sided p-value of a paired permutation test, of no difference in any cluster."""
    import numpy as np
    from scipy import stats

    test = stats.permutation_test(
        (sums,),
        lambda sample, axis: np.mean(sample, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=1_000,
        rng=rng,
    )
    return float(test.pvalue)


def ratio_interval(
    sums: NDArray[Any], sizes: NDArray[Any], rng: np.random.Generator, *, batch: int = 1_000
) -> tuple[Any, Any]:
    """Return the bounds of the 95% bootstrap interval (BCa) of sum(sums) / sum(sizes), along the last axis.

    That is the mean over examples where clusters are drawn whole: `sums` and `sizes` hold one value a cluster. Not all
    of their ratios may be equal. `batch`: resamples at once, which bounds the memory.
    """
    import numpy as np
    from scipy import stats

    interval = stats.bootstrap(
        (sums, sizes),
        lambda sums, sizes, axis: np.sum(sums, axis=axis) / np.sum(sizes, axis=axis),
        axis=-1,
        paired=True,
        vectorized=True,
        confidence_level=1 - LEVEL,
        n_resamples=RESAMPLES,
        method="BCa",
        batch=batch,
        rng=rng,
    ).confidence_interval
    return interval.low, interval.high


def detectable_gain(scores: Sequence[float], n: int, *, correlation: float = 0.5, power: float = 0.8) -> float | None:
    """The smallest true gain that a paired test on `n` questions shows with `power`, in points of the score.

    Normal approximation for a paired difference: (z(1 - .05 / 2) + z(power)) * sd / sqrt(n), with the standard
    deviation of the difference taken from the baseline's observed `scores` and an assumed `correlation` between
    the two programs' scores, sd = s * sqrt(2 * (1 - correlation)). None with fewer than two scores, with scores
    that do not vary, or with fewer than two questions.
    """
    from statistics import NormalDist, stdev

    if len(scores) < 2 or n < 2:
        return None
    spread = stdev(scores) * math.sqrt(2 * (1 - correlation))
    if spread == 0:
        return None
    normal = NormalDist()
    return min(1.0, (normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(power)) * spread / math.sqrt(n))
