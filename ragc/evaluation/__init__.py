"""Evaluation: metrics, concurrent evaluation of a program, paired statistics.

Nothing heavy is imported before it is needed: scipy stays out of a process that only serves answers.
"""

from __future__ import annotations

from ragc.evaluation._abstention import ABSTENTION, is_abstention
from ragc.evaluation._evaluation import Evaluation, Outcome
from ragc.evaluation._evaluator import Evaluator, TooManyErrors, Traced
from ragc.evaluation._metrics import Metric, Score, load_metric
from ragc.evaluation._recall import Recall, recall_of
from ragc.evaluation._statistics import Comparison, compare_paired, detectable_gain

__all__ = [
    "ABSTENTION",
    "Comparison",
    "Evaluation",
    "Evaluator",
    "Metric",
    "Outcome",
    "Recall",
    "Score",
    "TooManyErrors",
    "Traced",
    "compare_paired",
    "detectable_gain",
    "is_abstention",
    "load_metric",
    "recall_of",
]
