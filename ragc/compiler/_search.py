"""A search on validation: baseline, optimizer, the best candidate. The test split is not in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragc._messages import counted
from ragc.compiler._bench import Bench
from ragc.compiler._candidate import Candidate, state_of
from ragc.compiler._events import Finished, OnEvent
from ragc.compiler._forecast import Forecast
from ragc.compiler._optimizer import Sizes, Work, plan_of
from ragc.compiler._run import Run, sample
from ragc.compiler._stops import Stops
from ragc.data import refuse_told
from ragc.errors import RagcError
from ragc.evaluation import TooManyErrors
from ragc.evaluation.judge import marked

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.evaluation import Evaluation, Outcome
    from ragc.models import Gateway

SetAside = Callable[["Evaluation | None", "Evaluation | None"], None]
"""Told the baseline and the dearest candidate so far, so that their final test is set aside."""


def ignore_baseline(baseline: Evaluation) -> None:
    """The listener of whoever does not listen."""


@dataclass
class Search:
    """One optimizer on one bench, made once."""

    bench: Bench
    name: str
    """How the optimizer is called."""
    optimizer: Callable[..., Any]
    settings: Mapping[str, Any]
    seed: int
    stops: Stops
    on_event: OnEvent
    set_aside: SetAside
    after_baseline: Callable[[Evaluation], None] = ignore_baseline
    baseline: Evaluation | None = None
    """The uncompiled program on validation, once it is known."""
    dearest: Evaluation | None = None
    """The dearest candidate so far."""
    validation: tuple[Example, ...] = field(init=False)

    def __post_init__(self) -> None:
        splits = self.bench.labelled.splits
        self.validation = sample(splits.validation, self.bench.task.validation_sample, self.seed)
        self.work()  # refuses settings out of their range

    def work(self) -> Work | None:
        """What the optimizer says that it does. Raises ConfigError for settings out of their range."""
        plan = plan_of(self.optimizer)
        sizes = Sizes(
            train=len(self.bench.labelled.splits.train),
            validation=len(self.validation),
            passages=self.bench.passages,
            around=self.bench.around,
        )
        return None if plan is None else plan(sizes, dict(self.settings))

    def forecast(self, *, tests_baseline: bool) -> Forecast:
        """What it will take, with the test of what it finds."""
        return Forecast(self.bench, self.work(), self.validation, tests_baseline)

    def run(self, known: Mapping[str, Outcome]) -> Run:
        """Runs the optimizer; what stops it is in `stops`, and what it found in the run that comes back.

        `known` are outcomes of the uncompiled program on validation questions. Raises what ends a run for good, and
        TooManyErrors where the uncompiled program answers nothing.
        """
        run = self._run()
        run.begin_baseline(self.bench.program(), known)
        with self.stops:
            # A program of its own: the baseline is still being evaluated.
            result = self.optimizer(self.bench.program(), run, **self.settings)
            run.settle()
            if not self.gateway.exhausted:
                self._evaluate_if_new(result, run)
        run.cancel()
        if self.gateway.fatal is not None:
            raise self.gateway.fatal
        if self.stops.stopped is None and self.gateway.exhausted:  # an optimizer that swallowed the refusal
            self.stops.for_budget()
        run.summarise()
        if run.best is not None and self.stops.stopped is None:
            self._ask_again(run)
        return run

    def _ask_again(self, run: Run) -> None:
        """Asks again, before the test, what the baseline and the best candidate were not answered."""
        if not any(outcome.transient for one in (run.baseline, run.best) if one for outcome in one.evaluation.outcomes):
            return
        with self.stops, self.gateway.step("asked again"):
            run.ask_again()

    def _evaluate_if_new(self, result: Any, run: Run) -> None:
        import dspy

        if not isinstance(result, dspy.Module):
            raise RagcError(f'optimizer "{self.name}" returned {type(result).__name__}: expected a dspy.Module')
        state = state_of(result)
        if state != run.baseline.state and all(state != candidate.state for candidate in run.candidates):
            run.evaluate(result, self.name)

    def _after_baseline(self, baseline: Candidate) -> None:
        """Tells what the uncompiled program scored."""
        evaluation = baseline.evaluation
        if not evaluation.n:
            last = next(outcome.error for outcome in reversed(evaluation.outcomes) if outcome.error is not None)
            questions = counted(evaluation.errors, "validation question")
            raise TooManyErrors(f"none of {questions} was answered; the last error: {last}", evaluation.outcomes)
        self.baseline = evaluation
        self.stops.has_something = True
        self.set_aside(evaluation, None)
        self.after_baseline(evaluation)
        metric = marked(self.bench.task.metric, self.bench.judged)
        shown = "no score" if evaluation.score is None else f"{100 * evaluation.score:.1f}"
        failed = f", {counted(evaluation.errors, 'error')}" if evaluation.errors else ""
        self.on_event(Finished("baseline", (f"{metric} {shown} on {evaluation.n} validation questions{failed}",)))

    def _after_candidate(self, candidate: Candidate) -> None:
        """Sets aside for the final test what the dearest candidate so far would take."""
        if self.dearest is None or _price(candidate.evaluation) > _price(self.dearest):
            self.dearest = candidate.evaluation
        self.set_aside(self.baseline, self.dearest)

    @property
    def gateway(self) -> Gateway:
        """The bench's."""
        return self.bench.gateway

    def _run(self) -> Run:
        from ragc.models import make_lm

        teacher = self.bench.project.settings.teacher
        splits = self.bench.labelled.splits
        plan = self.work()
        run = Run(
            train=self.bench.labelled.splits.train,
            validation=self.validation,
            seed=self.seed,
            lm=self.bench.lm,
            teacher=None if teacher is None else make_lm(teacher, gateway=self.gateway),
            limits=self.bench.task.limits,
            _evaluator=self.bench.evaluator,
            _gateway=self.gateway,
            _restore=self.bench.program,
            _expected=None if plan is None else plan.candidates,
            _on_event=self.on_event,
            _name=self.name.rpartition(":")[2].rpartition(".")[2],
        )
        run.after_baseline = self._after_baseline
        run.after_candidate = self._after_candidate
        run.check_state = lambda state, label: refuse_told(splits, state, f'candidate "{label}"')
        return run


def _price(evaluation: Evaluation) -> tuple[float, float]:
    """What makes a program dear: money, else tokens."""
    return evaluation.usd_per_question or 0.0, evaluation.input_tokens_per_question or 0.0
