"""An evaluation that has begun: its examples run when threads are free, its outcomes are read in its turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ragc.errors import RagcError
from ragc.evaluation._evaluation import Evaluation, Outcome

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.evaluation._pool import Batch, Pool

ERRORS_FROM = 20
"""The error rate is looked at from this many examples on."""

OnOutcome = Callable[[Outcome, int, int], None]
"""Told each outcome in example order, with how many have been told and how many there are."""


class TooManyErrors(RagcError):
    """More examples ended in an error than `max_error_rate` allows; carries the outcomes so far."""

    def __init__(self, message: str, outcomes: Sequence[Outcome]) -> None:
        super().__init__(message)
        self.outcomes = tuple(outcomes)


class Pending:
    """One program on a list of examples, begun and not yet read. `result` reads it: that is its turn."""

    def __init__(
        self,
        examples: Sequence[Example],
        known: Mapping[str, Outcome],
        batch: Batch[Outcome],
        pool: Pool,
        max_error_rate: float,
    ) -> None:
        self.outcomes: list[Outcome] = []
        """What has been read so far, in example order."""
        self._examples = examples
        self._known = known
        self._batch = batch
        self._pool = pool
        self._max_error_rate = max_error_rate
        self._errors = 0
        self._failure: BaseException | None = None

    @property
    def unread(self) -> int:
        """How many outcomes have not been read."""
        return len(self._examples) - len(self.outcomes)

    def result(
        self,
        *,
        on_outcome: OnOutcome | None = None,
        on_spare: Callable[[], bool] | None = None,
        is_enough: Callable[[Sequence[Outcome]], bool] | None = None,
    ) -> Evaluation:
        """Reads the outcomes in example order. What it raises cancels everything that was begun on the evaluator.

        `is_enough` is asked after each outcome, with all that were read: at its yes the rest is cancelled, what is in
        flight is waited for and left unread, and the evaluation is what was read.

        `on_spare` is called, in this thread, when threads are about to run out of work: it may begin something more
        and says whether it did. It may even call `result` itself, on this evaluation too. Ctrl-C cancels what has
        not started and waits for what is in flight.

        Raises: see `Evaluator.evaluate`. Asked again, the same.
        """
        if self._failure is not None:
            raise self._failure
        try:
            while (read := len(self.outcomes)) < len(self._examples):
                self._read_one(on_outcome, on_spare)
                if is_enough is not None and len(self.outcomes) > read and is_enough(self.outcomes):
                    self._examples = self._examples[: len(self.outcomes)]
                    self._batch.close()
        except BaseException as error:
            self._failure = error
            self._pool.clear()
            raise
        return Evaluation(tuple(self.outcomes))

    def _read_one(self, on_outcome: OnOutcome | None, on_spare: Callable[[], bool] | None) -> None:
        number = len(self.outcomes)
        is_short = on_spare is not None and self._pool.is_short
        if is_short and on_spare is not None and (on_spare() or len(self.outcomes) != number):
            return
        outcome = self._known.get(self._examples[number].id)
        if outcome is None:
            if on_spare is not None and not is_short and not self._batch.wait(or_short=True):
                return
            outcome = next(self._batch)
        self.outcomes.append(outcome)
        self._errors += outcome.error is not None
        if on_outcome is not None:
            on_outcome(outcome, len(self.outcomes), len(self._examples))
        self._refuse_too_many_errors()

    def _refuse_too_many_errors(self) -> None:
        error = too_many_errors(self.outcomes, self._errors, self._max_error_rate)
        if error is not None:
            raise error


def too_many_errors(outcomes: Sequence[Outcome], errors: int, rate: float) -> TooManyErrors | None:
    """What ends an evaluation of whose outcomes so far as many are errors, where that is a larger share than `rate`."""
    count = len(outcomes)
    if count < ERRORS_FROM or errors <= rate * count:
        return None
    last = next(outcome.error for outcome in reversed(outcomes) if outcome.error is not None)
    return TooManyErrors(
        f"{errors} of {count} examples ended in an error (max_error_rate is {rate:g}); the last one: {last}", outcomes
    )
