"""When a candidate that has answered a part of the questions is so far behind that the rest need not be asked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragc.evaluation._evaluation import Evaluation

SHARES = (0.15, 0.30, 0.45, 0.60, 0.75)
"""Shares of the questions after which is looked."""
FEWEST = 8
"""Answers below which nothing is looked at."""
FEWEST_QUESTIONS = 24
"""Questions below which it is no race: a part of them says nothing."""
ERROR = 0.2
"""How likely, at the most and over all looks, a candidate is stopped that all questions would put above the leader."""


def looks_at(questions: int) -> tuple[int, ...]:
    """After how many of so many questions is looked; empty where there are too few to race over."""
    if questions < FEWEST_QUESTIONS:
        return ()
    return tuple(look for share in SHARES if (look := round(share * questions)) >= FEWEST)


def is_behind(candidate: Evaluation, leader: Evaluation, questions: int) -> bool:
    """Whether the candidate, after a part of the `questions` in random order, is clearly behind the `leader`.

    A one-sided paired t-test of the hypothesis that all questions would put it no lower. What is seen is a sample
    without replacement from exactly those questions, so that its error is s * sqrt(1/n - 1/N) (Cochran 1977, §2.5)
    whatever questions share their evidence; ERROR is divided by the number of looks (Bonferroni), and so holds over all
    of them. Pairs with an error on either side are left out.
    """
    from statistics import fmean, stdev

    from scipy import stats

    scores = leader.scores
    differences = [
        one.score - other
        for one in candidate.scored
        if one.score is not None and (other := scores.get(one.example)) is not None
    ]
    seen = len(differences)
    if not FEWEST <= seen < questions or (middle := fmean(differences)) >= 0:
        return False
    error = stdev(differences) * math.sqrt(1 / seen - 1 / questions)
    return bool(middle < -stats.t.isf(ERROR / len(looks_at(questions)), seen - 1) * error)
