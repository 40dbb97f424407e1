"""When to try a failed call again: bounded by attempts and by time, with jitter, as the provider asks."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from ragc.models._errors import TRANSIENT


@dataclass(frozen=True)
class Retry:
    """Exponential back-off with jitter for failures that may pass (429, 5xx, timeouts, resets)."""

    attempts: int = 5
    """How often a call is tried in all."""
    seconds: float = 120.0
    """No new attempt starts later than this after the first one began."""
    first: float = 0.5
    """The longest wait before the second attempt; it doubles from there. A wait is between half of it and all."""
    longest: float = 20.0
    """The longest wait of all, what `Retry-After` asks for aside."""

    def start(self) -> Waits:
        """The waits of one call that starts now."""
        return Waits(self)


@dataclass
class Waits:
    """The waits between the attempts of one call."""

    retry: Retry
    started: float = field(default_factory=time.monotonic)
    failures: int = 0

    def after(self, error: Exception) -> float | None:
        """Seconds to wait before the next attempt; None: give up."""
        self.failures += 1
        if not isinstance(error, TRANSIENT) or self.failures >= self.retry.attempts:
            return None
        wait = min(self.retry.longest, self.retry.first * 2 ** (self.failures - 1)) * random.uniform(0.5, 1.0)
        asked = getattr(error, "retry_after", None)
        if isinstance(asked, int | float) and asked > 0:
            wait = max(wait, float(asked))
        left = self.started + self.retry.seconds - time.monotonic()
        return wait if wait <= left else None
