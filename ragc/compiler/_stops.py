"""What ends a run before its time, and that it goes on with what it has."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from ragc.compiler._events import OnEvent, Warned
from ragc.errors import BudgetExhausted, Interrupted, RagcError
from ragc.evaluation import TooManyErrors, fatal_cause

if TYPE_CHECKING:
    from ragc.compiler._bench import Bench
    from ragc.compiler._result import Stopped


@dataclass
class Stops:
    """`with stops:` notes what stops a run, and the run goes on to what can be done without more calls."""

    bench: Bench
    on_event: OnEvent
    was_time: bool = False
    """Whether the run stops again where it was stopped before, for its time."""
    has_something: bool = False
    """Whether there is anything to go on with; before, what stops the run is raised."""
    stopped: Stopped | None = None
    position: int | None = None
    """The step that a stop cut."""

    def __enter__(self) -> None:
        """See the class."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        # What ends a run is that also where a program or an optimizer has made another error of it.
        cause = error if error is None or isinstance(error, RagcError) else fatal_cause(error) or error
        if not self._goes_on(cause):
            if cause is not error and cause is not None:
                raise cause from error
            return False
        self.bench.evaluator.cancel()
        self.position = self.bench.gateway.position
        self.bench.gateway.cut()
        return True

    def _goes_on(self, error: BaseException | None) -> bool:
        if not self.has_something:
            return False
        if isinstance(error, BudgetExhausted):
            self.for_budget()
        elif isinstance(error, TooManyErrors):
            self.stopped = "errors"
            self.on_event(Warned(str(error)))
        elif isinstance(error, KeyboardInterrupt | Interrupted):
            self.stopped = "interrupted"
        else:
            return False
        return True

    def for_budget(self) -> None:
        """The budget is used up: the money, or the time."""
        account = self.bench.gateway.account
        is_late = account.reached == "seconds" or account.seconds_left == 0
        self.stopped = "time" if self.was_time or is_late else "budget"
