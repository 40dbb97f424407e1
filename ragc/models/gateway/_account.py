"""The account of a run: what it has spent, what it has reserved for calls in flight, and the caps on both.

Invariant, at every moment and with any number of threads: in every dimension that has a cap,

    spent + reserved <= cap

and, while a share is set aside for the final test, nothing new is reserved from it. It holds because both sides change
under one lock; because a reservation is made only where it fits; and because a call is settled at its reservation at
most: what it is said to have taken beyond that is not believed, and a caller that says nothing keeps its reservation.

Nobody is stuck while money is left: whoever waits, waits for reservations that are still open, and each that closes
serves the queue. When none is open, the first in the queue either fits or is refused. Nobody starves: the queue is
first come, first served, so that a large call is not overtaken for ever by small ones.

Money is kept as fractions: the sum does not depend on the order in which calls end.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from ragc.models._errors import BudgetReached
from ragc.models.gateway._amounts import NOTHING, Amounts

if TYPE_CHECKING:
    from ragc.project import Budget

Cap = Literal["usd", "calls", "input_tokens", "output_tokens", "seconds"]


class Reservation:
    """The worst case of one call, held from before it is sent until it is settled or released.

    Exactly one closing takes effect, the first; every later one does nothing.
    """

    __slots__ = ("_account", "_granted", "_open", "_refusal", "_wake", "worst")

    def __init__(self, account: Account, worst: Amounts, wake: Callable[[], None]) -> None:
        self.worst = worst
        self._account = account
        self._wake = wake
        self._open = True
        self._granted = False
        self._refusal: Exception | None = None

    @property
    def granted(self) -> bool:
        """Whether it has been made. Raises why it was refused, where it was; False: it still waits."""
        if self._refusal is not None:
            raise self._refusal
        return self._granted

    def settle(self, actual: Amounts) -> None:
        """The call has ended and took `actual`; a figure that is negative or above the reservation counts as that."""
        worst = self.worst
        self._account._close(
            self,
            Amounts(
                _within(actual.calls, worst.calls),
                _within(actual.input_tokens, worst.input_tokens),
                _within(actual.output_tokens, worst.output_tokens),
                actual.usd if 0 <= actual.usd <= worst.usd else worst.usd,
            ),
        )

    def release(self) -> None:
        """The call was not made or cost nothing, or is not waited for any more."""
        self._account._close(self, NOTHING)


class Account:
    """See the module for what it promises. Safe in threads.

    `spent` and `seconds` are what the same run took before. The caps' seconds are wall-clock time of the run: what it
    took before, and what has passed since this account was opened.
    """

    def __init__(
        self,
        caps: Budget,
        *,
        spent: Amounts = NOTHING,
        seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._caps: dict[Cap, int | Fraction] = {}
        for name in _DIMENSIONS:
            cap = getattr(caps, name)
            if cap is not None:
                self._caps[name] = cap if isinstance(cap, int) else Fraction(str(cap))
        self._cap_seconds = caps.seconds
        self._lock = threading.Lock()
        self._queue: deque[Reservation] = deque()
        self._spent = spent
        self._reserved = NOTHING
        self._aside = NOTHING
        self._aside_seconds = 0.0
        self._reached: Cap | None = None
        self._stopped: Exception | None = None
        self._clock = clock
        self._elapsed = seconds
        self._looked = clock()

    def reserve(self, worst: Amounts) -> Reservation:
        """Reserve the worst case of a call, before it is sent.

        Blocks while calls in flight may still turn out cheaper, or while others were there before. Raises BudgetReached
        when even with nothing in flight the caps, less what is set aside, do not cover it; what `stop` was given, after
        a stop; ValueError for a negative amount.
        """
        reservation = Reservation(self, _positive(worst), _nobody)
        served: threading.Event | None = None
        try:
            with self._lock:
                self._queue.append(reservation)
                self._serve()
                if not reservation._granted and reservation._refusal is None:
                    served = threading.Event()
                    reservation._wake = served.set
            while not reservation.granted:
                if served is None or not served.wait(self.seconds_left):
                    with self._lock:
                        self._serve()  # time has passed: those who wait are refused
        except BaseException:  # Ctrl-C as well: what nobody waits for must not be granted
            reservation.release()
            raise
        return reservation

    def line_up(self, worst: Amounts, wake: Callable[[], None]) -> Reservation:
        """Unlike `reserve`, does not block: `wake` is called once, when the reservation is made or refused.

        It may be called before this returns, and under the account's lock: it must not call the account.
        """
        reservation = Reservation(self, _positive(worst), wake)
        with self._lock:
            self._queue.append(reservation)
            self._serve()
        return reservation

    def set_aside(self, share: Amounts, seconds: float = 0.0) -> None:
        """Keep a share of the caps for the final test, in place of what was set aside before.

        `exhausted` and `reached` begin anew.
        """
        with self._lock:
            self._aside, self._aside_seconds, self._reached = share, seconds, None
            self._serve()

    def open(self) -> None:
        """Make what was set aside available."""
        self.set_aside(NOTHING)

    def affords(self, amounts: Amounts, seconds: float = 0.0) -> bool:
        """Whether the caps, less what is set aside, have room for so much on top of what is spent.

        What is in flight is left out: it is taken for a part of what is asked about.
        """
        with self._lock:
            return self._over(amounts) is None and (
                self._cap_seconds is None or self._passed() + seconds + self._aside_seconds <= self._cap_seconds
            )

    def stop(self, error: Exception) -> None:
        """Refuse whoever waits or comes, with the first `error` given. What is in flight goes on."""
        with self._lock:
            self._stopped = self._stopped or error
            self._serve()

    def run_out(self) -> None:
        """Count the cap in seconds as reached: what is waited for comes later than that."""
        with self._lock:
            self._reached = self._reached or "seconds"

    def resume(self) -> None:
        """Take a `stop` back."""
        with self._lock:
            self._stopped = None

    @property
    def spent(self) -> Amounts:
        """What the run has spent, in all its commands."""
        with self._lock:
            return self._spent

    @property
    def reserved(self) -> Amounts:
        """The worst case of what is in flight."""
        with self._lock:
            return self._reserved

    @property
    def seconds(self) -> float:
        """How long the run has taken, in all its commands."""
        with self._lock:
            return self._passed()

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the cap on them, less what is set aside; never below 0. None: there is no cap."""
        with self._lock:
            if self._cap_seconds is None:
                return None
            return max(0.0, self._cap_seconds - self._aside_seconds - self._passed())

    @property
    def deadline(self) -> float | None:
        """When that is, by this account's clock (`time.monotonic`)."""
        left = self.seconds_left
        return None if left is None else self._clock() + left

    @property
    def reached(self) -> Cap | None:
        """The cap that refused a call first since the share that is set aside was last changed."""
        with self._lock:
            return self._reached

    @property
    def exhausted(self) -> bool:
        """Whether a call has been refused for a cap's sake since the share that is set aside was last changed."""
        return self.reached is not None

    # What follows is called with the lock held, `_close` aside.

    def _close(self, reservation: Reservation, spent: Amounts) -> None:
        with self._lock:
            if not reservation._open:
                return
            reservation._open = False
            if reservation._granted:
                self._reserved -= reservation.worst
                self._spent += spent
            elif reservation in self._queue:
                self._queue.remove(reservation)
            self._serve()

    def _serve(self) -> None:
        """Serve the queue in order, as far as it can be served now."""
        while self._queue:
            first = self._queue[0]
            reserved = self._reserved + first.worst
            first._refusal = self._stopped or self._too_late()
            if first._refusal is None:
                if self._over(reserved) is None:
                    self._reserved = reserved
                    first._granted = True
                else:
                    first._refusal = self._too_dear(first.worst)
                    if first._refusal is None:
                        return  # what is in flight may turn out cheaper
            self._queue.popleft()
            first._wake()

    def _too_late(self) -> BudgetReached | None:
        if self._cap_seconds is None or self._passed() < self._cap_seconds - self._aside_seconds:
            return None
        self._reached = self._reached or "seconds"
        aside = _aside(f"{self._aside_seconds:g} seconds", self._aside_seconds)
        return BudgetReached(f"the budget of {self._cap_seconds:g} seconds is used up{aside}")

    def _too_dear(self, worst: Amounts) -> BudgetReached | None:
        """Why `worst` cannot be had even with nothing in flight; None: it can."""
        over = self._over(worst)
        if over is None:
            return None
        self._reached = self._reached or over
        cap, spent, aside = self._caps[over], getattr(self._spent, over), getattr(self._aside, over)
        told = f"the budget of {_shown(over, cap)} is used up"
        if spent < cap - aside:
            told = (
                f"the budget of {_shown(over, cap)} does not cover the next call: {_shown(over, spent)} spent, "
                f"up to {_shown(over, getattr(worst, over))} needed"
            )
        return BudgetReached(told + _aside(_shown(over, aside), aside))

    def _over(self, amounts: Amounts) -> Cap | None:
        """The first cap, less what is set aside, that `amounts` on top of what is spent would pass."""
        for name, cap in self._caps.items():
            if getattr(self._spent, name) + getattr(amounts, name) > cap - getattr(self._aside, name):
                return name
        return None

    def _passed(self) -> float:
        """Seconds of the run so far; a clock that jumps back takes none of them away, and counts on from there."""
        now = self._clock()
        self._elapsed += max(0.0, now - self._looked)
        self._looked = now
        return self._elapsed


_DIMENSIONS: tuple[Cap, ...] = ("calls", "usd", "input_tokens", "output_tokens")


def _nobody() -> None:
    """Woken in place of somebody who does not wait."""


def _positive(worst: Amounts) -> Amounts:
    if worst.calls < 0 or worst.input_tokens < 0 or worst.output_tokens < 0 or worst.usd.numerator < 0:
        raise ValueError(f"the worst case of a call is negative: {worst}")
    return worst


def _within(value: int, most: int) -> int:
    return value if 0 <= value <= most else most


def _shown(name: Cap, amount: float | Fraction) -> str:
    if name == "usd":
        return f"${float(amount):.6g}"
    return f"{amount:,} {name.replace('_', ' ')}"


def _aside(shown: str, amount: float | Fraction) -> str:
    return f" ({shown} set aside for the final test)" if amount else ""
