"""A program that was tried: its state as it is sealed, what it scored, and whether it may be chosen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dspy

if TYPE_CHECKING:
    from ragc.evaluation import Evaluation
    from ragc.project import Limits


@dataclass(frozen=True)
class Candidate:
    """One program that was tried, with what it scored on validation."""

    label: str
    program: dspy.Module
    state: dict[str, Any]
    evaluation: Evaluation
    why_not: str | None = None
    """Which of the task's limits it is over, or why it was stopped before its last question; None: it is eligible."""
    stopped: bool = False
    """Whether it was clearly behind in a race, and not asked all questions."""

    @property
    def score(self) -> float:
        """Mean validation score; -1 when nothing was scored."""
        return -1.0 if self.evaluation.score is None else self.evaluation.score


def state_of(program: dspy.Module) -> dict[str, Any]:
    """The state of `program` as it is sealed: JSON, without LMs, without traces of its making."""
    copy = program.deepcopy()
    for module in [copy, *(one for _, one in copy.named_sub_modules(type_=dspy.Module))]:
        module._compiled = False  # else DSPy leaves its parameters out
    for predictor in copy.predictors():
        predictor.lm, predictor.traces, predictor.train = None, [], []
    state: dict[str, Any] = json.loads(json.dumps(copy.dump_state(json_mode=True), ensure_ascii=False))
    return state


def over_limits(evaluation: Evaluation, limits: Limits) -> str | None:
    """Which limit the evaluation is over, in words; None when it is within all."""
    usd, latency = evaluation.usd_per_question, evaluation.latency_p95
    if limits.usd_per_question is not None and usd is not None and usd > limits.usd_per_question:
        return f"${usd:.4f} a question is over the limit of ${limits.usd_per_question:.4f}"
    if limits.latency_p95 is not None and latency is not None and latency > limits.latency_p95:
        return f"a p95 latency of {latency:.2f} s is over the limit of {limits.latency_p95:.2f} s"
    return None
