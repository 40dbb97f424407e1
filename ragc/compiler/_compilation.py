"""The steps of one compile run, in order, and what ends it before its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ragc import tracking
from ragc._messages import counted
from ragc._secrets import redact
from ragc.artifact import is_tested
from ragc.compiler._bench import Bench
from ragc.compiler._candidate import Candidate
from ragc.compiler._estimate import Estimate, refuse_unfundable, with_another_test
from ragc.compiler._events import Finished, OnEvent, Warned, telling
from ragc.compiler._forecast import Forecast
from ragc.compiler._history import Opened
from ragc.compiler._lines import describe_estimate, describe_sizes, describe_test
from ragc.compiler._opened import open_test_of, program_digest
from ragc.compiler._replaced import Replaced, compare_with_replaced
from ragc.compiler._result import CompileResult, Stopped, cost_of
from ragc.compiler._run import Run
from ragc.compiler._sealing import seal_result
from ragc.compiler._search import Search
from ragc.compiler._stops import Stops
from ragc.errors import BudgetExhausted, Interrupted, RagcError
from ragc.evaluation import Comparison, Evaluation, clusters_of, compare_paired, design_effect, detectable_gain
from ragc.project import Budget

if TYPE_CHECKING:
    from ragc.data import OpenedTest
    from ragc.evaluation import Outcome
    from ragc.models import Gateway, RunChanges, RunState

STATES: dict[Stopped | None, RunState] = {
    None: "sealed",
    "budget": "budget",
    "time": "time",
    "errors": "errors",
    "interrupted": "interrupted",
}
_T = TypeVar("_T")
FEW = 20
"""Test questions below which a verdict is hardly to be had."""


@dataclass
class Compilation:
    """One run of a task, made once: `dry` estimates it, `whole` does it."""

    bench: Bench
    opened: Opened
    name: str
    optimizer: Callable[..., Any]
    settings: dict[str, Any]
    budget: Budget
    seed: int
    on_event: OnEvent
    started: float
    _: KW_ONLY
    replay: bool = False
    target: Path | None = None
    estimated: Estimate | None = None
    gain: float | None = None
    stops: Stops = field(init=False)
    search: Search = field(init=False)

    def __post_init__(self) -> None:
        was_time = self.opened.stops_again and self.opened.record.state == "time"
        self.stops = Stops(self.bench, self.on_event, was_time)
        self.search = Search(
            self.bench,
            self.name,
            self.optimizer,
            self.settings,
            self.seed,
            self.stops,
            self.on_event,
            self._set_aside,
            self._after_baseline,
        )
        if not self.replay:
            self.bench.check_rerankers([*self.forecast.own_rerankers, *self.forecast.tried_rerankers])
        self.on_event(describe_sizes(self.bench, len(self.search.validation)))
        tested = len(self.bench.labelled.splits.test)
        if tested < FEW:
            self.on_event(Warned(f"{tested} test questions show only a very large gain: label some hundred"))

    # -- the run, from the estimate to the seal

    def dry(self, *, exact: bool) -> CompileResult:
        plan = self.forecast.counted(self.on_event) if exact else self.forecast.look()
        self.on_event(describe_estimate(plan, None, self.bench.project.settings.lm.model))
        refuse_unfundable(self.budget, plan)
        return self._result(estimate=plan)

    def whole(self) -> CompileResult:
        try:
            result = self._whole()
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt | Interrupted)
            self._note("interrupted" if interrupted else "failed")
            self._log_unsealed("interrupted" if interrupted else redact(str(error)), failed=not interrupted)
            raise
        self._note(STATES[result.stopped], artifact=result.id)
        if result.artifact is None:
            self._log_unsealed(f"stopped: {result.stopped}", failed=result.stopped == "errors")
        return result

    def _log_unsealed(self, reason: str, *, failed: bool) -> None:
        """Logs a run that sealed nothing, where it has asked anything at all."""
        if self.replay or not self.gateway.usage.calls:
            return
        baseline = self.search.baseline
        run = tracking.Unsealed(
            task=self.bench.task.name,
            reason=reason,
            failed=failed,
            seconds=time.perf_counter() - self.started,
            program=self.bench.task.program,
            model=self.bench.project.settings.lm.model,
            metric=self.bench.task.metric,
            optimizer={"name": self.name, "settings": self.settings, "seed": self.seed},
            results={} if baseline is None else {"validation": {"baseline": baseline.details()}},
            cost=cost_of(self.gateway.usage),
        )
        settings = self.bench.project.settings
        for warning in tracking.log_unsealed(uri=settings.tracking, root=self.bench.project.root, run=run):
            self.on_event(Warned(warning))

    def _whole(self) -> CompileResult:
        tell_how_it_begins(self.opened, self.on_event, replay=self.replay)
        run = self.search.run(self._pilot())
        baseline, candidate = run.baseline, run.best
        if candidate is None and self.stops.stopped is not None:
            self.on_event(Warned("no candidate was evaluated before the stop: nothing is sealed"))
            return self._result(baseline=baseline.evaluation)
        tested = self._test(baseline, candidate) if candidate is not None else None
        return self._seal(run, baseline, candidate, tested)

    def _pilot(self) -> dict[str, Outcome]:
        """Answers the first validation questions, estimates from them and refuses a budget that is too small."""
        fundable = self.replay or self.opened.known or self.gateway.admitted > 1  # it has got past here before
        if not fundable:  # not even the pilot is paid for where one call a question is too much
            refuse_unfundable(Budget(calls=self.budget.calls), self.forecast.from_prompts(1))
        try:
            pilot = self.forecast.pilot(self.on_event)
        except BudgetExhausted:
            if not fundable:
                refuse_unfundable(self.budget, self.forecast.from_prompts(1))
            raise
        seen = self.forecast.observe(pilot)
        self.estimated = seen or self.forecast.from_prompts()
        if is_tested(self.place) and not self.replay:
            self.estimated = with_another_test(self.estimated, self.forecast.tested)
        if seen is not None and not fundable:
            refuse_unfundable(self.budget, seen)
        self._set_aside(pilot, None)
        return {outcome.example: outcome for outcome in pilot.outcomes if outcome.error is None}

    def _after_baseline(self, baseline: Evaluation) -> None:
        """Tells what the run will take, and the gain that it can show."""
        scores = [outcome.score for outcome in baseline.scored if outcome.score is not None]
        design = design_effect(baseline, clusters_of(self.search.validation, self.bench.labelled.corpus))
        self.gain = detectable_gain(scores, len(self.bench.labelled.splits.test), design=design)
        if self.estimated is not None:
            self.on_event(describe_estimate(self.estimated, self.gain, self.bench.project.settings.lm.model))

    def _test(self, baseline: Candidate, candidate: Candidate) -> _Tested | None:
        """Opens the test split, once: baseline and candidate, paired. None where a stop cut it short."""
        if self.stops.stopped == "interrupted":
            return None
        programs = {name: program_digest(self.bench, one.program) for name, one in _pair(baseline, candidate).items()}
        opened = open_test_of(self.bench, programs, by="compile", is_recorded=not self.replay)
        test = opened.examples
        self.gateway.open_reserve()
        with self.stops:
            with self.gateway.step("test"):
                first, second = (self.bench.evaluator.begin(one.program, test) for one in (baseline, candidate))
                before = first.result(on_outcome=telling(self.on_event, "test", "baseline"))
                after = second.result(on_outcome=telling(self.on_event, "test", "candidate"))
            clusters = clusters_of(test, self.bench.labelled.corpus)
            comparison = compare_paired(before, after, clusters=clusters, seed=self.seed)
            opened = opened.showed(_pair(before.scores, after.scores))
            self.on_event(describe_test(before, after, comparison, opened.count, self.bench.judged))
            return _Tested(before, after, comparison, opened)
        self.on_event(Finished("test", ("not tested: the run was stopped before the test split was complete",)))
        return None

    def _seal(
        self, run: Run, baseline: Candidate, candidate: Candidate | None, tested: _Tested | None
    ) -> CompileResult:
        if candidate is None:
            self.on_event(Warned("no candidate is within the task's limits: the uncompiled program is sealed"))
        comparison = tested.comparison if tested is not None else Comparison("not tested")
        is_baseline = candidate is None or _is_below(baseline, candidate, comparison)
        replaced = None
        if tested is not None and candidate is not None:
            chosen, answered = (baseline, tested.baseline) if is_baseline else (candidate, tested.compiled)
            replaced = self._replaced(chosen, answered, tested.opened)
        result = self._result(
            baseline=baseline.evaluation,
            compiled=None if candidate is None else candidate.evaluation,
            baseline_test=None if tested is None else tested.baseline,
            compiled_test=None if tested is None else tested.compiled,
            comparison=comparison,
            openings=None if tested is None else tested.opened.count,
            replaced=replaced,
            sealed="baseline" if is_baseline else "candidate",
        )
        optimizer = {"name": self.name, "settings": self.settings, "seed": self.seed}
        sealed = seal_result(
            self.bench,
            run,
            result,
            candidate,
            optimizer,
            self.on_event,
            test=() if tested is None else tested.opened.examples,
            target=self.target,
            is_replay=self.replay,
        )
        if tested is not None and sealed.id is not None:
            tested.opened.made(sealed.id)
        return sealed

    def _replaced(self, chosen: Candidate, answered: Evaluation, opened: OpenedTest) -> Replaced | None:
        """Compares what is sealed with the artifact in whose place it goes; a replay replaces nothing."""
        if self.replay:
            return None
        with self.stops:
            return compare_with_replaced(
                self.bench, self.place, chosen.program, answered, opened.examples, self.on_event, seed=self.seed
            )
        return None

    # -- what the steps share

    @property
    def place(self) -> Path:
        """Where the artifact goes."""
        return self.target or self.bench.project.compiled_path(self.bench.task)

    @property
    def gateway(self) -> Gateway:
        return self.bench.gateway

    @cached_property
    def forecast(self) -> Forecast:
        return self.search.forecast(tests_baseline=True)

    def _set_aside(self, baseline: Evaluation | None, dearest: Evaluation | None) -> None:
        """Sets the final test's share aside: baseline and dearest candidate, as observed, on every test question."""
        seconds = 0.0 if self.budget.seconds is None else self.forecast.seconds(baseline, dearest)
        self.gateway.set_aside(self.forecast.needs(baseline, dearest), seconds)

    def _note(self, state: RunState, *, artifact: str | None = None) -> None:
        """Writes how the run ended to the journal."""
        if self.replay or not self.opened.record.id:
            return
        changes: RunChanges = {"state": state, "seconds": self.gateway.account.seconds, "stop": self.stops.position}
        if artifact is not None:
            changes["artifact"] = artifact
        with suppress(RagcError):  # a full disk has its error already
            self.gateway.journal.update_run(self.opened.record.id, **changes)

    def _result(self, **figures: Any) -> CompileResult:
        plan = figures.pop("estimate", self.estimated)
        return CompileResult(
            task=self.bench.task.name,
            optimizer=self.name,
            metric=self.bench.task.metric,
            estimate=plan,
            detectable_gain=self.gain,
            usage=self.gateway.cost,
            paid=self.gateway.usage,
            seconds=time.perf_counter() - self.started,
            stopped=self.stops.stopped,
            judged=self.bench.judged,
            **figures,
        )


@dataclass(frozen=True)
class _Tested:
    baseline: Evaluation
    compiled: Evaluation
    comparison: Comparison
    opened: OpenedTest


def _pair(baseline: _T, compiled: _T) -> dict[str, _T]:
    """The two programs of a test, as its opening calls them."""
    return {"baseline": baseline, "compiled": compiled}


def tell_how_it_begins(opened: Opened, on_event: OnEvent, *, replay: bool) -> None:
    """Says that a run goes on, and what is paid for twice because a kill lost it."""
    if not opened.resumed or replay:
        return
    lines = [f"run {opened.record.id}, begun {opened.record.created[:16].replace('T', ' ')} UTC"]
    if opened.lost:
        lost = counted(opened.lost, "call")
        lines.append(f"{lost} in flight when it was killed: counted as spent, and asked again")
    on_event(Finished("goes on", tuple(lines)))


def _is_below(baseline: Candidate, candidate: Candidate, comparison: Comparison) -> bool:
    """Whether the candidate scores below the baseline: on the test where there was one, else on validation."""
    if comparison.difference is not None:
        return comparison.difference < 0
    return candidate.score < baseline.score
