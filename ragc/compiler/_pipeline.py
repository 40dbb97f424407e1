"""What a run has begun and not yet settled: decisions in order, whatever runs beside them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragc.evaluation import Evaluation, OnOutcome, Outcome, Pending
    from ragc.models import Step as Record

AHEAD = 2
"""Steps that may be under way behind the one that is being settled."""


@dataclass
class Step:
    """One evaluation on its way to a decision."""

    pending: Pending
    questions: int
    on_outcome: OnOutcome
    record: Record
    """The step in the journal."""
    decide: Callable[[Evaluation], None]
    """What is done with the evaluation, in the step's turn."""
    is_enough: Callable[[Sequence[Outcome]], bool] | None = None
    """Asked after each outcome whether the others are still needed."""
    evaluation: Evaluation | None = None
    """None until it is settled."""

    def settle(self, begin_next: Callable[[], bool] | None) -> Evaluation:
        """Reads the evaluation; `begin_next` is called when threads get free meanwhile."""
        return self.pending.result(on_outcome=self.on_outcome, on_spare=begin_next, is_enough=self.is_enough)


@dataclass
class Failed:
    """A step that could not even begin, for a reason that counts in its turn."""

    error: Exception
    questions: int = 0

    def settle(self, begin_next: Callable[[], bool] | None) -> Evaluation:
        """Raises the reason."""
        raise self.error


class Pipeline:
    """Steps in the order in which they were begun, and settled in that order, whoever asks.

    A step that fails ends all that were begun: their evaluator has cancelled them.
    """

    def __init__(self) -> None:
        self._steps: deque[Step | Failed] = deque()

    def __bool__(self) -> bool:
        return bool(self._steps)

    def add(self, step: Step | Failed) -> None:
        """Puts `step`, which has begun, behind the others."""
        self._steps.append(step)

    @property
    def unread(self) -> int:
        """How many questions of the steps under way have not been decided on."""
        return sum(step.pending.unread for step in self._steps if isinstance(step, Step))

    def has_room(self, questions: int) -> bool:
        """Whether one more step may begin: `AHEAD` behind the first one, or as many as make `questions`."""
        waiting = sum(step.questions for step in self._steps) - (self._steps[0].questions if self._steps else 0)
        return len(self._steps) <= AHEAD or waiting < questions

    def settle_first(self, begin_next: Callable[[], bool] | None = None) -> None:
        """Settles the first step; `begin_next` may begin others meanwhile, and says whether it did.

        It may settle as well, by asking for what the first step will have decided.
        """
        step = self._steps[0]
        try:
            evaluation = step.settle(begin_next)
        except BaseException:
            self._steps.clear()
            raise
        if isinstance(step, Step) and step.evaluation is None:
            self._steps.popleft()
            step.evaluation = evaluation
            step.decide(evaluation)

    def settle_all(self) -> None:
        """Settles every step."""
        while self._steps:
            self.settle_first()
