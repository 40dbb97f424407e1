"""The steps of one comparison: pilots, searches on validation, one test for all, seals.

Arms share one gateway: one budget, one journal. The searches go one after the other, each with an even share of what
the tests leave; the test goes question by question over all arms. What was decided on the way (an arm that failed, a
search that a budget cut) is a step in the journal, so that the same command, and a replay, decide alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from ragc._secrets import redact
from ragc.comparison._arms import Arm
from ragc.comparison._experiment import Experiment
from ragc.comparison._result import ArmResult, CompareResult, SealedArm
from ragc.comparison._sealing import seal_arm
from ragc.comparison._shares import Shares
from ragc.comparison._side import Contestant, forecast_of, party_of
from ragc.compiler import (
    Finished,
    Opened,
    Search,
    Stops,
    Warned,
    Working,
    bench_on,
    describe_estimate,
    open_test_of,
    program_digest,
    refuse_unfundable,
    state_of,
    tell_how_it_begins,
    tell_leaks,
    total,
)
from ragc.data import refuse_told
from ragc.errors import BudgetExhausted, Interrupted, RagcError
from ragc.evaluation import Evaluation, Side, clusters_of, compare_arms, side_by_side
from ragc.models import Amounts, BudgetReached, SharedGateway, StopAt
from ragc.project import Budget

if TYPE_CHECKING:
    from ragc.compiler import Bench, Estimate, Labelled, OnEvent, Scoring, Stopped
    from ragc.data import OpenedTest
    from ragc.models import RunChanges, RunState

WHAT = "every arm's search and test"
_FAILED = ": failed: "
_STOPPED = "stopped: "
STATES: dict[Stopped | None, RunState] = {None: "sealed", "budget": "budget", "time": "time", "errors": "errors"}


@dataclass
class Contest:
    """One comparison, made once: `dry` estimates it, `whole` does it."""

    experiment: Experiment
    opened: Opened
    gateway: SharedGateway
    labelled: Labelled
    scoring: Scoring
    budget: Budget
    seed: int
    threads: int | None
    on_event: OnEvent
    started: float
    _: KW_ONLY
    replay: bool = False
    sides: list[Contestant] = field(default_factory=list)
    """In the order of their steps, which is that of their names."""
    estimated: Estimate | None = None
    stopped: Stopped | None = None
    position: int | None = None
    """The step that the first stop cut."""
    test: OpenedTest | None = None
    benches: dict[str, Bench] = field(default_factory=dict)

    # -- before anything is asked

    def prepare(self) -> None:
        """Opens a bench for each arm. Raises RagcError, naming the arm; an index may be paid for."""
        indexed: set[tuple[str, str]] = set()
        for name in sorted(self.experiment.arms):
            arm = self.experiment.arms[name]
            bench = self._named(arm, lambda arm=arm: self._bench(arm, indexed))  # type: ignore[misc]
            self.benches[name] = bench
            self._named(arm, lambda arm=arm, bench=bench: self._enter(arm, bench))  # type: ignore[misc]
        if not self.replay:
            self._refuse_leaks()
        stops = [
            StopAt(step.number, BudgetReached(f"the same comparison stopped here: {step.label}; raise the cap"))
            for step in self._recorded
            if _STOPPED in step.label and (self.opened.stops_again or self.replay)
        ]
        self.gateway.stop_again_at(stops)

    def _refuse_leaks(self) -> None:
        """Raises DataError where an arm knows a test question: an artifact may have been made on other splits."""
        for name, bench in self.benches.items():
            refuse_told(self.labelled.splits, state_of(bench.program()), f'arm "{name}"')
        tell_leaks(next(iter(self.benches.values())), self.on_event)

    def release(self) -> None:
        """Ends what is running and closes the indexes."""
        for bench in self.benches.values():
            bench.release()

    def _bench(self, arm: Arm, indexed: set[tuple[str, str]]) -> Bench:
        from dataclasses import replace

        before = self.gateway.account.spent
        with self.gateway.party(arm.name):
            bench = bench_on(
                arm.project,
                arm.task,
                arm.program,
                self.labelled,
                self.scoring,
                self.gateway,
                threads=self.threads,
                on_event=self.on_event,
                make=arm.make,
                collection=arm.collection,
            )
        place = (arm.project.settings.store, arm.collection)
        taken = bench.indexing - before if bench.indexing.covers(before) else bench.indexing
        if place in indexed:
            taken = Amounts()  # it is counted once
        indexed.add(place)
        return replace(bench, indexing=taken)

    def _enter(self, arm: Arm, bench: Bench) -> None:
        """One contestant a seed for an arm that is compiled, one in all for an arm that is not."""
        seeds = range(self.seed, self.seed + (self.experiment.repeats if arm.optimizer is not None else 1))
        for seed in seeds:
            party = party_of(arm, seed, self.seed)
            stops = Stops(bench, self.on_event, self.opened.stops_again and self.opened.record.state == "time")
            search = None if arm.optimizer is None else self._search_of(arm, bench, seed, stops)
            forecast = forecast_of(bench, search, scores_baseline=seed == self.seed, has_margin=not self.sides)
            self.sides.append(Contestant(party, arm, seed, bench, self.gateway, stops, search, forecast))
            if not self.replay:
                bench.check_rerankers([*forecast.own_rerankers, *forecast.tried_rerankers])

    def _search_of(self, arm: Arm, bench: Bench, seed: int, stops: Stops) -> Search:
        if arm.optimizer is None:
            raise LookupError(f"{arm.name} has no optimizer")
        return Search(
            bench,
            arm.settings.optimizer or "",
            arm.optimizer,
            arm.optimizer_settings or {},
            seed,
            stops,
            self.on_event,
            self._set_aside,
        )

    def _named(self, arm: Arm, work: Callable[[], Any]) -> Any:
        """What `work` returns; its errors name the arm."""
        try:
            return work()
        except RagcError as error:
            raise type(error)(f'arm "{arm.name}": {error}') from error

    # -- the run

    def dry(self) -> CompareResult:
        """The estimate alone: no call is made."""
        self.estimated = total([side.forecast.look() for side in self.sides])
        self.on_event(describe_estimate(self.estimated, None, self.experiment.models()))
        refuse_unfundable(self.budget, self.estimated, what=WHAT)
        return self._result()

    def whole(self) -> CompareResult:
        """The comparison. Raises RagcError where not one arm could be asked anything."""
        try:
            self._whole()
        except (KeyboardInterrupt, Interrupted):
            self.stopped = "interrupted"
        except BaseException:
            self._note("failed")
            raise
        failed = any(side.error is not None for side in self.sides)
        self._note("interrupted" if self.stopped == "interrupted" else STATES[self.stopped], failed=failed)
        return self._result()

    def _whole(self) -> None:
        tell_how_it_begins(self.opened, self.on_event, replay=self.replay)
        self._pilots()
        self._searches()
        for side in self.sides:
            if side.error is None:
                side.choose()
        self._test()
        if all(side.error is not None for side in self.sides):
            raise RagcError(f"no arm could be tested; {self.sides[0].party}: {self.sides[0].error}")

    def _pilots(self) -> None:
        """Every arm answers the first validation questions, and what all of it will take is told.

        Raises BudgetError for a budget that is too small, with the smallest that is not.
        """
        fundable = self.replay or self.opened.known or self.gateway.admitted > len(self.sides)
        if not fundable:  # not even the pilots are paid for where one call a question is too much
            refuse_unfundable(Budget(calls=self.budget.calls), self._from_prompts(), what=WHAT)
        for side in self.sides:
            try:
                with self.gateway.party(side.party):
                    side.pilot = side.forecast.pilot(self.on_event)
            except BudgetExhausted:
                if not fundable:
                    refuse_unfundable(self.budget, self._from_prompts(), what=WHAT)
                raise
            except Interrupted:
                raise
            except RagcError as error:
                self._fail(side, error)
        asked = [side for side in self.sides if side.error is None and side.pilot is not None]
        if not asked:
            raise RagcError(f"no arm could be asked; {self.sides[0].party}: {self.sides[0].error}")
        seen = [side.forecast.observe(side.pilot) or side.forecast.from_prompts() for side in asked if side.pilot]
        self.estimated = total(seen)
        self.on_event(describe_estimate(self.estimated, None, self.experiment.models()))
        if not fundable and self.estimated.observed:
            refuse_unfundable(self.budget, self.estimated, what=WHAT)

    def _from_prompts(self) -> Estimate:
        return total([side.forecast.from_prompts(1) for side in self.sides])

    def _searches(self) -> None:
        """Every arm with an optimizer is searched on validation, one after the other."""
        waiting = [side for side in self.sides if side.search is not None and side.error is None]
        self._shares = Shares(self.sides, self.gateway, self.budget)
        for number, side in enumerate(waiting):
            self._shares.begin(side, later=len(waiting) - number - 1)
            self._search(side)

    def _search(self, side: Contestant) -> None:
        if side.search is None:
            return
        pilot = () if side.pilot is None else side.pilot.outcomes
        known = {outcome.example: outcome for outcome in pilot if outcome.error is None}
        self.on_event(Finished("search", (f"{side.party}: {side.search.name}, seed {side.seed}",)))
        try:
            with self.gateway.search(side.party):
                side.run = side.search.run(known)
        except BudgetExhausted:  # not even its uncompiled program was scored
            side.bench.evaluator.cancel()
            side.stops.for_budget()
            self._cut()
        except Interrupted:
            raise
        except RagcError as error:
            self._fail(side, error)
            return
        if side.stops.stopped == "interrupted":
            raise KeyboardInterrupt
        if side.stops.stopped is None and self.gateway.stops_here:  # an optimizer that swallowed the refusal
            side.stops.for_budget()
            self._cut()
        if side.stops.stopped is not None:
            self._record_stop(side.stops.stopped, side.party)

    def _set_aside(self, baseline: Evaluation | None, dearest: Evaluation | None) -> None:
        self._shares.update(baseline, dearest)

    def _test(self) -> None:
        """Opens the test split, once: all arms answer it, question by question."""
        ready = [side for side in self.sides if side.error is None and side.chosen is not None]
        if not ready:
            return
        programs = {
            side.party: program_digest(side.bench, side.chosen.program, side.arm.manifest)
            for side in ready
            if side.chosen is not None
        }
        self.test = open_test_of(ready[0].bench, programs, by="compare", is_recorded=not self.replay)
        self.gateway.open_reserve()
        try:
            found = self._answers(ready, self.test)
        except BudgetExhausted:
            ready[0].stops.for_budget()
            self._cut()
            self._record_stop(ready[0].stops.stopped or "budget", None)
            self.on_event(Finished("test", ("not tested: the budget ended before every arm had answered",)))
            return
        failed: list[tuple[Contestant, RagcError]] = []
        for side in ready:
            one = found[side.party]
            if isinstance(one, RagcError):
                failed.append((side, one))
                continue
            try:
                with self.gateway.party(side.party):
                    if side.step is not None:
                        self.gateway.complete_step(side.step)
            except RagcError as refusal:  # it called a model past the gateway
                failed.append((side, refusal))
                continue
            side.evaluation = one
            if not one.n:
                side.error = _none_answered(one)
        for side, error in failed:
            self._fail(side, error)
        scores = {side.party: side.evaluation.scores for side in ready if side.evaluation is not None}
        if scores:
            self.test = self.test.showed(scores)

    def _answers(self, ready: Sequence[Contestant], test: OpenedTest) -> dict[str, Evaluation | RagcError]:
        for side in ready:
            with self.gateway.party(side.party):
                side.step = self.gateway.new_step("test")
                self.gateway.admit(side.step)
        sides = {
            side.party: Side(side.bench.evaluator, side.chosen.program, side.inside)
            for side in ready
            if side.chosen is not None
        }
        names = f"{len(sides)} programs"

        def tell(done: int, all_: int) -> None:
            self.on_event(Working("test", done, all_, names))

        threads = max(side.bench.evaluator.threads for side in ready)
        return side_by_side(sides, test.examples, threads=threads, on_outcome=tell)

    # -- what ends an arm, or all of them

    @property
    def _recorded(self) -> Sequence[Any]:
        """The steps of the run that is gone on with, or replayed."""
        return self.gateway.journal.steps_of(self.opened.record.id) if self.opened.record.id else ()

    def _fail(self, side: Contestant, error: RagcError) -> None:
        """An arm ends, with its error; the others go on."""
        side.bench.evaluator.cancel()
        self.gateway.cut()
        text = redact(str(error))
        if self.replay:  # why it failed then: a replay misses its answers
            mine = (step.label for step in self._recorded if step.label.startswith(side.party + _FAILED))
            text = next((label.partition(_FAILED)[2] for label in mine), text)
        side.error = text
        with self.gateway.step(f"{side.party}{_FAILED}{text}"):
            self.on_event(Warned(f'arm "{side.party}" failed: {text}'))

    def _cut(self) -> None:
        if self.position is None:
            self.position = self.gateway.position
        self.gateway.cut()

    def _record_stop(self, stopped: Stopped, party: str | None) -> None:
        """A stop is a step of its own: the same command stops there again."""
        if self.position is None:
            self.position = self.gateway.position
        if self.stopped is None and stopped != "errors":
            self.stopped = stopped
        with self.gateway.step(f"{party}: {_STOPPED}{stopped}" if party else f"{_STOPPED}{stopped}"):
            self.on_event(Warned(f"{party or 'the test'} was stopped: {stopped}"))

    def _note(self, state: RunState, *, failed: bool = False) -> None:
        """Writes how the run ended to the journal; one in which an arm failed is gone on with."""
        if self.replay or not self.opened.record.id:
            return
        changes: RunChanges = {
            "state": "failed" if state == "sealed" and failed else state,
            "seconds": self.gateway.account.seconds,
            "stop": self.position if state in ("budget", "time") else None,
        }
        with suppress(RagcError):  # a full disk has its error already
            self.gateway.journal.update_run(self.opened.record.id, **changes)

    # -- the result

    def _result(self) -> CompareResult:
        arms = {name: self._arm(arm) for name, arm in self.experiment.arms.items()}
        examples = () if self.test is None else self.test.examples
        clusters = clusters_of(examples, self.labelled.corpus)
        baseline = arms[self.experiment.baseline]
        others = {name: arms[name].evaluations for name in self.experiment.others if arms[name].evaluations}
        comparisons = (
            compare_arms(baseline.evaluations, others, clusters=clusters, margin=self.experiment.margin, seed=self.seed)
            if baseline.evaluations
            else {}
        )
        result = CompareResult(
            experiment=self.experiment.name,
            task=self.experiment.task.name,
            metric=self.experiment.task.metric,
            baseline=self.experiment.baseline,
            arms=tuple(arm.compared(comparisons.get(name), clusters, self.seed) for name, arm in arms.items()),
            repeats=self.experiment.repeats,
            seed=self.seed,
            margin=self.experiment.margin,
            queries=self.experiment.queries,
            examples=examples,
            openings=None if self.test is None else self.test.count,
            estimate=self.estimated,
            usage=self.gateway.cost,
            paid=self.gateway.usage,
            seconds=time.perf_counter() - self.started,
            stopped=self.stopped,
            judged=self.scoring.judged,
        )
        return self._sealed(result, comparisons)

    def _arm(self, arm: Arm) -> ArmResult:
        mine = [side for side in self.sides if side.arm.name == arm.name]
        tested = [side for side in mine if side.evaluation is not None and side.error is None]
        errors = [side.error for side in mine if side.error is not None]
        return ArmResult(
            name=arm.name,
            settings=arm.says,
            program=f"{arm.program.__module__}:{arm.program.__qualname__}",
            model=arm.model,
            optimizer=arm.settings.optimizer,
            evaluations=tuple(side.evaluation for side in tested if side.evaluation is not None),
            seeds=tuple(side.seed for side in tested),
            validation=tuple(
                side.chosen.evaluation for side in tested if side.search is not None and side.chosen is not None
            ),
            candidates=tuple(() if side.run is None else side.run.candidates for side in tested),
            stopped=next((side.stops.stopped for side in mine if side.stops.stopped is not None), None),
            error=errors[0] if errors and not tested else None,
            failed=tuple(errors),
            cost=self.gateway.used_by(*(side.party for side in mine)),
        )

    def _sealed(self, result: CompareResult, comparisons: Mapping[str, Any]) -> CompareResult:
        """Seals every program that was tested, under .ragc/arms/, and records for whom the test was opened."""
        from dataclasses import replace

        baseline = next((arm.evaluations[0] for arm in result.arms if arm.name == result.baseline and arm.n), None)
        sealed: dict[str, list[SealedArm]] = {}
        for side in self.sides:
            if side.evaluation is None or side.error is not None or side.chosen is None:
                continue
            one = seal_arm(self.experiment, side, baseline, comparisons.get(side.arm.name), result)
            sealed.setdefault(side.arm.name, []).append(one)
            if self.test is not None:
                self.test.made(one.id)
        arms = tuple(replace(arm, artifacts=tuple(sealed.get(arm.name, ()))) for arm in result.arms)
        return replace(result, arms=arms)


def _none_answered(evaluation: Evaluation) -> str:
    last = next(outcome.error for outcome in reversed(evaluation.outcomes) if outcome.error is not None)
    return f"not one question was answered; the last error: {last}"
