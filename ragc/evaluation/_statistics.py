"""Arms compared on the same questions: the test, the interval beside it, and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ragc.evaluation._pairs import Pairs, pairs_of
from ragc.evaluation._resampling import LEVEL, ratio_error, ratio_interval, sign_flips

if TYPE_CHECKING:
    from ragc.evaluation._clusters import Clusters
    from ragc.evaluation._evaluation import Evaluation

Verdict = Literal["better", "not shown", "worse", "not tested"]

FEWEST_CHANGES = 10
"""Below this many changed scores, of different clusters, there is no interval and no verdict but "not shown"."""
POWER = 0.8


@dataclass(frozen=True)
class Comparison:
    """An arm against the baseline on the questions that both answered, in points of the score (0 to 1)."""

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
    """95% bootstrap interval over clusters of the difference; None with too few changes. It is of this arm alone."""
    p_value: float | None = None
    """Two-sided paired permutation test (sign flips, a cluster at once) of no difference."""
    p_corrected: float | None = None
    """`p_value` corrected for the arms that were tested beside it (Holm 1979); the verdict rests on it."""
    detectable: float | None = None
    """The true gain that this comparison would have shown with 80% power, by how the differences scatter."""
    margin: float | None = None
    """How much worse than the baseline an arm may be and still pass as not worse."""
    non_inferior: bool | None = None
    """Whether the interval lies above -margin; None without a margin or an interval."""

    def figures(self) -> dict[str, float | None]:
        """`difference`, `ci_low`, `ci_high` and `p_value`, as programs read them; None where there is none."""
        return {
            "difference": self.difference,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
            "p_value": self.p_value,
        }

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.verdict == "not tested" or self.difference is None:
            return "Not tested: the test split was not answered to its end."
        points = f"{100 * self.difference:+.1f} points on {self.n} questions ({self.won} won, {self.lost} lost)"
        if self.ci_low is None or self.ci_high is None or self.p_corrected is None:
            text = f"Not shown: {points}; too few answers changed, on different evidence, for an interval"
        else:
            opening = {"better": "Better", "worse": "Worse", "not shown": "Not shown"}[self.verdict]
            interval = f"95% interval {100 * self.ci_low:+.1f} to {100 * self.ci_high:+.1f}, p = {self.p_corrected:.2g}"
            text = f"{opening}: {points}; {interval}"
        if self.verdict == "not shown" and self.detectable is not None:
            text += f"; a gain of {100 * self.detectable:.0f} points would have been shown with 80% power"
        if self.non_inferior is not None and self.margin is not None:
            text += f"; {'' if self.non_inferior else 'not shown to be '}not worse by {100 * self.margin:g} points"
        return f"{text}."


def compare_paired(
    baseline: Evaluation,
    candidate: Evaluation,
    *,
    clusters: Clusters | None = None,
    margin: float | None = None,
    seed: int = 0,
) -> Comparison:
    """Compares two evaluations of the same examples; an example with an error on either side is left out.

    `better` and `worse` need both p < .05 (two-sided) and a 95% interval that excludes 0. Examples of one cluster
    change sign together in the test and are drawn together for the interval (a cluster bootstrap, Davison and Hinkley
    1997, §3.8; the difference is then a ratio of the clusters' sums and sizes). Raises ValueError for a margin below 0.
    """
    return compare_arms([baseline], {"": [candidate]}, clusters=clusters, margin=margin, seed=seed)[""]


def compare_arms(
    baseline: Sequence[Evaluation],
    arms: Mapping[str, Sequence[Evaluation]],
    *,
    clusters: Clusters | None = None,
    margin: float | None = None,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compares every arm with the baseline on the same examples. See `compare_paired` for one arm, once.

    The evaluations of an arm are its repeats (the same recipe, with other seeds): a second level beside the questions.
    A question's score is its mean over the repeats that answered it; how far the repeats lie apart widens the interval
    and raises p, more so the fewer they are, so that one lucky seed is no result. An arm with one repeat is that one
    program, whatever another seed would have made. p-values are corrected over the arms that have one (Holm 1979).
    """
    if margin is not None and margin < 0:
        raise ValueError(f"margin={margin}: expected 0 or more")
    paired = {name: pairs_of(baseline, arm, clusters) for name, arm in arms.items()}
    tested = [name for name, pairs in paired.items() if pairs is not None and _changes(pairs) >= FEWEST_CHANGES]
    level = LEVEL / max(1, len(tested))
    found = {
        name: Comparison("not tested") if pairs is None else _compare(pairs, level=level, margin=margin, seed=seed)
        for name, pairs in paired.items()
    }
    corrected = _holm([found[name].p_value or 0.0 for name in tested])
    for name, p_value in zip(tested, corrected, strict=True):
        found[name] = _judged(replace(found[name], p_corrected=p_value))
    return found


def _compare(pairs: Pairs, *, level: float, margin: float | None, seed: int) -> Comparison:
    """Everything about one arm but the correction and the verdict, which is "not shown" until then."""
    import numpy as np

    differences = pairs.differences
    error, freedom = _spread(pairs)
    found = Comparison(
        "not shown",
        n=len(differences),
        clusters=len(pairs.sums),
        won=int((differences > 0).sum()),
        lost=int((differences < 0).sum()),
        baseline=float(pairs.before.mean()),
        candidate=float(pairs.after.mean()),
        difference=float(differences.mean()),
        detectable=_detectable(error, freedom, level),
        margin=margin,
    )
    if _changes(pairs) < FEWEST_CHANGES:
        least = FEWEST_CHANGES / len(pairs.sums)
        return replace(found, detectable=min(1.0, max(least, found.detectable or 0.0)))
    low, high = _interval(pairs, np.random.default_rng([seed, 1]))
    return replace(
        found,
        ci_low=low,
        ci_high=high,
        p_value=_p_value(pairs, np.random.default_rng([seed, 0])),
        non_inferior=None if margin is None else low > -margin,
    )


def _judged(found: Comparison) -> Comparison:
    """The comparison with its verdict: by the corrected p-value and the interval, which must agree."""
    if found.p_corrected is None or found.ci_low is None or found.ci_high is None or found.p_corrected >= LEVEL:
        return found
    if found.ci_low > 0:
        return replace(found, verdict="better")
    return replace(found, verdict="worse") if found.ci_high < 0 else found


def _changes(pairs: Pairs) -> int:
    """Number of clusters whose score changed."""
    import numpy as np

    return int(np.count_nonzero(pairs.sums))


def _p_value(pairs: Pairs, rng: Any) -> float:
    """The sign flips' p; with repeats that differ no less than that of a t-test over clusters and repeats."""
    from scipy import stats

    p_value = sign_flips(pairs.sums, rng)
    if not pairs.repeats:
        return p_value
    error, freedom = _spread(pairs)
    return max(p_value, float(2 * stats.t.sf(abs(pairs.differences.mean()) / error, freedom)))


def _interval(pairs: Pairs, rng: Any) -> tuple[float, float]:
    """The clusters' bootstrap interval, as much wider as a t-interval gets by the spread between repeats."""
    from scipy import stats

    low, high = map(float, ratio_interval(pairs.sums, pairs.sizes, rng))
    if not pairs.repeats:
        return low, high
    middle, freedom = float(pairs.differences.mean()), len(pairs.sums) - 1
    error, whole = _spread(pairs)
    beyond = error * float(stats.t.isf(LEVEL / 2, whole))
    alone = float(ratio_error(pairs.sums, pairs.sizes)) * float(stats.t.isf(LEVEL / 2, freedom))
    if not alone:
        return max(-1.0, min(low, middle - beyond)), min(1.0, max(high, middle + beyond))
    return max(-1.0, middle - beyond / alone * (middle - low)), min(1.0, middle + beyond / alone * (high - middle))


def _spread(pairs: Pairs) -> tuple[float, float]:
    """The standard error of the mean difference, over clusters and repeats, and its degrees of freedom (Welch 1947)."""
    parts = [*pairs.repeats]
    if len(pairs.sums) > 1:
        parts.append((float(ratio_error(pairs.sums, pairs.sizes)) ** 2, len(pairs.sums) - 1))
    total = sum(part for part, _ in parts)
    if not total:
        return 0.0, math.inf
    return math.sqrt(total), total**2 / sum(part**2 / freedom for part, freedom in parts)


def _detectable(error: float, freedom: float, level: float) -> float | None:
    """The gain that a t-test at `level` shows with 80% power; None where nothing varies."""
    from scipy import stats

    if not error:
        return None
    return min(1.0, float(stats.t.isf(level / 2, freedom) + stats.t.isf(1 - POWER, freedom)) * error)


def _holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979), in their order."""
    from statsmodels.stats.multitest import multipletests

    if len(p_values) < 2:
        return list(p_values)
    return [float(one) for one in multipletests(p_values, alpha=LEVEL, method="holm")[1]]
