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
