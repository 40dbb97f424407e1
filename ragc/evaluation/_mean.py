"""The interval of one evaluation's score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc.evaluation._clusters import Clusters
from ragc.evaluation._resampling import ratio_interval

if TYPE_CHECKING:
    from ragc.evaluation._evaluation import Evaluation


def mean_interval(
    evaluation: Evaluation, *, clusters: Clusters | None = None, seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95% bootstrap interval of the mean score, 0 to 1 (`ratio_interval`); clusters are drawn whole.

    Errors are left out, as they are of the score. None with fewer than two clusters.
    """
    import numpy as np

    scores = {outcome.example: outcome.score for outcome in evaluation.scored if outcome.score is not None}
    names = [(clusters or {}).get(example, example) for example in scores]
    place = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(place) < 2:
        return None
    where = [place[name] for name in names]
    sums = np.bincount(where, weights=list(scores.values())).astype(np.float64)
    sizes = np.bincount(where)
    low, high = ratio_interval(sums, sizes, np.random.default_rng([seed, 2]), lowest=0.0)
    return float(low), float(high)
