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
    from ragc.evaluation._evaluation import Evaluation, Outcome, Taken
    from ragc.evaluation._evaluator import Evaluator, Traced
    from ragc.evaluation._failures import fatal_cause
    from ragc.evaluation._mean import mean_interval
    from ragc.evaluation._modes import MODES, RIGHT, Crossed, Mode, crossed, failure_mode, failure_modes
    from ragc.evaluation._pending import OnOutcome, Pending, TooManyErrors
    from ragc.evaluation._pool import Batch
    from ragc.evaluation._power import design_effect, detectable_gain, questions_needed
    from ragc.evaluation._racing import is_behind, looks_at
    from ragc.evaluation._rankings import MEASURES, Order, Ranked, Rankings, Setting, held, rank
    from ragc.evaluation._recall import Recall, recall_of
    from ragc.evaluation._side_by_side import Side, side_by_side
    from ragc.evaluation._statistics import Comparison, compare_arms, compare_paired
    from ragc.evaluation.metrics import METRICS, Measure, Metric, Score, load_metric

_HOME = {
    "ABSTENTION": "_abstention",
    "Batch": "_pool",
    "Clusters": "_clusters",
    "Comparison": "_statistics",
    "Crossed": "_modes",
    "Evaluation": "_evaluation",
    "Evaluator": "_evaluator",
    "MEASURES": "_rankings",
    "METRICS": "metrics",
    "MODES": "_modes",
    "Measure": "metrics",
    "Metric": "metrics",
    "Mode": "_modes",
    "OnOutcome": "_pending",
    "Order": "_rankings",
    "Outcome": "_evaluation",
    "Pending": "_pending",
    "RIGHT": "_modes",
    "Ranked": "_rankings",
    "Rankings": "_rankings",
    "Recall": "_recall",
    "Score": "metrics",
    "Setting": "_rankings",
    "Side": "_side_by_side",
    "Taken": "_evaluation",
    "TooManyErrors": "_pending",
    "Traced": "_evaluator",
    "clusters_of": "_clusters",
    "compare_arms": "_statistics",
    "compare_paired": "_statistics",
    "crossed": "_modes",
    "design_effect": "_power",
    "detectable_gain": "_power",
    "failure_mode": "_modes",
    "failure_modes": "_modes",
    "fatal_cause": "_failures",
    "held": "_rankings",
    "is_abstention": "_abstention",
    "is_behind": "_racing",
    "load_metric": "metrics",
    "looks_at": "_racing",
    "mean_interval": "_mean",
    "questions_needed": "_power",
    "rank": "_rankings",
    "recall_of": "_recall",
    "side_by_side": "_side_by_side",
}

__all__ = [
    "ABSTENTION",
    "Batch",
    "Clusters",
    "Comparison",
    "Crossed",
    "Evaluation",
    "Evaluator",
    "MEASURES",
    "METRICS",
    "MODES",
    "Measure",
    "Metric",
    "Mode",
    "OnOutcome",
    "Order",
    "Outcome",
    "Pending",
    "RIGHT",
    "Ranked",
    "Rankings",
    "Recall",
    "Score",
    "Setting",
    "Side",
    "Taken",
    "TooManyErrors",
    "Traced",
    "clusters_of",
    "compare_arms",
    "compare_paired",
    "crossed",
    "design_effect",
    "detectable_gain",
    "failure_mode",
    "failure_modes",
    "fatal_cause",
    "held",
    "is_abstention",
    "is_behind",
    "load_metric",
    "looks_at",
    "mean_interval",
    "questions_needed",
    "rank",
    "recall_of",
    "side_by_side",
]


__getattr__, __dir__ = on_first_use(__name__, _HOME)
