"""Compile runs, and evaluations of what they made.

`Run`, `Demonstration`, `with_demonstrations`, `Sizes`, `Work` and `costs` are what optimizers are written with.
"""

from __future__ import annotations

from ragc.compiler._bench import Bench, open_bench
from ragc.compiler._compile import compile
from ragc.compiler._curve import LearningCurve, learning_curve
from ragc.compiler._demonstrations import Demonstration, with_demonstrations, with_retrieval
from ragc.compiler._evaluate import EvaluationResult, ask, evaluate
from ragc.compiler._events import Event, Finished, OnEvent, Warned, Working
from ragc.compiler._export import export_promptfoo
from ragc.compiler._judging import Judging, calibrate, export_judgements, labels_of, open_judging
from ragc.compiler._optimizer import Sizes, Work, check, costs, dearer
from ragc.compiler._replayed import Replayed, replay
from ragc.compiler._result import CompileResult
from ragc.compiler._retrieval import Missed, RetrievalResult, evaluate_retrieval
from ragc.compiler._run import Candidate, Run

__all__ = [
    "Bench",
    "Candidate",
    "CompileResult",
    "Demonstration",
    "EvaluationResult",
    "Event",
    "Finished",
    "Judging",
    "LearningCurve",
    "Missed",
    "OnEvent",
    "Replayed",
    "RetrievalResult",
    "Run",
    "Sizes",
    "Warned",
    "Work",
    "Working",
    "ask",
    "calibrate",
    "check",
    "compile",
    "costs",
    "dearer",
    "evaluate",
    "evaluate_retrieval",
    "export_judgements",
    "export_promptfoo",
    "labels_of",
    "learning_curve",
    "open_bench",
    "open_judging",
    "replay",
    "with_demonstrations",
    "with_retrieval",
]
