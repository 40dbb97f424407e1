"""The steps of one compile run, in order, and what ends it before its time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ragc import tracking
from ragc._messages import counted
from ragc._secrets import redact
from ragc.compiler._bench import Bench, rerankers_of
from ragc.compiler._estimate import (
    Estimate,
    PerQuestion,
    counted_prompts,
    estimate,
    from_prompts,
    observed,
    refuse_unfundable,
    with_embeddings,
    with_rankings,
    without_rankings,
)
from ragc.compiler._events import Finished, OnEvent, Warned, telling
from ragc.compiler._history import Opened
from ragc.compiler._lines import describe_estimate, describe_sizes, describe_test
from ragc.compiler._optimizer import Sizes, Work, plan_of
from ragc.compiler._result import CompileResult, Stopped, cost_of
from ragc.compiler._run import Candidate, Run, expected, sample, state_of
from ragc.compiler._sealing import seal_result
from ragc.errors import BudgetExhausted, Interrupted, RagcError
from ragc.evaluation import Comparison, Evaluation, TooManyErrors, clusters_of, compare_paired, detectable_gain
from ragc.models import Amounts
from ragc.project import Budget
from ragc.retrieval import Retrieve

if TYPE_CHECKING:
    import dspy

    from ragc.data import Example
    from ragc.evaluation import Outcome
    from ragc.models import Gateway, RunChanges, RunState

_STATES: dict[Stopped | None, RunState] = {
    None: "sealed",
    "budget": "budget",
    "time": "time",
    "errors": "errors",
    "interrupted": "interrupted",
}
PILOT = 5
"""Questions that are answered before the estimate."""
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
    stopped: Stopped | None = None
    stop_position: int | None = None
    """The step that a stop cut."""
    estimated: Estimate | None = None
    gain: float | None = None
    baseline: Evaluation | None = None
    """The uncompiled program on validation, once it is known."""
    dearest: Evaluation | None = None
    """The dearest candidate so far."""
    validation: tuple[Example, ...] = field(init=False)

    def __post_init__(self) -> None:
        splits = self.bench.labelled.splits
        self.validation = sample(splits.validation, self.bench.task.validation_sample, self.seed)
        self._plan()  # refuses settings out of their range
        if not self.replay:
            self.bench.check_rerankers([*self._own_rerankers, *self._tried_rerankers])
        self.on_event(describe_sizes(self.bench, len(self.validation)))
        if len(splits.test) < FEW:
            self.on_event(Warned(f"{len(splits.test)} test questions show only a very large gain: label some hundred"))

    # -- the run, from the estimate to the seal

    def dry(self, *, exact: bool) -> CompileResult:
        first = self.validation[:PILOT]
        if exact:
            plan = self._estimate(counted_prompts(self.bench, self.bench.program(), first, self.on_event), already=0)
        else:
            seen = self.bench.evaluator.begin(self.bench.program(), first, max_error_rate=1.0).result()
            plan = self._observe(seen) or self._estimate(
                from_prompts(self.bench, self.bench.program(), first), already=0
            )
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
        self._note(_STATES[result.stopped], artifact=result.id)
        if result.artifact is None:
            self._log_unsealed(f"stopped: {result.stopped}", failed=result.stopped == "errors")
        return result

    def _log_unsealed(self, reason: str, *, failed: bool) -> None:
        """Logs a run that sealed nothing, where it has asked anything at all."""
        if self.replay or not self.gateway.usage.calls:
            return
        run = tracking.Unsealed(
            task=self.bench.task.name,
            reason=reason,
            failed=failed,
            seconds=time.perf_counter() - self.started,
            program=self.bench.task.program,
            model=self.bench.project.settings.lm.model,
            metric=self.bench.task.metric,
            optimizer={"name": self.name, "settings": self.settings, "seed": self.seed},
            results={} if self.baseline is None else {"validation": {"baseline": self.baseline.details()}},
            cost=cost_of(self.gateway.usage),
        )
        settings = self.bench.project.settings
        for warning in tracking.log_unsealed(uri=settings.tracking, root=self.bench.project.root, run=run):
            self.on_event(Warned(warning))

    def _whole(self) -> CompileResult:
        program = self.bench.program()
        self._tell_how_it_begins()
        known = self._pilot(program)
        run = self._run()
        run.begin_baseline(program, known)
        self._search(run)
        run.summarise()
        if run.best is not None and self.stopped is None:
            self._ask_again(run)
        baseline, candidate = run.baseline, run.best
        if candidate is None and self.stopped is not None:
            self.on_event(Warned("no candidate was evaluated before the stop: nothing is sealed"))
            return self._result(baseline=baseline.evaluation)
        tested = self._test(baseline, candidate) if candidate is not None else None
        return self._seal(run, baseline, candidate, tested)

    def _tell_how_it_begins(self) -> None:
        """Says that a run goes on, and what is paid for twice because a kill lost it."""
        opened = self.opened
        if not opened.resumed or self.replay:
            return
        lines = [f"run {opened.record.id}, begun {opened.record.created[:16].replace('T', ' ')} UTC"]
        if opened.lost:
            lost = counted(opened.lost, "call")
            lines.append(f"{lost} in flight when it was killed: counted as spent, and asked again")
        self.on_event(Finished("goes on", tuple(lines)))

    def _pilot(self, program: dspy.Module) -> dict[str, Outcome]:
        """Answers the first validation questions, estimates from them and refuses a budget that is too small."""
        first = self.validation[:PILOT]
        fundable = self.replay or self.opened.known or self.gateway.admitted > 1  # it has got past here before
        if not fundable:  # not even the pilot is paid for where one call a question is too much
            fewest = self._estimate(from_prompts(self.bench, program, first[:1]), already=0)
            refuse_unfundable(Budget(calls=self.budget.calls), fewest)
        try:
            with self.gateway.step("pilot"):
                pilot = self.bench.evaluator.evaluate(program, first, on_outcome=telling(self.on_event, "pilot"))
        except BudgetExhausted:
            if not fundable:
                refuse_unfundable(self.budget, self._estimate(from_prompts(self.bench, program, first[:1]), already=0))
            raise
        seen = self._observe(pilot)
        self.estimated = seen or self._estimate(from_prompts(self.bench, program, first), already=0)
        if seen is not None and not fundable:
            refuse_unfundable(self.budget, seen)
        self._set_aside(pilot)
        return {outcome.example: outcome for outcome in pilot.outcomes if outcome.error is None}

    def _observe(self, pilot: Evaluation) -> Estimate | None:
        """The estimate from the questions that were answered; None: none was."""
        answered = [outcome for outcome in pilot.outcomes if outcome.error is None]
        if not answered:
            return None
        one, most = observed(answered, self.bench.evaluator.threads)
        return self._estimate(one, already=len(answered), most=most)

    def _after_baseline(self, baseline: Candidate) -> None:
        """Tells what the uncompiled program scored, and what the run will take."""
        evaluation = baseline.evaluation
        if not evaluation.n:
            last = next(outcome.error for outcome in reversed(evaluation.outcomes) if outcome.error is not None)
            questions = counted(evaluation.errors, "validation question")
            raise TooManyErrors(f"none of {questions} was answered; the last error: {last}", evaluation.outcomes)
        self.baseline = evaluation
        self._set_aside(evaluation)
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
        if self.dearest is None or _price(candidate.evaluation) > _price(self.dearest):
            self.dearest = candidate.evaluation
        self._set_aside(self.baseline, self.dearest)

    def _search(self, run: Run) -> None:
        """Runs the optimizer; a stop is noted, and what it found stays in `run`."""
        with self:
            # A program of its own: the baseline is still being evaluated.
            result = self.optimizer(self.bench.program(), run, **self.settings)
            run.settle()
            if not self.gateway.exhausted:
                self._evaluate_if_new(result, run)
        run.cancel()
        if self.gateway.fatal is not None:
            raise self.gateway.fatal
        if self.stopped is None and self.gateway.exhausted:  # an optimizer that swallowed the refusal
            self._stop_for_budget()

    def _ask_again(self, run: Run) -> None:
        """Asks again, before the test, what the baseline and the best candidate were not answered."""
        if not any(outcome.transient for one in (run.baseline, run.best) if one for outcome in one.evaluation.outcomes):
            return
        with self, self.gateway.step("asked again"):
            run.ask_again()

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
        self.gateway.open_reserve()
        with self:
            with self.gateway.step("test"):
                first, second = (self.bench.evaluator.begin(one.program, test) for one in (baseline, candidate))
                before = first.result(on_outcome=telling(self.on_event, "test", "baseline"))
                after = second.result(on_outcome=telling(self.on_event, "test", "candidate"))
            clusters = clusters_of(test, self.bench.labelled.corpus)
            comparison = compare_paired(before, after, clusters=clusters, seed=self.seed)
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
        return seal_result(
            self.bench, run, result, candidate, optimizer, self.on_event, target=self.target, is_replay=self.replay
        )

    # -- what the steps share

    def __enter__(self) -> None:
        """`with self:` notes what stops a run, and the run goes on to seal what it has."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self.baseline is None:  # there is nothing to go on with
            return False
        if isinstance(error, BudgetExhausted):
            self._stop_for_budget()
        elif isinstance(error, TooManyErrors):
            self.stopped = "errors"
            self.on_event(Warned(str(error)))
        elif isinstance(error, KeyboardInterrupt | Interrupted):
            self.stopped = "interrupted"
        else:
            return False
        self.bench.evaluator.cancel()
        self.stop_position = self.gateway.position
        self.gateway.cut()
        return True

    def _stop_for_budget(self) -> None:
        again = self.opened.stops_again and self.opened.record.state == "time"
        account = self.gateway.account
        is_late = account.reached == "seconds" or account.seconds_left == 0
        self.stopped = "time" if again or is_late else "budget"

    @property
    def gateway(self) -> Gateway:
        return self.bench.gateway

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
            teacher=None if teacher is None else make_lm(teacher, gateway=self.gateway),
            limits=self._limits,
            _evaluator=self.bench.evaluator,
            _gateway=self.gateway,
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
        sizes = Sizes(
            train=len(self.bench.labelled.splits.train),
            validation=len(self.validation),
            passages=self.bench.passages,
            around=self.bench.around,
        )
        return None if plan is None else plan(sizes, self.settings)

    def _estimate(self, one: PerQuestion, *, already: int, most: PerQuestion | None = None) -> Estimate:
        own = self.bench.rankings_take(self._own_rerankers)
        plan = estimate(
            without_rankings(one, own),
            self._plan(),
            validation=len(self.validation),
            test=len(self.bench.labelled.splits.test),
            already=already,
            is_pilot=most is not None,
            most=None if most is None else without_rankings(most, own),
            margin=self.gateway.dearest,
        )
        splits = self.bench.labelled.splits
        questions = len(splits.train) + len(self.validation) + len(splits.test)
        plan = with_rankings(plan, replace(own, calls=0), questions)  # `embeddings` has the calls of its own
        tried = self.bench.rankings_take(self._tried_rerankers)
        plan = with_rankings(plan, tried, len(self.validation) + len(splits.test))
        return with_embeddings(plan, one, questions, self.bench.indexing)

    @cached_property
    def _own_rerankers(self) -> list[str]:
        """Those that the uncompiled program asks."""
        return rerankers_of(self.bench.program_class())

    @cached_property
    def _tried_rerankers(self) -> list[str]:
        """Those that candidates ask beside: each once for every `Retrieve`."""
        plan, times = self._plan(), len(list(self.bench.program_class().named_sub_modules(type_=Retrieve)))
        names = dict.fromkeys(() if plan is None else plan.rerankers)
        return [name for name in names if name not in self._own_rerankers for _ in range(times)]

    def _set_aside(self, *evaluations: Evaluation | None) -> None:
        """Sets the final test's share aside: baseline and dearest candidate, as observed, on every test question.

        Where no candidate is known yet, it is taken to be as much dearer as the optimizer says.
        """
        test = len(self.bench.labelled.splits.test)
        known = [expected([one], test) for one in evaluations if one is not None]
        if len(known) == 1:
            one = known[0]
            times = Fraction((self._plan() or Work(training=0, candidates=1)).dearer)
            dear = Amounts(one.calls, math.ceil(times * one.input_tokens), one.output_tokens, times * one.usd)
            tried = self.bench.rankings_take(self._tried_rerankers)
            ranked = Amounts(test * tried.calls, test * tried.input_tokens, 0, test * tried.usd)
            known.append(dear + ranked)
        seconds = 0.0
        if self.budget.seconds is not None:
            each = [outcome.seconds for one in evaluations if one is not None for outcome in one.outcomes]
            seconds = 2 * test * sum(each) / max(1, len(each)) / self.bench.evaluator.threads
        self.gateway.set_aside(sum(known, Amounts()), seconds)

    def _note(self, state: RunState, *, artifact: str | None = None) -> None:
        """Writes how the run ended to the journal."""
        if self.replay or not self.opened.record.id:
            return
        changes: RunChanges = {"state": state, "seconds": self.gateway.account.seconds, "stop": self.stop_position}
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
            stopped=self.stopped,
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


def _price(evaluation: Evaluation) -> tuple[float, float]:
    """What makes a program dear: money, else tokens."""
    return evaluation.usd_per_question or 0.0, evaluation.input_tokens_per_question or 0.0
