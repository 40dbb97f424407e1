"""The figures of an evaluation that card, page and terminal all show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A figure of an evaluation: its name, its key in `Evaluation.details()` and how it is written."""

    name: str
    key: str
    kind: str


COLUMNS = (
    Column("score", "score", "points"),
    Column("questions", "n", "count"),
    Column("errors", "errors", "count"),
    Column("evidence retrieved", "recall", "percent"),
    Column("abstains on unanswerable", "correct_abstentions", "percent"),
    Column("abstains on answerable", "false_abstentions", "percent"),
    Column("input tokens a question", "input_tokens_per_question", "count"),
    Column("USD a question", "usd_per_question", "usd"),
    Column("latency p50", "latency_p50", "seconds"),
    Column("latency p95", "latency_p95", "seconds"),
)
