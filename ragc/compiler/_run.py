"""What an optimizer is given: the training examples, a way to score candidates, and where to keep them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dspy

from ragc.compiler._demonstrations import Demonstration, bootstrapped, labelled
from ragc.compiler._events import Finished, OnEvent, Working
from ragc.errors import BudgetExhausted

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.evaluation import Evaluation, Evaluator, Outcome
    from ragc.models import Meter
    from ragc.project import Limits


@dataclass(frozen=True)
class Candidate:
    """One program that was tried, with what it scored on validation."""

    label: str
    program: dspy.Module
    state: dict[str, Any]
    evaluation: Evaluation
    why_not: str | None = None
    """Which of the task's limits it is over; None: it is eligible."""

    @property
    def score(self) -> float:
        """Mean validation score; -1 when nothing was scored."""
        return -1.0 if self.evaluation.score is None else self.evaluation.score


@dataclass
class Run:
    """One compile run, as its optimizer sees it. The test split is not in it.

    `evaluate` scores a candidate on validation and keeps it, so that at any moment there is a best one so far. When
    the search's share of the budget is used up it raises `BudgetExhausted`: an optimizer lets it pass.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    """The validation examples that candidates are scored on: all, or the task's seeded sample."""
    seed: int
    lm: dspy.LM
    teacher: dspy.LM | None
    limits: Limits
    _evaluator: Evaluator
    _meter: Meter
    _restore: Callable[[dict[str, Any]], dspy.Module]
    """Makes a fresh program with a state."""
    _expected: int | None
    """Candidates that the optimizer plans."""
    _on_event: OnEvent
    _name: str
    baseline: Candidate
    candidates: list[Candidate] = field(default_factory=list)
    after_candidate: Callable[[], None] = lambda: None

    def rng(self, purpose: str) -> random.Random:
        """A random generator of this run's seed and `purpose`: the same for the same run, whatever else was drawn."""
        return random.Random(f"{self.seed}/{purpose}")

    def evaluate(self, program: dspy.Module, label: str) -> Evaluation:
        """Scores `program` on validation and keeps it as a candidate.

        What is scored is a fresh program with the JSON state of `program`, so that the artifact will be what was
        measured. Raises BudgetExhausted, and what ends a run (see `Evaluator.evaluate`).
        """
        state = state_of(program)
        fresh = self._restore(state)
        if self._meter.exhausted or not self._affordable():
            self._meter.exhausted = True
            raise BudgetExhausted("the search's share of the budget holds no further candidate")
        scores: list[Outcome] = []

        def tell(outcome: Outcome) -> None:
            scores.append(outcome)
            self._on_event(Working(self._name, self._done(len(scores)), self._total(), self._text()))

        evaluation = self._evaluator.evaluate(fresh, self.validation, on_outcome=tell)
        self.candidates.append(Candidate(label, fresh, state, evaluation, over_limits(evaluation, self.limits)))
        self.after_candidate()
        return evaluation

    def _affordable(self) -> bool:
        """Whether the search's share holds one more candidate, judging by the dearest one so far."""
        known = [self.baseline, *self.candidates]
        calls = max(outcome.calls for one in known for outcome in one.evaluation.outcomes)
        usd = max(one.evaluation.usd_per_question or 0.0 for one in known)
        questions = len(self.validation)
        return self._meter.affords(questions * calls, questions * usd)

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
        runs = self._evaluator.trace(program, order)
        found: list[Demonstration] = []
        try:
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
        return found

    @property
    def best(self) -> Candidate | None:
        """The best eligible candidate so far: the highest validation score, the earlier one among equals."""
        eligible = [candidate for candidate in self.candidates if candidate.why_not is None]
        return max(eligible, key=lambda candidate: candidate.score, default=None)

    def _done(self, now: int) -> int:
        return len(self.candidates) * len(self.validation) + now

    def _total(self) -> int:
        number = max(self._expected or 0, len(self.candidates) + 1)
        return number * len(self.validation)

    def _text(self) -> str:
        number = f"candidate {len(self.candidates) + 1}" + (f" of {self._expected}" if self._expected else "")
        if self.best is None:
            return number
        gain = self.best.score - self.baseline.score
        return f"{number}, best {100 * self.best.score:.1f} ({100 * gain:+.1f})"

    def summarise(self) -> None:
        """Tells what the search found."""
        if self.best is None:
            self._on_event(Finished(self._name, ("no candidate was evaluated",)))
            return
        gain = self.best.score - self.baseline.score
        over = sum(candidate.why_not is not None for candidate in self.candidates)
        count = len(self.candidates)
        text = f"{count} candidate{'' if count == 1 else 's'}, best {100 * self.best.score:.1f} ({100 * gain:+.1f})"
        self._on_event(Finished(self._name, (text + (f", {over} over the limits" if over else ""),)))


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


def sample(examples: Sequence[Example], size: int | None, seed: int) -> tuple[Example, ...]:
    """A seeded sample of `size` examples in their own order; all of them where `size` is None or not smaller."""
    if size is None or size >= len(examples):
        return tuple(examples)
    chosen = set(random.Random(f"{seed}/validation").sample(range(len(examples)), size))
    return tuple(example for number, example in enumerate(examples) if number in chosen)
