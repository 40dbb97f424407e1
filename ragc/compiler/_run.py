"""What an optimizer is given: the training examples, a way to score candidates, and where to keep them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import dspy

from ragc._messages import counted
from ragc.compiler._candidate import Candidate, over_limits, state_of
from ragc.compiler._demonstrations import Demonstration, bootstrapped, labelled
from ragc.compiler._events import Finished, OnEvent, Working, telling
from ragc.compiler._pipeline import Failed, Pipeline, Step
from ragc.compiler._race import Race
from ragc.errors import BudgetExhausted
from ragc.evaluation import looks_at
from ragc.models import Amounts

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.evaluation import Evaluation, Evaluator, Outcome
    from ragc.models import Gateway
    from ragc.models import Step as Record
    from ragc.project import Limits


@dataclass
class Run:
    """One compile run, as its optimizer sees it. The test split is not in it.

    `evaluate_all` scores candidates on validation and keeps them, so that at any moment there is a best one so far.
    While the last examples of one run, the first of the next do; everything that is decided, kept or told comes in the
    order of the candidates, and `baseline`, `best` and `candidates` wait for what is under way, so that whoever asks
    sees what he would have seen without that. When the search's share of the budget is used up `BudgetExhausted` is
    raised: an optimizer lets it pass.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    """The validation examples that candidates are scored on: all, or the task's seeded sample."""
    seed: int
    lm: dspy.LM
    teacher: dspy.LM | None
    limits: Limits
    _evaluator: Evaluator
    _gateway: Gateway
    _restore: Callable[[dict[str, Any]], dspy.Module]
    """Makes a fresh program with a state."""
    _expected: int | None
    """Candidates that the optimizer plans."""
    _on_event: OnEvent
    _name: str
    _pipeline: Pipeline = field(default_factory=Pipeline)
    _baseline: Candidate | None = None
    _kept: list[Candidate] = field(default_factory=list)
    _looked: list[Evaluation] = field(default_factory=list)
    """First parts of candidates in a race: what they take is known, and nothing else is decided on them alone."""
    after_baseline: Callable[[Candidate], None] = lambda candidate: None
    after_candidate: Callable[[Candidate], None] = lambda candidate: None
    check_state: Callable[[dict[str, Any], str], None] = lambda state, label: None
    """Raises for the state of a candidate that is not to be evaluated, given its label."""

    def rng(self, purpose: str) -> random.Random:
        """A random generator of this run's seed and `purpose`: the same for the same run, whatever else was drawn."""
        return random.Random(f"{self.seed}/{purpose}")

    def begin_baseline(self, program: dspy.Module, known: Mapping[str, Outcome]) -> None:
        """Begins the uncompiled program on validation: the first step, whose outcomes are read in its turn.

        `program` must be left alone from now on; outcomes in `known` are taken over.
        """
        state = state_of(program)

        def decide(evaluation: Evaluation) -> None:
            self._gateway.complete_step(record)
            self._baseline = Candidate("baseline", program, state, evaluation, over_limits(evaluation, self.limits))
            self.after_baseline(self._baseline)

        record = self._gateway.new_step("baseline")
        self._gateway.admit(record)
        with record.inside():
            pending = self._evaluator.begin(program, self.validation, known=known)
        self._pipeline.add(Step(pending, len(self.validation), telling(self._on_event, "baseline"), record, decide))

    def evaluate(self, program: dspy.Module, label: str) -> Evaluation:
        """Scores `program` on validation and keeps it as a candidate. See `evaluate_all`."""
        return self.evaluate_all([(program, label)])[0]

    def evaluate_all(self, candidates: Iterable[tuple[dspy.Module, str]], *, race: bool = False) -> list[Evaluation]:
        """Scores programs on validation, each with its label, and keeps them as candidates, in their order.

        `candidates` may be a generator, and may look at `best`: it is asked for the next one when threads would have
        nothing to do. What is scored is a fresh program with the JSON state of the one given, so that the artifact will
        be what was measured. What ends one candidate ends those behind it. Raises BudgetExhausted, and what ends a
        run (see `Evaluator.evaluate`), each when the candidate's turn comes.

        In a `race` (see `ragc.compiler._race`) a candidate that is clearly behind the best one is stopped at a look,
        with the evaluation of what it was asked; all are made before the first is asked anything. Where there is one
        candidate, or too few questions to look at a part of them, that is no race.
        """
        if race:
            entered = list(candidates)
            if len(entered) > 1 and looks_at(len(self.validation)):
                return Race(self, entered).result()
            candidates = entered
        source = iter(candidates)
        steps: list[Step] = []

        def begin_next() -> bool:
            if self._pipeline and not self._has_room_ahead():
                return False
            try:
                candidate = next(source, None)
                if candidate is None:
                    return False
                steps.append(self._begin(*candidate))
            except Exception as error:  # noqa: BLE001  whatever it is, it counts in its turn
                self._pipeline.add(Failed(error))
            return True

        while self._pipeline or begin_next():
            self._pipeline.settle_first(begin_next)
        return [step.evaluation for step in steps if step.evaluation is not None]

    def _begin(self, program: dspy.Module, label: str) -> Step:
        state = state_of(program)
        self.check_state(state, label)
        fresh = self._restore(state)
        record = self._admitted(label, len(self.validation))

        def tell(_: Outcome, done: int, total: int) -> None:
            self._on_event(Working(self._name, len(self._kept) * total + done, self._total(), self._text()))

        def decide(evaluation: Evaluation) -> None:
            self._gateway.complete_step(record)
            candidate = Candidate(label, fresh, state, evaluation, over_limits(evaluation, self.limits))
            self._kept.append(candidate)
            self.after_candidate(candidate)

        with record.inside():
            pending = self._evaluator.begin(fresh, self.validation)
        step = Step(pending, len(self.validation), tell, record, decide)
        self._pipeline.add(step)
        return step

    def _admitted(self, label: str, questions: int) -> Record:
        """The next step of the search, begun. Raises BudgetExhausted where so many questions do not fit in its turn."""
        record = self._gateway.new_step(label)
        known = self._gateway.admitted_before(record)
        if not known and not self._pipeline and (self._gateway.exhausted or not self._affords(questions)):
            self._gateway.exhaust()
            raise BudgetExhausted("the search's share of the budget holds no further candidate")
        self._gateway.admit(record)
        return record

    def _has_room_ahead(self, questions: int | None = None) -> bool:
        """Whether another step may begin before its turn: few are under way, and the budget holds them all.

        A step of so many `questions`; None: of all validation examples.
        """
        needed = len(self.validation) if questions is None else questions
        return self._pipeline.has_room(self._evaluator.threads) and (
            self._gateway.begun_before or self._affords(needed)
        )

    def _affords(self, questions: int) -> bool:
        """Whether the search's share holds what is under way and so many questions more, at the dearest so far."""
        known = [*(one.evaluation for one in (self._baseline, *self._kept) if one is not None), *self._looked]
        return self._gateway.account.affords(expected(known, questions + self._pipeline.unread, asked_before=True))

    def label(self, program: dspy.Module, *, passages: int = 1) -> list[Demonstration]:
        """Demonstrations of the training examples as labelled, `passages` of each retrieval; no call is made."""
        return labelled(program, self.train, lm=self.lm, passages=passages, recall=self._evaluator.recall)

    def bootstrap(
        self, program: dspy.Module, *, threshold: float = 1.0, passages: int = 1, attempts: int | None = None
    ) -> list[Demonstration]:
        """Demonstrations of the training examples that `program` answers with at least `threshold`.

        Runs the program on the training examples in a seeded order, on `attempts` of them at most.
        """
        order = list(self.train)
        self.rng("bootstrap").shuffle(order)
        order = order[:attempts]
        by_id = {example.id: example for example in order}
        record = self._gateway.new_step("training")
        if not self._gateway.admitted_before(record) and not self._affords(len(order)):
            self._pipeline.settle_all()
        self._gateway.admit(record)
        with record.inside():
            runs = self._evaluator.trace(program, order)
        found: list[Demonstration] = []
        try:
            self._pipeline.settle_all()
            for number, traced in enumerate(runs, start=1):
                self._on_event(Working("training", number, len(order), f"{len(found)} right"))
                found += bootstrapped(
                    program,
                    [traced],
                    by_id,
                    threshold=threshold,
                    passages=passages,
                    recall=self._evaluator.recall,
                )
        finally:
            runs.close()
        self._gateway.complete_step(record)
        return found

    def ask_again(self) -> None:
        """Asks again what the baseline and the best candidate were not answered, for a reason that may have passed."""
        again = {id(one): self._answered(one) for one in (self._baseline, self._best) if one is not None}
        self._baseline = again.get(id(self._baseline), self._baseline)
        self._kept = [again.get(id(one), one) for one in self._kept]

    def _answered(self, candidate: Candidate) -> Candidate:
        tell = telling(self._on_event, "again", candidate.label)
        evaluation = self._evaluator.again(candidate.evaluation, candidate.program, self.validation, on_outcome=tell)
        return replace(candidate, evaluation=evaluation, why_not=over_limits(evaluation, self.limits))

    @property
    def baseline(self) -> Candidate:
        """The uncompiled program."""
        self.settle()
        if self._baseline is None:
            raise LookupError("the baseline was not evaluated: the run was stopped")
        return self._baseline

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What was evaluated so far."""
        self.settle()
        return tuple(self._kept)

    @property
    def best(self) -> Candidate | None:
        """The best eligible candidate so far: the highest validation score, the earlier one among equals."""
        self.settle()
        return self._best

    def settle(self) -> None:
        """Waits for what is under way, and decides on it. Raises what `evaluate_all` does."""
        self._pipeline.settle_all()

    def cancel(self) -> None:
        """Gives up what is under way: cancels what has not started, waits for what is in flight."""
        self._pipeline = Pipeline()
        self._evaluator.cancel()

    @property
    def _best(self) -> Candidate | None:
        eligible = [candidate for candidate in self._kept if candidate.why_not is None]
        return max(eligible, key=lambda candidate: candidate.score, default=None)

    def _total(self) -> int:
        number = max(self._expected or 0, len(self._kept) + 1)
        return number * len(self.validation)

    def _text(self) -> str:
        number = f"candidate {len(self._kept) + 1}" + (f" of {self._expected}" if self._expected else "")
        return number if self._best is None else f"{number}, best {self._shown(self._best)}"

    def _shown(self, candidate: Candidate) -> str:
        """Its score and, in brackets, what it gains."""
        gain = candidate.score - (0.0 if self._baseline is None else self._baseline.score)
        return f"{100 * candidate.score:.1f} ({100 * gain:+.1f})"

    def summarise(self) -> None:
        """Tells what the search found."""
        if self._best is None:
            self._on_event(Finished(self._name, ("no candidate was evaluated",)))
            return
        over = sum(candidate.why_not is not None and not candidate.stopped for candidate in self._kept)
        stopped = sum(candidate.stopped for candidate in self._kept)
        planned = f" of {self._expected}" if self._expected and len(self._kept) < self._expected else ""
        text = f"{len(self._kept)}{planned} candidates" if planned else counted(len(self._kept), "candidate")
        text += f", best {self._shown(self._best)}"
        if self._baseline is not None and self._best.score < self._baseline.score:
            text += ": none scored above the baseline; the test decides what is sealed"
        text += f", {over} over the limits" if over else ""
        if stopped:
            asked = sum(len(candidate.evaluation.outcomes) for candidate in self._kept)
            text += f", {stopped} clearly behind and stopped early ({asked:,} of "
            text += f"{len(self._kept) * len(self.validation):,} questions asked)"
        self._on_event(Finished(self._name, (text,)))


def expected(evaluations: Sequence[Evaluation], questions: int, *, asked_before: bool = False) -> Amounts:
    """What so many questions take with the dearest of the programs evaluated, their judging included.

    One call each where none was evaluated.

    Questions that were `asked_before` are not embedded again.
    """
    outcomes = [evaluation.outcomes for evaluation in evaluations]

    def dearest(average: Callable[[Outcome], float]) -> float:
        return max((sum(map(average, some)) / len(some) for some in outcomes if some), default=0.0)

    def calls(outcome: Outcome) -> float:
        return outcome.calls - (outcome.embeddings if asked_before else 0) + outcome.judging.calls

    return Amounts(
        math.ceil(questions * (dearest(calls) or 1.0)),
        math.ceil(questions * dearest(lambda outcome: outcome.input_tokens + outcome.judging.input_tokens)),
        math.ceil(questions * dearest(lambda outcome: outcome.output_tokens + outcome.judging.output_tokens)),
        Fraction(questions * dearest(lambda outcome: (outcome.usd or 0.0) + (outcome.judging.usd or 0.0))),
    )


def sample(examples: Sequence[Example], size: int | None, seed: int) -> tuple[Example, ...]:
    """A seeded sample of `size` examples in their own order; all of them where `size` is None or not smaller."""
    if size is None or size >= len(examples):
        return tuple(examples)
    chosen = set(random.Random(f"{seed}/validation").sample(range(len(examples)), size))
    return tuple(example for number, example in enumerate(examples) if number in chosen)
