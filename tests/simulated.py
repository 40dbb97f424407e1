"""Simulated time: tasks of an event loop whose clock jumps to the next thing that happens, and a provider to ask there.

A thousand calls of a second each take a moment, and every run of them is the same.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ragc.models.gateway._limiter import Limiter

T = TypeVar("T")


class _Jump(selectors.DefaultSelector):
    """Instead of waiting for so many seconds it moves the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen: somebody waits and nobody wakes it")
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`, in simulated time that begins at 0."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


def now() -> float:
    """The simulated time, in seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class Simulated:
    """A provider in simulated time."""

    latency: Callable[[random.Random], float] = lambda luck: 1.0
    """Seconds until an answer."""
    slots: int | None = None
    """How many requests it takes at once; more are refused."""
    luck: float = 0.0
    """The share of requests that it refuses for reasons of its own."""
    blocked: tuple[float, float] = (0.0, 0.0)
    """From when until when it refuses everything."""
    refuses_in: float | None = 0.02
    """Seconds until a refusal; None: as long as an answer takes."""
    retry_after: float | None = None
    seed: int = 0
    arrivals: list[float] = field(default_factory=list)
    refused: int = 0
    at_work: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def ask(self) -> bool:
        """Whether it answered."""
        self.arrivals.append(now())
        seconds = self.latency(self._random)
        full = self.slots is not None and self.at_work >= self.slots
        shut = self.blocked[0] <= now() < self.blocked[1]
        if full or shut or self._random.random() < self.luck:
            self.refused += 1
            await asyncio.sleep(seconds if self.refuses_in is None else self.refuses_in)
            return False
        self.at_work += 1
        await asyncio.sleep(seconds)
        self.at_work -= 1
        return True


def lognormal(luck: random.Random) -> float:
    """A second on average, as unequal as models' answers are."""
    return luck.lognormvariate(-0.18, 0.6)


def seconds_for(calls: int, provider: Simulated, threads: int = 16, limiter: Limiter | None = None) -> float:
    """How long so many calls take, each until it is answered, `threads` of them at a time."""

    async def main() -> float:
        pace = limiter or Limiter(threads, clock=now)
        left = iter(range(calls))

        async def work() -> None:
            for _ in left:
                answered = False
                while not answered:
                    with await pace.aturn() as turn:
                        answered = await provider.ask()
                        turn.succeeded() if answered else turn.throttled(provider.retry_after)

        await asyncio.gather(*(work() for _ in range(threads)))
        return now()

    return run(main())
