"""The limiter of a model's endpoint: one for all threads and tasks, so that a refusal slows everyone, not each alone.

Invariants, at every moment and with any number of threads:

- no request is sent while a pause is in force that the provider has asked for;
- no more requests are in flight than `Concurrency` allows, and in no minute more than `rpm` and `tpm`;
- turns are given in the order in which they were asked for, so that nobody starves;
- whoever waits is woken: by a slot that is free, by the clock, by its deadline, or by `stop`.

Turns are handed over by whoever frees a slot, and only the first in the queue watches the clock: a pause that ends
wakes one waiter, and the pace decides how many follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ragc.models._errors import WaitTooLong
from ragc.models._kinds import Kind, is_overload, kind, rate_limits, retry_after
from ragc.models.gateway._headers import Headers, spent
from ragc.models.gateway._pace import START, Concurrency, Minute, Sent

TOLD = 5.0
"""Seconds of a pause from which on it is told at once."""
_ENDLESS = float("inf")


class Turn:
    """Leave to send one request; a context manager.

    Say how it ended as soon as that is known, by one of the methods: the slot is free from then on. Left without a word
    (a bug, an interrupt), it frees its slot and says nothing about the pace.
    """

    __slots__ = ("_limiter", "_number", "_open", "_sent")

    def __init__(self, limiter: Limiter, number: int, sent: Sent) -> None:
        self._limiter, self._number, self._sent, self._open = limiter, number, sent, True

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def succeeded(self, headers: Headers | None = None, tokens: int | None = None) -> None:
        """An answer came, with these rate-limit headers; it took so many tokens in all, where that is known."""
        if self._close():
            self._limiter._succeeded(self._number, self._sent, headers or {}, tokens)

    def throttled(self, retry_after: float | None = None, headers: Headers | None = None) -> None:
        """The provider refused the request for asking too fast; `retry_after` in seconds."""
        if self._close():
            self._limiter._throttled(self._number, retry_after, headers or {})

    def failed(self, error: Exception | None = None) -> None:
        """The attempt failed, with `error` as the engine raised it: a 429, 503 or 529 slows everyone, others nobody."""
        if error is not None and (kind(error) is Kind.THROTTLED or is_overload(error)):
            self.throttled(retry_after(error), rate_limits(error))
        elif self._close():
            self._limiter._ended(self._number, failed=True)

    def close(self) -> None:
        """Frees the slot, if it is still taken, without a word about the pace."""
        if self._close():
            self._limiter._ended(self._number, failed=False)

    def _close(self) -> bool:
        was, self._open = self._open, False
        return was


@dataclass(eq=False, slots=True)
class _Waiter:
    """Somebody in the queue."""

    tokens: int
    deadline: float
    wake: Callable[[], None]
    turn: Turn | None = None
    refused: Exception | None = None
    watches: bool = False
    """Whether it knows that it is the first, and when to look again."""


@dataclass(frozen=True, slots=True)
class _Pause:
    """Nobody sends before `until`."""

    until: float
    asked: float
    """Seconds, when it began."""
    why: str
    """What the provider did, after its name."""

    def told(self, name: str, now: float) -> str:
        left = max(0.0, self.until - now)
        rest = f", {span(left)} left" if left < 0.9 * self.asked else ""
        return f"{name} {self.why}: waiting {span(self.asked)}{rest}"


def _wait(event: threading.Event, seconds: float | None) -> None:
    event.wait(seconds)


class Limiter:
    """Paces the requests to one endpoint of one model, for threads and for tasks of any event loop at once."""

    def __init__(
        self,
        maximum: int,
        *,
        name: str = "the provider",
        rpm: int | None = None,
        tpm: int | None = None,
        start: int = START,
        notify: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float | None], None] = _wait,
    ) -> None:
        """`maximum`: requests in flight at most; `start` of them at first. `notify` is told of every longer pause."""
        self.name = name
        self.retries = 0
        """Attempts that ended without an answer: refused, or failed."""
        self._notify, self._clock, self._wait = notify, clock, wait
        self._lock = threading.Lock()
        self._pace = Concurrency(maximum, start)
        self._minute = Minute(rpm, tpm)
        self._queue: deque[_Waiter] = deque()
        self._pause: _Pause | None = None
        self._stopped: Exception | None = None

    @property
    def concurrency(self) -> int:
        """Requests that may be in flight at once, as things are."""
        return self._pace.allowed

    @property
    def in_flight(self) -> int:
        """Requests that are in flight."""
        return self._pace.in_flight

    @property
    def pause_until(self) -> float | None:
        """Until when, by the clock, nobody sends; None: no pause is in force."""
        with self._lock:
            pause = self._paused(self._clock())
            return pause.until if pause is not None else None

    @property
    def waiting_for(self) -> str | None:
        """What everybody waits for, in words, with the time that is left; None: for nothing but a free slot."""
        with self._lock:
            now = self._clock()
            pause = self._paused(now)
            if pause is not None:
                return pause.told(self.name, now)
            if not self._queue or not self._pace.is_free:
                return None
            left = self._minute.free_at(self._queue[0].tokens, now) - now
            return self._used_up(left) if left > 0 else None

    def turn(self, tokens: int = 0, deadline: float | None = None) -> Turn:
        """Waits for leave to send a request of so many tokens, prompt and longest answer together.

        One that may take more than `tpm` has a minute to itself, until `Turn.succeeded` says what it took in fact.
        `deadline` is a time of the clock (`time.monotonic`). Raises WaitTooLong as soon as it is known that it would
        pass, and what `stop` was given.
        """
        tokens = self._minute.counted(tokens)
        with self._lock:
            turn = self._at_once(tokens, deadline)
            if turn is not None:
                return turn
            event = threading.Event()
            waiter = self._queued(tokens, deadline, event.set)
        try:
            while (seconds := self._look(waiter)) != 0:
                self._wait(event, seconds)
                event.clear()
        except BaseException:
            self._leave(waiter)
            raise
        return _given(waiter)

    async def aturn(self, tokens: int = 0, deadline: float | None = None) -> Turn:
        """Unlike `turn`: awaited, and no thread waits meanwhile. `with await limiter.aturn(…) as turn: …`."""
        tokens = self._minute.counted(tokens)
        with self._lock:
            turn = self._at_once(tokens, deadline)
            if turn is not None:
                return turn
            loop, event = asyncio.get_running_loop(), asyncio.Event()
            waiter = self._queued(tokens, deadline, lambda: _set(loop, event))
        try:
            while (seconds := self._look(waiter)) != 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), seconds)
                event.clear()
        except BaseException:
            self._leave(waiter)
            raise
        return _given(waiter)

    def stop(self, error: Exception) -> None:
        """Refuses every turn from now on, those that are waited for as well, by raising `error`."""
        with self._lock:
            self._stopped = error
            for waiter in self._queue:
                waiter.refused = error
            self._wake_all()
            self._queue.clear()

    def resume(self) -> None:
        """Gives turns again."""
        with self._lock:
            self._stopped = None

    def _at_once(self, tokens: int, deadline: float | None) -> Turn | None:
        """A turn, if nobody waits and it may begin now."""
        if self._stopped is not None:
            raise self._stopped
        now = self._clock()
        return self._begin(tokens, now) if not self._queue and (deadline is None or now < deadline) else None

    def _queued(self, tokens: int, deadline: float | None, wake: Callable[[], None]) -> _Waiter:
        waiter = _Waiter(tokens, _ENDLESS if deadline is None else deadline, wake)
        self._queue.append(waiter)
        return waiter

    def _look(self, waiter: _Waiter) -> float | None:
        """Seconds until the waiter has to look again, None: when it is woken, 0: it has its turn.

        Raises as `turn` does.
        """
        with self._lock:
            self._hand_out()
            if waiter.turn is not None:
                return 0
            if waiter.refused is not None:
                raise waiter.refused
            now = self._clock()
            waiter.watches = self._queue[0] is waiter
            at = self._free_at(waiter, now)
            if max(at, now) >= waiter.deadline:
                raise WaitTooLong(self._too_long(at, now))
            look = min(at if waiter.watches and at > now else _ENDLESS, waiter.deadline)
            return look - now if look < _ENDLESS else None

    def _leave(self, waiter: _Waiter) -> None:
        """The waiter gives up, or was interrupted."""
        if waiter.turn is not None:
            waiter.turn.close()
            return
        with self._lock:
            if waiter.refused is None:
                self._queue.remove(waiter)
            self._hand_out()

    def _hand_out(self) -> None:
        """Gives turns to whoever is first, as far as they go; the one that is first then watches the clock."""
        queue = self._queue
        while queue and (turn := self._begin(queue[0].tokens, self._clock())) is not None:
            waiter = queue.popleft()
            waiter.turn = turn
            waiter.wake()
        if queue and not queue[0].watches:
            queue[0].wake()

    def _begin(self, tokens: int, now: float) -> Turn | None:
        if not self._pace.is_free or self._stopped is not None or self._paused(now) is not None:
            return None
        if not self._minute.fits(tokens, now):
            return None
        return Turn(self, self._pace.begin(now), self._minute.begin(tokens, now))

    def _free_at(self, waiter: _Waiter, now: float) -> float:
        """When, by the clock alone, the waiter may have its turn; for who is not the first, the earliest."""
        pause = self._paused(now)
        at = pause.until if pause is not None else now
        return max(at, self._minute.free_at(waiter.tokens, now)) if waiter.watches else at

    def _succeeded(self, number: int, sent: Sent, headers: Headers, tokens: int | None) -> None:
        with self._lock:
            self._pace.answered(number, self._clock())
            if tokens is not None:
                self._minute.correct(sent, tokens)
            told = self._respect(headers) if headers else None
            self._hand_out()
        self._tell(told)

    def _throttled(self, number: int, asked: float | None, headers: Headers) -> None:
        with self._lock:
            self.retries += 1
            seconds = self._pace.refused(number)
            if asked is not None:
                told = self._hold(asked, "asks to wait (Retry-After)", restart=not seconds)
            else:
                told = self._respect(headers, restart=not seconds)
            if told is None and seconds:
                told = self._hold(seconds, "refuses every call as too many (429)", restart=False)
            self._hand_out()
        self._tell(told)

    def _ended(self, number: int, *, failed: bool) -> None:
        with self._lock:
            self.retries += failed
            self._pace.end(number)
            self._hand_out()

    def _respect(self, headers: Headers, *, restart: bool = True) -> _Pause | None:
        limit = spent(headers, time.time()) if headers else None
        if limit is None:
            return None
        return self._hold(limit.seconds, f"has no {limit.unit} left until its limit is reset", restart=restart)

    def _hold(self, seconds: float, why: str, *, restart: bool) -> _Pause | None:
        """Nobody sends for so many seconds; the pause, if it is a new one or a longer one."""
        now = self._clock()
        before = self._paused(now)
        if before is not None and now + seconds <= before.until:
            return None
        self._pause = _Pause(now + seconds, seconds, why)
        if restart and before is None:
            self._pace.restart()
        self._wake_all()
        return self._pause if before is None or seconds >= 2 * (before.until - now) else None

    def _paused(self, now: float) -> _Pause | None:
        return self._pause if self._pause is not None and now < self._pause.until else None

    def _wake_all(self) -> None:
        for waiter in self._queue:
            waiter.wake()

    def _tell(self, pause: _Pause | None) -> None:
        if pause is not None and self._notify is not None and pause.asked >= TOLD:
            self._notify(pause.told(self.name, self._clock()))

    def _too_long(self, at: float, now: float) -> str:
        if at <= now:
            return f"{self.name}: the time that the run may take was over before a call had its turn"
        pause = self._paused(now)
        why = pause.told(self.name, now) if pause is not None else self._used_up(at - now)
        return f"{why}; the run's cap in seconds ends before that"

    def _used_up(self, seconds: float) -> str:
        limits = {"rpm": self._minute.rpm, "tpm": self._minute.tpm}
        said = " and ".join(f"{name} = {value:,}" for name, value in limits.items() if value is not None)
        return f"{self.name}: {said} of its table are used up: waiting {span(seconds)}"


def span(seconds: float) -> str:
    """`2 d 3 h`, `6 min`, `12 s`: at most two units."""
    left, said = max(1, round(seconds)), []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            said.append(f"{count} {unit}")
    return " ".join(said[:2])


def _given(waiter: _Waiter) -> Turn:
    if waiter.turn is None:
        raise RuntimeError("a waiter went on without its turn")
    return waiter.turn


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # a loop that was closed has nobody waiting in it
        loop.call_soon_threadsafe(event.set)
