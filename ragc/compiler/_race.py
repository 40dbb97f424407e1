"""A race: candidates are asked in parts, and one that is clearly behind the leader is asked no more.

First every candidate answers the questions up to the first look. The best of them goes on to the last question and
leads; the others follow, the best first, and at each look one that is clearly behind whoever leads then is stopped (see
`ragc.evaluation.is_behind`). So that nobody waits while the last candidate's first part is being read, who goes on
first is decided among those before it. The questions come in a seeded random order, which is what the test rests on.

Every part is a step of the run and is decided in its turn: what runs ahead waits unseen, and what a stopped candidate
had in flight is paid for and decides nothing, so that a replay decides alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragc.compiler._candidate import Candidate, over_limits, state_of
from ragc.compiler._events import Working
from ragc.compiler._pipeline import Failed, Step
from ragc.evaluation import Evaluation, is_behind, looks_at

if TYPE_CHECKING:
    import dspy

    from ragc.compiler._run import Run
    from ragc.evaluation import Outcome


@dataclass
class Entrant:
    """One candidate on its way."""

    number: int
    label: str
    program: dspy.Module
    state: dict[str, Any]
    evaluation: Evaluation | None = None
    """What it was asked so far, in the order of the validation examples once it has ended."""

    @property
    def place(self) -> tuple[float, int]:
        """Sorts the better one first, the earlier one among equals."""
        score = None if self.evaluation is None else self.evaluation.score
        return (1.0 if score is None else -score, self.number)


class Race:
    """One race of a run, made once: `result` runs it."""

    def __init__(self, run: Run, candidates: Sequence[tuple[dspy.Module, str]]) -> None:
        self._run = run
        self._candidates = list(candidates)
        self._order = list(run.validation)
        run.rng("race").shuffle(self._order)
        self._looks = looks_at(len(self._order))
        self._entered: list[Entrant] = []
        self._looked = 0
        self._following: list[Entrant] | None = None
        """Who goes on behind the first, the best first; None until every first part is read."""
        self._first: Entrant | None = None
        self._ended: list[tuple[int, Candidate]] = []
        self._read = 0

    def result(self) -> list[Evaluation]:
        """The evaluations in the order of the candidates; raises like `Run.evaluate_all`."""
        pipeline = self._run._pipeline
        while pipeline or self._begin_next():
            pipeline.settle_first(self._begin_next)
        in_order = [candidate for _, candidate in sorted(self._ended, key=lambda one: one[0])]
        self._run._kept[-len(in_order) :] = in_order
        return [entrant.evaluation for entrant in self._entered if entrant.evaluation is not None]

    def _begin_next(self) -> bool:
        """Begins the next part where there is room for it; says whether it did."""
        run, opening = self._run, len(self._entered) < len(self._candidates)
        questions = self._looks[0] if opening else len(self._order) - self._looks[0]
        if run._pipeline and not run._has_room_ahead(questions):
            return False
        try:
            if opening:
                self._enter(*self._candidates[len(self._entered)])
                return True
            follower = self._follower()
            if follower is not None:
                self._go_on(follower)
        except Exception as error:  # noqa: BLE001  whatever it is, it counts in its turn
            run._pipeline.add(Failed(error))
            return True
        return follower is not None

    def _follower(self) -> Entrant | None:
        """Who goes on next; None: it is not known yet, or nobody is left."""
        if self._first is None:
            if self._looked < len(self._entered) - 1:
                return None
            self._first = min(self._entered[:-1], key=_place)
            return self._first
        if self._following is None:
            if self._looked < len(self._entered):
                return None
            self._following = sorted((one for one in self._entered if one is not self._first), key=_place)
        return self._following.pop(0) if self._following else None

    def _enter(self, program: dspy.Module, label: str) -> None:
        """Begins a candidate's first part."""
        run, questions = self._run, self._looks[0]
        state = state_of(program)
        run.check_state(state, label)
        entrant = Entrant(len(self._entered), label, run._restore(state), state)
        self._entered.append(entrant)
        record = run._admitted(label, questions)

        def decide(evaluation: Evaluation) -> None:
            run._gateway.complete_step(record)
            entrant.evaluation = evaluation
            self._looked += 1
            run._looked.append(evaluation)
            run.after_candidate(self._candidate(entrant, evaluation))

        with record.inside():
            pending = run._evaluator.begin(entrant.program, self._order[:questions])
        run._pipeline.add(Step(pending, questions, self._tell, record, decide))

    def _go_on(self, entrant: Entrant) -> None:
        """Begins the rest of a candidate's questions."""
        run, total = self._run, len(self._order)
        looked = entrant.evaluation or Evaluation(())
        questions = total - len(looked.outcomes)
        record = run._admitted(f"{entrant.label}, on", questions)

        def tell(outcome: Outcome, done: int, _: int) -> None:
            if done > len(looked.outcomes):
                self._tell(outcome, done, total)

        def is_enough(outcomes: Sequence[Outcome]) -> bool:
            leader = run._best
            if leader is None or len(outcomes) not in self._looks:
                return False
            return is_behind(Evaluation(tuple(outcomes)), leader.evaluation, total)

        def decide(evaluation: Evaluation) -> None:
            leader = run._best
            record.keep({outcome.example for outcome in evaluation.outcomes})
            run._gateway.complete_step(record)
            entrant.evaluation = self._in_order(evaluation)
            behind = None if leader is None else leader.label
            candidate = self._candidate(entrant, entrant.evaluation, behind=behind)
            run._kept.append(candidate)
            self._ended.append((entrant.number, candidate))
            run.after_candidate(candidate)

        with record.inside():
            known = {outcome.example: outcome for outcome in looked.outcomes}
            pending = run._evaluator.begin(entrant.program, self._order, known=known)
        run._pipeline.add(Step(pending, questions, tell, record, decide, is_enough))

    def _candidate(self, entrant: Entrant, evaluation: Evaluation, *, behind: str | None = None) -> Candidate:
        asked, total = len(evaluation.outcomes), len(self._order)
        why_not = over_limits(evaluation, self._run.limits)
        if asked < total:
            why_not = f"clearly behind {behind}, stopped after {asked} of {total} questions"
        return Candidate(entrant.label, entrant.program, entrant.state, evaluation, why_not, stopped=asked < total)

    def _in_order(self, evaluation: Evaluation) -> Evaluation:
        """The outcomes in the order of the validation examples."""
        found = {outcome.example: outcome for outcome in evaluation.outcomes}
        return Evaluation(tuple(found[one.id] for one in self._run.validation if one.id in found))

    def _tell(self, _: Outcome, __: int, ___: int) -> None:
        run = self._run
        self._read += 1
        run._on_event(Working(run._name, self._read, len(self._candidates) * len(self._order), run._text()))


def _place(entrant: Entrant) -> tuple[float, int]:
    return entrant.place
