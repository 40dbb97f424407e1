"""The meter: every call of a run is counted here, and refused here when the budget's share is used up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dspy.utils.callback import BaseCallback

from ragc.errors import ModelError
from ragc.models._errors import BudgetReached

if TYPE_CHECKING:
    from ragc.project import Budget


@dataclass(frozen=True)
class Call:
    """One finished call of a language model."""

    model: str
    input_tokens: int
    """Tokens of the prompt, cached ones included."""
    output_tokens: int
    """Tokens of the response, reasoning included."""
    cached_input_tokens: int
    usd: float | None
    """US dollars; None: no price is known."""
    seconds: float
    """Model time of the attempt that counted: neither retries nor waiting for a turn."""
    error: str | None = None
    """Why there is no answer; None: there is one."""


@dataclass(frozen=True)
class Usage:
    """What the finished calls of a run amount to."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    usd: float | None = 0.0
    """None: at least one call had no known price."""


class Meter:
    """Counts the calls of one run and keeps them under its budget, whatever the number of threads.

    The cap is a plan over finished calls: the expected cost of a call in flight is the average of the finished ones,
    so that a cap in USD can be passed by what is in flight when it is reached. A cap in calls is exact.

    Copies are the meter itself: DSPy deep-copies programs and their LMs, and a budget must not fork.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.cap_calls: int | None = budget.calls if budget is not None else None
        self.cap_usd: float | None = budget.usd if budget is not None else None
        self.fatal: ModelError | None = None
        """The first refusal for good, remembered because optimizers swallow exceptions; every later call raises it."""
        self.exhausted = False
        """Whether a call has been refused for the budget's sake since the reserve was last changed."""
        self.resolved: dict[str, str] = {}
        """The model string as configured, to the name that the provider answered with."""
        self._lock = threading.Lock()
        self._usage = Usage()
        self._spent = Fraction()  # exact: the sum of floats would depend on the order in which calls finish
        self._in_flight = 0
        self._reserved_calls = 0
        self._reserved_usd = 0.0
        self._strangers: dict[str, None] = {}
        self._recordings: ContextVar[tuple[list[Call], ...]] = ContextVar("ragc_recordings", default=())

    def __copy__(self) -> Meter:
        return self

    def __deepcopy__(self, memo: object) -> Meter:
        return self

    @property
    def usage(self) -> Usage:
        """What the finished calls amount to so far."""
        with self._lock:
            return self._usage

    def reserve(self, calls: int = 0, usd: float = 0.0) -> None:
        """Set a share of the budget aside (for the final test), in place of what was set aside before."""
        with self._lock:
            self._reserved_calls, self._reserved_usd, self.exhausted = calls, usd, False

    def open_reserve(self) -> None:
        """Make what was set aside available."""
        self.reserve()

    def affords(self, calls: float, usd: float) -> bool:
        """Whether the caps, less what is set aside, leave room for so many more calls and dollars."""
        with self._lock:
            used = self._usage
            if self.cap_calls is not None and used.calls + calls > self.cap_calls - self._reserved_calls:
                return False
            spent = used.usd
            return self.cap_usd is None or spent is None or spent + usd <= self.cap_usd - self._reserved_usd

    def check(self) -> None:
        """Raises BudgetExhausted when one more call would pass the cap less what is set aside, `fatal` if there is one.

        Called before every call.
        """
        with self._lock:
            self._check()

    @contextmanager
    def recording(self) -> Iterator[list[Call]]:
        """Collects the calls made inside, in this context; a thread takes part through `contextvars.copy_context`.

        A call counts for every recording that is open around it.
        """
        calls: list[Call] = []
        token = self._recordings.set((*self._recordings.get(), calls))
        try:
            yield calls
        finally:
            self._recordings.reset(token)

    def begin(self) -> None:
        """A call starts: checked and counted as in flight in one step; `finish` must follow."""
        with self._lock:
            self._check()
            self._in_flight += 1

    def finish(self, call: Call | None, *, answered_by: str | None = None) -> None:
        """A call has ended, with an answer or with `call.error`; only what was paid for counts.

        None: it was abandoned (cancelled) and leaves no trace.
        """
        with self._lock:
            self._in_flight -= 1
            if call is None:
                return
            if call.error is None or call.input_tokens:
                self._spent += Fraction(call.usd or 0.0)
                self._usage = _add(self._usage, call, float(self._spent))
            if answered_by is not None:
                self.resolved[call.model] = answered_by
        for calls in self._recordings.get():
            calls.append(call)

    def refuse(self, error: ModelError) -> None:
        """Remember the first refusal for good."""
        with self._lock:
            self.fatal = self.fatal or error

    @property
    def strangers(self) -> tuple[str, ...]:
        """Models that were called while `watcher()` looked on and whose calls did not come through this meter."""
        with self._lock:
            return tuple(self._strangers)

    def watcher(self) -> BaseCallback:
        """A DSPy callback (`dspy.context(callbacks=[…])`) that notes the LMs that this meter does not see."""
        return _Watcher(self)

    def note_stranger(self, model: str) -> None:
        """A call was made past this meter."""
        with self._lock:
            self._strangers[model] = None

    def _check(self) -> None:
        if self.fatal is not None:
            raise self.fatal
        used, flying = self._usage, self._in_flight
        if self.cap_calls is not None:
            share = self.cap_calls - self._reserved_calls
            if used.calls + flying >= share:
                self.exhausted = True
                raise BudgetReached(f"the budget of {share} calls is used up{_aside(self._reserved_calls, 'calls')}")
        if self.cap_usd is not None and used.usd is not None:
            left = self.cap_usd - self._reserved_usd
            average = used.usd / used.calls if used.calls else 0.0
            if used.usd >= left or used.usd + (flying + 1) * average > left:
                self.exhausted = True
                raise BudgetReached(f"the budget of ${left:g} is used up{_aside(self._reserved_usd, 'USD')}")


class _Watcher(BaseCallback):  # type: ignore[misc]  # dspy ships no types
    """Notes the model of every LM whose engine does not report to the meter. It cannot refuse: DSPy only logs that."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        if getattr(getattr(instance, "engine", None), "meter", None) is not self._meter:
            self._meter.note_stranger(str(getattr(instance, "model", type(instance).__name__)))


def _add(usage: Usage, call: Call, spent: float) -> Usage:
    return Usage(
        usage.calls + 1,
        usage.input_tokens + call.input_tokens,
        usage.output_tokens + call.output_tokens,
        usage.cached_input_tokens + call.cached_input_tokens,
        None if usage.usd is None or call.usd is None else spent,
    )


def _aside(amount: float, unit: str) -> str:
    return f" ({amount:g} {unit} are set aside for the final test)" if amount else ""
