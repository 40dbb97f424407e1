"""When to try a failed call again: bounded by attempts and by time, with jitter, as the provider asks.

Invariant: no failure is tried for ever. A call has at most `attempts` failures that may pass by themselves, and at most
`seconds` of its own time go into them. A refusal for asking too fast (429) uses up time alone: `patience`, or where
that is None (in a run) the run's own cap. A failure that will not pass is not tried again at all.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ragc.models._kinds import Kind, kind, retry_after

_LUCK = random.Random()  # its own: waits must not change what a program or an optimizer draws


@dataclass(frozen=True)
class Retry:
    """Exponential back-off with jitter."""

    attempts: int = 5
    """How often a call is tried in all, refusals left out."""
    seconds: float = 120.0
    """What failures may cost a call in time: its failed attempts and the waits after them."""
    first: float = 0.5
    """The longest wait before the second attempt; it doubles from there. A wait is between half of it and all."""
    longest: float = 20.0
    """The longest wait of all, what `Retry-After` asks for aside."""
    patience: float | None = 120.0
    """The same as `seconds`, for refusals (429); None: as long as it takes."""

    def start(self, clock: Callable[[], float] = time.monotonic) -> Waits:
        """The waits of one call that starts now."""
        return Waits(self, clock)


IN_A_RUN = Retry(patience=None)
"""For calls that a limiter paces, within a run that has a cap of its own."""


class Waits:
    """The waits between the attempts of one call."""

    def __init__(self, retry: Retry, clock: Callable[[], float] = time.monotonic) -> None:
        self._retry, self._clock = retry, clock
        self._since = clock()
        self._failures = self._refusals = 0
        self._failing = self._refused = 0.0  # seconds

    def attempt(self) -> None:
        """An attempt begins now: the time that it waited for its turn does not count. Without this: after the wait."""
        self._since = self._clock()

    def after(self, error: Exception, *, limited: bool = False) -> float | None:
        """Seconds to wait before the next attempt; None: give up.

        Where a limiter paces the calls (`limited`), a refusal is waited out there, by everyone: 0.
        """
        took = max(0.0, self._clock() - self._since)
        match kind(error):
            case Kind.THROTTLED:
                wait = self._after_refusal(error, took, limited)
            case Kind.TRANSIENT:
                wait = self._after_failure(error, took)
            case _:
                wait = None
        self._since = self._clock() + (wait or 0.0)
        return wait

    def _after_refusal(self, error: Exception, took: float, limited: bool) -> float | None:
        self._refusals += 1
        wait = 0.0 if limited else self._wait(self._refusals, error)
        self._refused += took + wait
        patience = self._retry.patience
        return wait if patience is None or self._refused <= patience else None

    def _after_failure(self, error: Exception, took: float) -> float | None:
        self._failures += 1
        wait = self._wait(self._failures, error)
        self._failing += took + wait
        more = self._failures < self._retry.attempts and self._failing <= self._retry.seconds
        return wait if more else None

    def _wait(self, times: int, error: Exception) -> float:
        wait = min(self._retry.longest, self._retry.first * 2.0 ** (times - 1)) * _LUCK.uniform(0.5, 1.0)
        return max(wait, retry_after(error) or 0.0)
