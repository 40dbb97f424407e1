"""What so many questions can show, and how many a difference needs: known before anything is paid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import TYPE_CHECKING

from ragc.evaluation._clusters import Clusters, cluster_places
from ragc.evaluation._pairs import pairs_of
from ragc.evaluation._resampling import LEVEL
from ragc.evaluation._statistics import FEWEST_CHANGES, POWER

if TYPE_CHECKING:
    from ragc.evaluation._evaluation import Evaluation

CORRELATION = 0.5
"""Between two programs' scores of a question, where only one program is known."""
CERTAIN = 0.95
"""How likely enough answers are to change for an interval, at the least."""
MOST = 10**6
"""Questions beyond which a difference counts as one that cannot be shown."""


@dataclass(frozen=True)
class Scatter:
    """How paired differences scatter around a true difference: what the power of a test rests on."""

    deviation: float
    """Standard deviation of a question's difference, as observed or assumed."""
    step: float = 1.0
    """How far a score goes when it changes, 0 to 1."""
    design: float = 1.0
    """How many questions in clusters count for one apart (Kish 1965): 1 where each has its own evidence."""
    mean: float | None = None
    """Mean score of the one program that is known; None where the differences themselves were observed."""
    correlation: float = CORRELATION

    def around(self, difference: float) -> float:
        """The standard deviation when the true difference is `difference`: no less than winning it alone takes."""
        least = math.sqrt(max(0.0, difference * (self.step - difference)))
        return max(self.deviation, least, self._assumed(difference))

    def _assumed(self, difference: float) -> float:
        """The standard deviation where the better program's scores vary as much for their mean as the known ones."""
        if self.mean is None or not 0 < self.mean < 1:
            return 0.0
        better = min(1.0, self.mean + difference)
        ratio = math.sqrt(better * (1 - better) / (self.mean * (1 - self.mean)))
        known = self.deviation / math.sqrt(2 * (1 - self.correlation)) if self.correlation < 1 else 0.0
        return known * math.sqrt(1 + ratio**2 - 2 * self.correlation * ratio)

    def power(self, difference: float, n: int, *, arms: int = 1) -> float:
        """The chance that `n` questions show a true `difference` above 0, the first arm of `arms` that Holm tests."""
        from scipy import stats
        from statsmodels.stats.power import TTestPower

        apart = n / self.design
        deviation = self.around(difference)
        if apart < 2:
            return 0.0
        if not deviation:
            return 1.0 if apart >= FEWEST_CHANGES else 0.0
        changing = min(1.0, (deviation**2 + difference**2) / self.step**2)
        if stats.binom.sf(FEWEST_CHANGES - 1, int(apart), changing) < CERTAIN:
            return 0.0
        # The test takes the error around 0, as if there were no difference.
        effect = difference / math.hypot(deviation, difference)
        power = float(TTestPower().power(effect, apart, LEVEL / 2 / arms, alternative="larger"))
        return 1.0 if math.isnan(power) else power  # scipy's noncentral t gives up where next to nothing is missing


def scatter_of(scores: Sequence[float], *, correlation: float = CORRELATION, design: float = 1.0) -> Scatter | None:
    """The scatter of differences to a program with these `scores`; None: there are fewer than two, or all are equal.

    The other program's scores are taken to vary as much for their mean, and to go along with these by `correlation`:
    sd = s * sqrt(2 * (1 - correlation)) where both means are the same.
    """
    if len(scores) < 2 or not (spread := variance(scores)):
        return None
    deviation = math.sqrt(2 * (1 - correlation) * spread)
    return Scatter(deviation, design=design, mean=fmean(scores), correlation=correlation)


def detectable_gain(
    scores: Sequence[float],
    n: int,
    *,
    correlation: float = CORRELATION,
    power: float = POWER,
    design: float = 1.0,
    arms: int = 1,
) -> float | None:
    """The smallest true gain that a paired test on `n` questions shows with `power`, in points of the score.

    By a paired t-test, with the standard deviation of the difference taken from the baseline's observed `scores` (see
    `scatter_of`), and enough answers that change. `design`: see `design_effect`. None with fewer than two scores, with
    scores that do not vary, or with fewer than two questions.
    """
    scatter = scatter_of(scores, correlation=correlation, design=design)
    if scatter is None or n < 2:
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if scatter.power(middle, n, arms=arms) >= power else (middle, high)
    return high


def questions_needed(
    difference: float,
    baseline: Evaluation,
    candidate: Evaluation | None = None,
    *,
    clusters: Clusters | None = None,
    arms: int = 1,
    power: float = POWER,
) -> int | None:
    """How many questions a true gain of `difference` (0 to 1) needs, to be shown with `power`.

    With a `candidate` from the differences that were observed, else from the baseline's scores alone (see
    `scatter_of`); `clusters` count for what they are, for as many questions share their evidence in `baseline` as will.
    `arms` are tested beside each other. None: no score varies, or the difference is not above 0, or a million
    questions do not show it.
    """
    scatter = _observed(baseline, candidate, clusters)
    if scatter is None or difference <= 0:
        return None
    low, high = 1, MOST
    if scatter.power(difference, high, arms=arms) < power:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if scatter.power(difference, middle, arms=arms) >= power else (middle, high)
    return high


def _observed(baseline: Evaluation, candidate: Evaluation | None, clusters: Clusters | None) -> Scatter | None:
    scores = {example: score for example, score in baseline.scores.items() if score is not None}
    if candidate is None:
        return scatter_of(list(scores.values()), design=design_effect(baseline, clusters))
    pairs = pairs_of([baseline], [candidate])
    if pairs is None or len(pairs.before) < 2 or not (spread := variance(map(float, pairs.differences))):
        return None
    both = [example for example in scores if candidate.scores.get(example) is not None]
    sizes = [abs(float(one)) for one in pairs.differences if one]
    step = sum(one**2 for one in sizes) / sum(sizes)
    return Scatter(math.sqrt(spread), step, _design([float(one) for one in pairs.differences], both, clusters))


def design_effect(evaluation: Evaluation, clusters: Clusters | None) -> float:
    """How many questions in clusters count for one apart: 1 + (m - 1) * correlation (Kish 1965, §5.4).

    m is the size of the cluster in which a question finds itself on average, and the correlation of the scores within
    clusters is that of the analysis of variance, no less than 0.
    """
    scores = {example: score for example, score in evaluation.scores.items() if score is not None}
    return _design(list(scores.values()), list(scores), clusters)


def _design(values: Sequence[float], examples: Sequence[str], clusters: Clusters | None) -> float:
    groups: dict[int, list[float]] = {}
    for value, place in zip(values, cluster_places(examples, clusters), strict=True):
        groups.setdefault(place, []).append(value)
    number, total = len(groups), len(values)
    if total == number:
        return 1.0
    squares = sum(len(group) ** 2 for group in groups.values()) / total
    if number < 2:
        return squares
    middle = fmean(values)
    within = sum((value - fmean(group)) ** 2 for group in groups.values() for value in group) / (total - number)
    between = sum(len(group) * (fmean(group) - middle) ** 2 for group in groups.values()) / (number - 1)
    whole = between + ((total - squares) / (number - 1) - 1) * within
    return 1 + (squares - 1) * (min(1.0, max(0.0, between - within) / whole) if whole > 0 else 0.0)
