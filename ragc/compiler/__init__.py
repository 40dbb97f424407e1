"""Compile runs, and evaluations of what they made.

`Run`, `Demonstration`, `with_demonstrations`, `Sizes`, `Work` and `costs` are what optimizers are written with. From
`Bench` to `Stops`, what a run is made of: a comparison searches, estimates and seals with the same.
"""

from __future__ import annotations

from ragc.compiler._against import Against
from ragc.compiler._bench import (
    Bench,
    Labelled,
    Scoring,
    bench_on,
    open_bench,
    read_labelled,
    rerankers_of,
    scoring_of,
    thread_count,
)
from ragc.compiler._candidate import Candidate, state_of
from ragc.compiler._compilation import STATES, tell_how_it_begins
from ragc.compiler._compile import caps_of, compile
from ragc.compiler._curve import LearningCurve, learning_curve
from ragc.compiler._demonstrations import Demonstration, with_demonstrations, with_retrieval
from ragc.compiler._drafting import WHY, Drafting, draft_labels
from ragc.compiler._estimate import Estimate, refuse_unfundable
from ragc.compiler._evaluate import EvaluationResult, ask, evaluate
from ragc.compiler._eventlog import Teller
from ragc.compiler._events import Event, Finished, OnEvent, Warned, Working, ignore
from ragc.compiler._export import export_promptfoo
from ragc.compiler._forecast import NO_SEARCH, PILOT, Forecast, total
from ragc.compiler._history import (
    Identity,
    Opened,
    identify,
    identity_of,
    only_run,
    open_look,
    open_replay,
    open_run,
    source_digest,
)
from ragc.compiler._interrupts import Interrupts
from ragc.compiler._judging import Judging, calibrate, export_judgements, labels_of, open_judging
from ragc.compiler._leaks import tell_leaks
from ragc.compiler._lines import describe_estimate
from ragc.compiler._opened import open_test_of, program_digest
from ragc.compiler._optimizer import Sizes, Work, check, costs, dearer
from ragc.compiler._replayed import Replayed, replay
from ragc.compiler._result import CompileResult, Stopped, cost_of
from ragc.compiler._retrieval import Missed, RetrievalResult, evaluate_retrieval
from ragc.compiler._run import Run
from ragc.compiler._sealing import content_of
from ragc.compiler._search import Search
from ragc.compiler._stops import Stops

__all__ = [
    "Against",
    "Bench",
    "Candidate",
    "CompileResult",
    "Demonstration",
    "Drafting",
    "Estimate",
    "EvaluationResult",
    "Event",
    "Finished",
    "Forecast",
    "Identity",
    "Interrupts",
    "Judging",
    "Labelled",
    "LearningCurve",
    "Missed",
    "NO_SEARCH",
    "OnEvent",
    "Opened",
    "PILOT",
    "Replayed",
    "RetrievalResult",
    "Run",
    "STATES",
    "Scoring",
    "Search",
    "Sizes",
    "Stopped",
    "Stops",
    "Teller",
    "WHY",
    "Warned",
    "Work",
    "Working",
    "ask",
    "bench_on",
    "calibrate",
    "caps_of",
    "check",
    "compile",
    "content_of",
    "cost_of",
    "costs",
    "dearer",
    "describe_estimate",
    "draft_labels",
    "evaluate",
    "evaluate_retrieval",
    "export_judgements",
    "export_promptfoo",
    "identify",
    "identity_of",
    "ignore",
    "labels_of",
    "learning_curve",
    "only_run",
    "open_bench",
    "open_judging",
    "open_look",
    "open_replay",
    "open_run",
    "open_test_of",
    "program_digest",
    "read_labelled",
    "refuse_unfundable",
    "replay",
    "rerankers_of",
    "scoring_of",
    "source_digest",
    "state_of",
    "tell_how_it_begins",
    "tell_leaks",
    "thread_count",
    "total",
    "with_demonstrations",
    "with_retrieval",
]
