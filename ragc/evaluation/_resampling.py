"""Means over questions that come in clusters: their standard error, their interval, and the test that they are 0.

Every function takes one sum of values and one size a cluster; what is estimated is sum(sums) / sum(sizes), the mean
over questions. A question with evidence of its own is a cluster of size 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 9_999
LEVEL = 0.05


def sign_flips(sums: NDArray[np.float64], rng: np.random.Generator) -> float:
    """The two-sided p-value of a paired permutation test, of no difference in any cluster: a cluster flips as one."""
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


def ratio_error(sums: NDArray[Any], sizes: NDArray[Any]) -> Any:
    """The standard error of the mean over questions, along the last axis (Cochran 1977, §2.11 and §11.7)."""
    import numpy as np

    total = sizes.sum(axis=-1)
    residuals = sums - np.expand_dims(sums.sum(axis=-1) / total, -1) * sizes
    count = sums.shape[-1]
    return np.sqrt(count / (count - 1) * (residuals**2).sum(axis=-1)) / total


def ratio_interval(
    sums: NDArray[Any], sizes: NDArray[Any], rng: np.random.Generator, *, lowest: float = -1.0, batch: int = 1_000
) -> tuple[Any, Any]:
    """Return the bounds of the 95% bootstrap interval of sum(sums) / sum(sizes), along the last axis.

    Clusters are drawn whole and the mean is studentised (bootstrap-t; Davison and Hinkley 1997, §2.4 and §3.8), after a
    question with the `lowest` value and one with the highest, 1, were added to those observed: a few dozen questions
    say little of what is rare, such as the loss that none of them shows (Bonett and Price 2012, for a difference of
    shares; Agresti and Coull 1998, for one). `sizes` are those of every row of `sums`. `batch`: resamples at once,
    which bounds the memory.
    """
    import numpy as np

    ends = np.broadcast_to([lowest, 1.0], (*sums.shape[:-1], 2))
    sums, sizes = np.concatenate([sums, ends], axis=-1), np.concatenate([sizes, [1.0, 1.0]])
    count, middle, error = len(sizes), sums.sum(axis=-1) / sizes.sum(), ratio_error(sums, sizes)
    residuals = sums - middle[..., None] * sizes
    parts = []
    for begun in range(0, RESAMPLES, batch):
        drawn = rng.integers(0, count, (min(batch, RESAMPLES - begun), count))
        ours, numbers = residuals[..., drawn], sizes[drawn]
        total = numbers.sum(axis=-1)
        shift = ours.sum(axis=-1) / total
        squares = ((ours - shift[..., None] * numbers) ** 2).sum(axis=-1)
        own = np.sqrt(count / (count - 1) * squares) / total
        # A resample that holds little of what varies has next to no error: it counts as half of the sample's.
        parts.append(shift / np.maximum(own, error[..., None] / 2))
    tails = [LEVEL / 2, 1 - LEVEL / 2]
    low, high = np.quantile(np.concatenate(parts, axis=-1), tails, axis=-1, method="inverted_cdf")
    return np.maximum(lowest, middle - high * error), np.minimum(1.0, middle - low * error)
