"""Metrics: what an answer is worth, from 0 (wrong) to 1 (right). One idea a file.

A metric is a function of an example and a prediction. Every one of them, `refusal` apart, lets abstention settle what
it can: on an unanswerable question abstaining is 1 and anything else 0, on an answerable one abstaining is 0, so that
no optimizer learns to abstain.
"""

from __future__ import annotations

from ragc.evaluation.metrics._answer_f1 import answer_f1
from ragc.evaluation.metrics._citations import citation_precision, citation_recall
from ragc.evaluation.metrics._contains import contains
from ragc.evaluation.metrics._exact_match import exact_match
from ragc.evaluation.metrics._faithfulness import faithfulness
from ragc.evaluation.metrics._list_f1 import list_f1
from ragc.evaluation.metrics._load import METRICS, load_metric, read_spec
from ragc.evaluation.metrics._measure import Measure, Tools
from ragc.evaluation.metrics._multiple_choice import multiple_choice
from ragc.evaluation.metrics._number import number
from ragc.evaluation.metrics._refusal import refusal
from ragc.evaluation.metrics._score import Metric, Score
from ragc.evaluation.metrics._semantic_f1 import semantic_f1
from ragc.evaluation.metrics._sentences import sentences
from ragc.evaluation.metrics._tone import tone

__all__ = [
    "METRICS",
    "Measure",
    "Metric",
    "Score",
    "Tools",
    "answer_f1",
    "citation_precision",
    "citation_recall",
    "contains",
    "exact_match",
    "faithfulness",
    "list_f1",
    "load_metric",
    "multiple_choice",
    "number",
    "read_spec",
    "refusal",
    "semantic_f1",
    "sentences",
    "tone",
]
