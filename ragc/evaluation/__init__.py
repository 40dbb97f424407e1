"""Evaluation: metrics, concurrent evaluation of a program, paired statistics.

Names are loaded on first use: a program that only asks whether an answer is an abstention loads no evaluator, and scipy
stays out of a process that only serves answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use

if TYPE_CHECKING:
    from ragc.evaluation._abstention import ABSTENTION, is_abstention
    from ragc.evaluation._clusters import Clusters, clusters_of
    from ragc.evaluation._evaluation import Evaluation, Outcome
    from ragc.evaluation._evaluator import Evaluator, Traced
    from ragc.evaluation._metrics import Metric, Score, load_metric
    from ragc.evaluation._pending import OnOutcome, Pending, TooManyErrors
    from ragc.evaluation._pool import Batch
    from ragc.evaluation._rankings import MEASURES, Ranked, Rankings, Setting, held, rank
    from ragc.evaluation._recall import Recall, recall_of
    from ragc.evaluation._statistics import Comparison, compare_paired, detectable_gain

_HOME = {
    "ABSTENTION": "_abstention",
    "Batch": "_pool",
    "Clusters": "_clusters",
    "Comparison": "_statistics",
    "Evaluation": "_evaluation",
    "Evaluator": "_evaluator",
    "MEASURES": "_rankings",
    "Metric": "_metrics",
    "OnOutcome": "_pending",
    "Outcome": "_evaluation",
    "Pending": "_pending",
    "Ranked": "_rankings",
    "Rankings": "_rankings",
    "Recall": "_recall",
    "Score": "_metrics",
    "Setting": "_rankings",
    "TooManyErrors": "_pending",
    "Traced": "_evaluator",
    "clusters_of": "_clusters",
    "compare_paired": "_statistics",
    "detectable_gain": "_statistics",
    "held": "_rankings",
    "is_abstention": "_abstention",
    "load_metric": "_metrics",
    "rank": "_rankings",
    "recall_of": "_recall",
}

__all__ = [
    "ABSTENTION",
    "Batch",
    "Clusters",
    "Comparison",
    "Evaluation",
    "Evaluator",
    "MEASURES",
    "Metric",
    "OnOutcome",
    "Outcome",
    "Pending",
    "Ranked",
    "Rankings",
    "Recall",
    "Score",
    "Setting",
    "TooManyErrors",
    "Traced",
    "clusters_of",
    "compare_paired",
    "detectable_gain",
    "held",
    "is_abstention",
    "load_metric",
    "rank",
    "recall_of",
]


__getattr__, __dir__ = on_first_use(__name__, _HOME)
