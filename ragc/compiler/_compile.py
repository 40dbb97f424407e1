"""One compile run: read and check, index, estimate, baseline, optimizer, select, test once, seal, log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ragc._messages import counted
from ragc.artifact import check_target, collect_sources, refuse_secrets
from ragc.compiler._bench import Bench, open_bench
from ragc.compiler._estimate import (
    CANDIDATE_FACTOR,
    Estimate,
    counted_prompts,
    estimate,
    from_prompts,
    observed,
    refuse_unfundable,
)
from ragc.compiler._events import Finished, OnEvent, Warned, ignore, telling
from ragc.compiler._lines import describe_estimate, describe_sizes, describe_test
from ragc.compiler._optimizer import Sizes, Work, plan_of
from ragc.compiler._result import CompileResult, Stopped
from ragc.compiler._run import Candidate, Run, sample, state_of
from ragc.compiler._sealing import seal_result
from ragc.errors import BudgetExhausted, ConfigError, RagcError
from ragc.evaluation import Comparison, Evaluation, TooManyErrors, compare_paired, detectable_gain
from ragc.project import Budget, Project, load_optimizer, optimizer_settings

if TYPE_CHECKING:
    import dspy

    from ragc.data import Example
    from ragc.evaluation import Outcome

PILOT = 5
"""Questions that are answered before the estimate."""
FEW = 20
"""Test questions below which a verdict is hardly to be had."""


def compile(  # noqa: PLR0913  the public name of what the product does, and its command's flags
    task: str | None = None,
    *,
    project: Project | Path | str | None = None,
    optimizer: str | None = None,
    settings: Mapping[str, str] | None = None,
    lm: str | None = None,
    budget_usd: float | None = None,
    budget_calls: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    dry_run: bool = False,
    exact: bool = False,
    strict: bool = False,
    on_event: OnEvent = ignore,
) -> CompileResult:
    """Compiles a task of `project` (default: the one around the working folder) and seals the result.

    `settings` are the optimizer's, as text; `lm`, `budget_usd` and `budget_calls` stand in for the configuration's.
    With `dry_run` no LM call is made and the result holds the estimate alone; with `exact` as well, the provider counts
    the tokens of the first prompts, where it does. Ctrl-C, or a budget that runs out,
    seals the best so far: see `CompileResult.stopped`.

    Raises:
        BudgetError: the budget cannot fund baseline, one candidate and the final test.
        RagcError: anything else the user can mend, before or while it runs; nothing is sealed then.
    """
    if exact and not dry_run:
        raise ConfigError("exact goes with a dry run (--dry-run --exact): a run observes what its questions take")
    found = project if isinstance(project, Project) else Project.find(project)
    if lm is not None:
        found = found.with_lm(lm)
    chosen = found.task(task)
    name = optimizer or chosen.optimizer
    if name is None:
        raise RagcError(f'task "{chosen.name}" has no optimizer: set one in [tool.ragc.tasks.{chosen.name}]')
    function = load_optimizer(found, name)
    values = optimizer_settings(function, settings or {})
    budget = Budget(
        usd=chosen.budget.usd if budget_usd is None else budget_usd,
        calls=chosen.budget.calls if budget_calls is None else budget_calls,
    )
    check_target(found.compiled_path(chosen))
    started = time.perf_counter()
    bench = open_bench(found, chosen, budget=budget, threads=threads, on_event=on_event, strict=strict)
    try:
        _refuse_secrets(bench, values)
        compilation = _Compilation(bench, name, function, values, budget, seed, on_event, started)
        return compilation.dry(exact=exact) if dry_run else compilation.whole()
    finally:
        bench.close()


def _refuse_secrets(bench: Bench, values: Mapping[str, Any]) -> None:
    """Raises ArtifactError for a key in what will be sealed whatever the run finds: refused before anything is paid."""
    sources = collect_sources(bench.project.root, bench.program_class.__module__)
    settings = bench.project.settings
    refuse_secrets(
        {**sources, "--set": json.dumps(dict(values), default=str).encode()},
        settings.lm.model_dump(),
        settings.embedder.model_dump(),
    )


@dataclass
class _Compilation:
    bench: Bench
    name: str
    optimizer: Callable[..., Any]
    settings: dict[str, Any]
    budget: Budget
    seed: int
    on_event: OnEvent
    started: float
    stopped: Stopped | None = None
    estimated: Estimate | None = None
    gain: float | None = None
    has_baseline: bool = False
    baseline_usd: float = 0.0
    candidate_usd: float = 0.0
    """What a question of the dearest candidate so far takes."""
    per_question: float = 1.0
    """Calls a question, as observed so far."""
    validation: tuple[Example, ...] = field(init=False)

    def __post_init__(self) -> None:
        splits = self.bench.labelled.splits
        self.validation = sample(splits.validation, self.bench.task.validation_sample, self.seed)
        self._plan()  # refuses settings out of their range
        self.on_event(describe_sizes(self.bench, len(self.validation)))
        if len(splits.test) < FEW:
            self.on_event(Warned(f"{len(splits.test)} test questions show only a very large gain: label some hundred"))

    # -- the run, from the estimate to the seal

    def dry(self, *, exact: bool) -> CompileResult:
        first = self.validation[:PILOT]
        if exact:
            one = counted_prompts(self.bench, self.bench.program(), first, self.on_event)
        else:
            one = from_prompts(self.bench, self.bench.program(), first)
        plan = self._estimate(one, already=0, is_pilot=False)
        self.on_event(describe_estimate(plan, None, self.bench.project.settings.lm.model))
        refuse_unfundable(self.budget, plan)
        return self._result(estimate=plan)

    def whole(self) -> CompileResult:
        program = self.bench.program()
        known = self._pilot(program)
        run = self._run()
        run.begin_baseline(program, known)
        self._search(run)
        run.summarise()
        baseline, candidate = run.baseline, run.best
        if candidate is None and self.stopped is not None:
            self.on_event(Warned("no candidate was evaluated before the stop: nothing is sealed"))
            return self._result(baseline=baseline.evaluation)
        tested = self._test(baseline, candidate) if candidate is not None else None
        return self._seal(run, baseline, candidate, tested)

    def _pilot(self, program: dspy.Module) -> dict[str, Outcome]:
        """Answers the first validation questions, estimates from them and refuses a budget that is too small."""
        first = self.validation[:PILOT]
        if self.budget.calls is not None:  # not even the pilot is paid for where one call a question is too much
            refuse_unfundable(
                self.budget,
                self._estimate(from_prompts(self.bench, program, first[:1]), already=0, is_pilot=False),
            )
        pilot = self.bench.evaluator.evaluate(program, first, on_outcome=telling(self.on_event, "pilot"))
        one = observed(pilot.outcomes, self.bench.evaluator.threads)
        self.per_question = max(1.0, *(float(outcome.calls) for outcome in pilot.outcomes))
        self.estimated = self._estimate(one, already=len(first), is_pilot=True)
        refuse_unfundable(self.budget, self.estimated)
        self._set_aside(one.usd or 0.0, (one.usd or 0.0) * CANDIDATE_FACTOR)
        return {outcome.example: outcome for outcome in pilot.outcomes}

    def _after_baseline(self, baseline: Candidate) -> None:
        """Tells what the uncompiled program scored, and what the run will take."""
        evaluation = baseline.evaluation
        self.has_baseline, self.baseline_usd = True, evaluation.usd_per_question or 0.0
        scores = [outcome.score for outcome in evaluation.scored if outcome.score is not None]
        self.gain = detectable_gain(scores, len(self.bench.labelled.splits.test))
        if self.estimated is not None:
            self.on_event(describe_estimate(self.estimated, self.gain, self.bench.project.settings.lm.model))
        metric = self.bench.task.metric
        shown = "no score" if evaluation.score is None else f"{100 * evaluation.score:.1f}"
        failed = f", {counted(evaluation.errors, 'error')}" if evaluation.errors else ""
        self.on_event(Finished("baseline", (f"{metric} {shown} on {evaluation.n} validation questions{failed}",)))

    def _after_candidate(self, candidate: Candidate) -> None:
        """Sets aside for the final test what the dearest candidate so far would take."""
        evaluation = candidate.evaluation
        self.per_question = max(self.per_question, *(outcome.calls for outcome in evaluation.outcomes))
        self.candidate_usd = max(self.candidate_usd, evaluation.usd_per_question or 0.0)
        self._set_aside(self.baseline_usd, self.candidate_usd)

    def _search(self, run: Run) -> None:
        """Runs the optimizer; a stop is noted, and what it found stays in `run`."""
        with self:
            # A program of its own: the baseline is still being evaluated.
            result = self.optimizer(self.bench.program(), run, **self.settings)
            run.settle()
            if not self.bench.meter.exhausted:
                self._evaluate_if_new(result, run)
        run.cancel()
        if self.bench.meter.fatal is not None:
            raise self.bench.meter.fatal
        if self.stopped is None and self.bench.meter.exhausted:  # an optimizer that swallowed the refusal
            self.stopped = "budget"

    def _evaluate_if_new(self, result: Any, run: Run) -> None:
        import dspy

        if not isinstance(result, dspy.Module):
            raise RagcError(f'optimizer "{self.name}" returned {type(result).__name__}: expected a dspy.Module')
        state = state_of(result)
        if state != run.baseline.state and all(state != candidate.state for candidate in run.candidates):
            run.evaluate(result, self.name)

    def _test(self, baseline: Candidate, candidate: Candidate) -> _Tested | None:
        """Opens the test split, once: baseline and candidate, paired. None where a stop cut it short."""
        if self.stopped == "interrupted":
            return None
        test = self.bench.labelled.splits.test
        self.bench.meter.open_reserve()
        with self:
            first, second = (self.bench.evaluator.begin(one.program, test) for one in (baseline, candidate))
            before = first.result(on_outcome=telling(self.on_event, "test", "baseline"))
            after = second.result(on_outcome=telling(self.on_event, "test", "candidate"))
            comparison = compare_paired(before, after, seed=self.seed)
            self.on_event(describe_test(before, after, comparison))
            return _Tested(before, after, comparison)
        self.on_event(Finished("test", ("not tested: the run was stopped before the test split was complete",)))
        return None

    def _seal(
        self, run: Run, baseline: Candidate, candidate: Candidate | None, tested: _Tested | None
    ) -> CompileResult:
        if candidate is None:
            self.on_event(Warned("no candidate is within the task's limits: the uncompiled program is sealed"))
        comparison = tested.comparison if tested is not None else Comparison("not tested")
        result = self._result(
            baseline=baseline.evaluation,
            compiled=None if candidate is None else candidate.evaluation,
            baseline_test=None if tested is None else tested.baseline,
            compiled_test=None if tested is None else tested.compiled,
            comparison=comparison,
            sealed="baseline" if candidate is None or _is_below(baseline, candidate, comparison) else "candidate",
        )
        optimizer = {"name": self.name, "settings": self.settings, "seed": self.seed}
        return seal_result(self.bench, run, result, candidate, optimizer, self.on_event)

    # -- what the steps share

    def __enter__(self) -> None:
        """`with self:` notes what stops a run, and the run goes on to seal what it has."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not self.has_baseline:  # there is nothing to go on with
            return False
        if isinstance(error, BudgetExhausted):
            self.stopped = "budget"
        elif isinstance(error, TooManyErrors):
            self.stopped = "errors"
            self.on_event(Warned(str(error)))
        elif isinstance(error, KeyboardInterrupt):
            self.stopped = "interrupted"
        else:
            return False
        self.bench.evaluator.cancel()
        return True

    @property
    def _limits(self) -> Any:
        return self.bench.task.limits

    def _run(self) -> Run:
        from ragc.models import make_lm

        teacher = self.bench.project.settings.teacher
        plan = self._plan()
        run = Run(
            train=self.bench.labelled.splits.train,
            validation=self.validation,
            seed=self.seed,
            lm=self.bench.lm,
            teacher=None if teacher is None else make_lm(teacher, meter=self.bench.meter),
            limits=self._limits,
            _evaluator=self.bench.evaluator,
            _meter=self.bench.meter,
            _restore=self.bench.program,
            _expected=None if plan is None else plan.candidates,
            _on_event=self.on_event,
            _name=self.name.rpartition(":")[2].rpartition(".")[2],
        )
        run.after_baseline = self._after_baseline
        run.after_candidate = self._after_candidate
        return run

    def _plan(self) -> Work | None:
        plan = plan_of(self.optimizer)
        sizes = Sizes(train=len(self.bench.labelled.splits.train), validation=len(self.validation))
        return None if plan is None else plan(sizes, self.settings)

    def _estimate(self, one: Any, *, already: int, is_pilot: bool) -> Estimate:
        return estimate(
            one,
            self._plan(),
            validation=len(self.validation),
            test=len(self.bench.labelled.splits.test),
            already=already,
            is_pilot=is_pilot,
        )

    def _set_aside(self, baseline_usd: float, candidate_usd: float) -> None:
        """Sets the final test's share aside: both programs on every test question."""
        test = len(self.bench.labelled.splits.test)
        self.bench.meter.reserve(calls=round(2 * test * self.per_question), usd=test * (baseline_usd + candidate_usd))

    def _result(self, **figures: Any) -> CompileResult:
        plan = figures.pop("estimate", self.estimated)
        return CompileResult(
            task=self.bench.task.name,
            optimizer=self.name,
            metric=self.bench.task.metric,
            estimate=plan,
            detectable_gain=self.gain,
            usage=self.bench.meter.usage,
            seconds=time.perf_counter() - self.started,
            stopped=self.stopped,
            strangers=self.bench.meter.strangers,
            **figures,
        )


@dataclass(frozen=True)
class _Tested:
    baseline: Evaluation
    compiled: Evaluation
    comparison: Comparison


def _is_below(baseline: Candidate, candidate: Candidate, comparison: Comparison) -> bool:
    """Whether the candidate scores below the baseline: on the test where there was one, else on validation."""
    if comparison.difference is not None:
        return comparison.difference < 0
    return candidate.score < baseline.score
