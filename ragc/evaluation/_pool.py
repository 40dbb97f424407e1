"""Threads that take work strictly in the order in which it was begun."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

LOOK = 0.05
"""Seconds after which whoever waits for a result looks for it, when nothing woke it before."""


class Pool:
    """Runs batches of items, `threads` at once at most, the items of an earlier batch before those of a later one.

    A later batch gets only the threads that the earlier ones leave free: the last items of one run beside the first of
    the next. What is done waits in its batch, unseen, until the batch's turn to be read comes. Nothing is started
    behind an exception; but one of a class in `later`, raised in a batch before its turn, is not kept: the batch rests,
    and the item is run again in its turn.

    Threads end by themselves when nothing is left to start, and are no reason for a process to go on. Ctrl-C may come
    anywhere: the lock is a plain one, because a Condition that is interrupted on its way in stays locked for ever.
    """

    def __init__(self, threads: int, *, later: tuple[type[BaseException], ...] = ()) -> None:
        self.threads = threads
        self.later = later
        self._lock = threading.Lock()
        self._queue: deque[Batch[Any]] = deque()
        self._working = 0
        self._waiting: list[_Waiter] = []

    def begin(self, work: Callable[[Any], Result], items: Sequence[Any]) -> Batch[Result]:
        """Puts `items` behind what was begun before; `work` runs on each in a copy of the caller's context."""
        batch = Batch(self, work, items)
        with self._lock:
            self._queue.append(batch)
            try:
                self._hire()
            except BaseException:
                self._cancel(batch)
                raise
        return batch

    @property
    def is_short(self) -> bool:
        """Whether fewer items than threads wait to be started: soon a thread will have nothing to do."""
        with self._lock:
            return self._is_short()

    def clear(self) -> None:
        """Cancels what has not started and waits for what is in flight, in every batch."""
        with self._lock:
            batches = list(self._queue)
            for batch in reversed(batches):
                self._cancel(batch)
        self._wait_for_end(*batches)

    # -- for batches, with the lock held

    def _is_short(self) -> bool:
        return self._startable() < self.threads

    def _startable(self) -> int:
        return sum(len(batch.open) for batch in self._live())

    def _live(self) -> Iterator[Batch[Any]]:
        """The batches of which items may start: nothing does behind a failure, which will end what follows it."""
        behind = False
        for batch in self._queue:
            if batch.has_turn or not (batch.rests or behind):
                yield batch
            behind = behind or batch.failed

    def _hire(self) -> None:
        for _ in range(min(self.threads - self._working, self._startable())):
            thread = threading.Thread(target=self._serve, name="ragc-evaluate", daemon=True)
            self._working += 1
            try:
                thread.start()
            except BaseException:  # no more threads to be had, or Ctrl-C
                self._working -= thread.ident is None
                raise

    def _take(self) -> tuple[Batch[Any], int, bool] | None:
        """The next item to start, and whether it is early: before its batch's turn. None ends the thread."""
        for batch in self._live():
            if batch.open:
                batch.running += 1
                return batch, batch.open.popleft(), not batch.has_turn
        self._working -= 1
        return None

    def _cancel(self, batch: Batch[Any]) -> None:
        batch.open.clear()
        batch.ended = True
        if batch in self._queue:
            self._queue.remove(batch)
        self._hire()

    def _tell(self) -> None:
        for waiter in self._waiting:
            if waiter.urgent() and waiter.bell.locked():
                waiter.bell.release()

    # -- for batches, without the lock

    def _wait(self, ready: Callable[[], bool], urgent: Callable[[], bool]) -> None:
        """Until `ready`, which is looked at when it is `urgent` and now and then.

        Waking whoever reads for each result would take a tenth of the CPU of a model that answers at once.
        """
        waiter = _Waiter(urgent)
        waiter.bell.acquire()
        with self._lock:
            if ready():
                return
            self._waiting.append(waiter)
        try:
            while True:
                waiter.bell.acquire(timeout=LOOK)
                with self._lock:
                    if ready():
                        return
        finally:
            with self._lock:
                self._waiting.remove(waiter)

    def _wait_for_end(self, *batches: Batch[Any]) -> None:
        def have_ended() -> bool:
            return not any(batch.running for batch in batches)

        self._wait(have_ended, have_ended)

    # -- in the threads

    def _serve(self) -> None:
        with self._lock:
            job = self._take()
        while job is not None:
            batch, number, is_early = job
            done = batch.attempt(number)
            with self._lock:
                batch.keep(number, done, is_early=is_early)
                job = self._take()
                self._tell()


@dataclass(frozen=True, eq=False)
class _Waiter:
    """A thread that waits until its bell is released, or has a look by itself."""

    urgent: Callable[[], bool]
    """Whether it is to be woken at once."""
    bell: threading.Lock = field(default_factory=threading.Lock)


class _Done(Generic[Result]):
    """What came of one item: a value, or what was raised."""

    __slots__ = ("failure", "value")

    def __init__(self, value: Result | None, failure: BaseException | None) -> None:
        self.value = value
        self.failure = failure


class Batch(Iterator[Result]):
    """The results of one batch, in the order of its items; asking for the first one is its turn.

    A result that is an exception is raised, and cancels everything that was begun in the pool: what follows a failure
    is never looked at. `close` a batch that is not read to its end.
    """

    def __init__(self, pool: Pool, work: Callable[[Any], Result], items: Sequence[Any]) -> None:
        self._pool = pool
        self._context = contextvars.copy_context()
        self._work = work
        self._items = items
        self._done: dict[int, _Done[Result]] = {}
        self._read = 0
        self.has_turn = False
        self.open: deque[int] = deque(range(len(items)))
        """Numbers of the items that have not been started."""
        self.running = 0
        self.rests = False
        """Whether nothing of it starts before its turn."""
        self.failed = False
        """Whether one of its items raised."""
        self.ended = False
        """Whether nothing of it starts any more."""

    def __next__(self) -> Result:
        if self._read == len(self._items):
            raise StopIteration
        try:
            self.wait()
            done = None if self.ended else self._done.pop(self._read)
            if done is None:
                raise RuntimeError("what follows a failure was cancelled")
            if done.failure is not None:
                raise done.failure
        except BaseException:
            self._pool.clear()
            raise
        self._read += 1
        if self._read == len(self._items):
            self.close()
        return done.value  # type: ignore[return-value]  # without a failure there is a value, which may itself be None

    def wait(self, *, or_short: bool = False) -> bool:
        """Waits, in its turn, for the next result; whether it is there.

        With `or_short` it comes back as well when the pool has fewer items to start than threads.
        """

        def is_short() -> bool:
            return or_short and self._pool._is_short()

        with self._pool._lock:
            self._take_turn()
        self._pool._wait(lambda: self._is_ready() or is_short(), lambda: not self.running or self.failed or is_short())
        return self._is_ready()

    def close(self) -> None:
        """Cancels what has not started and waits for what is in flight, so that its cost is counted."""
        with self._pool._lock:
            self._pool._cancel(self)
        self._pool._wait_for_end(self)

    def _take_turn(self) -> None:
        if not self.has_turn:
            self.has_turn = True
            self.open = deque(sorted(self.open))
            self._pool._hire()

    def _is_ready(self) -> bool:
        """Whether the next result is there, or can never come."""
        return self.ended or self._read in self._done

    # -- for the pool's threads

    def attempt(self, number: int) -> _Done[Result]:
        """Runs one item."""
        try:
            return _Done(self._context.copy().run(self._work, self._items[number]), None)
        except BaseException as failure:  # noqa: BLE001  raised where the result is read
            return _Done(None, failure)

    def keep(self, number: int, done: _Done[Result], *, is_early: bool) -> None:
        """Takes what came of an item, or puts the item back where it came too early; the pool's lock is held."""
        self.running -= 1
        if isinstance(done.failure, self._pool.later) and is_early and not self.ended:
            self.rests = True
            self.open.appendleft(number)
            return
        self._done[number] = done
        if done.failure is not None:
            self.failed = True
            self.open = deque(one for one in self.open if one < number)
