"""Group commit: one writes for all who wait, and a commit that many wait for costs one wait for the disk.

Invariant: `run` returns only when the transaction that holds its work is on the disk (`synchronous = FULL`, see
`_database`); where it raises, nothing of its work is in the file. What was committed before a failure is kept.

Whoever comes when nobody writes does so himself, and what has come in with him: handing work to another thread and
waiting for it takes longer than the work. What comes in meanwhile is for a thread of the writer's own, and so is all
that the main thread asks for: an interrupt (Ctrl-C) strikes that one anywhere, and may end a wait, never a commit.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from ragc.errors import RagcError
from ragc.models.gateway._journal._database import Database

MOST = 256
"""The most jobs in one transaction, so that the first of them does not wait for ever."""

_REFUSALS = (
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.PermissionsError,
    apsw.CorruptError,
    apsw.NotADBError,
)

_T = TypeVar("_T")
Work = Callable[[apsw.Connection], _T]


class _Job:
    """One caller's work, and what came of it. `finished` is held until the work is committed or has failed."""

    __slots__ = ("after", "error", "finished", "in_transaction", "result", "work")

    def __init__(
        self, work: Work[Any], *, in_transaction: bool = True, after: Callable[[], None] | None = None
    ) -> None:
        self.work = work
        self.in_transaction = in_transaction
        self.after = after
        self.result: Any = None
        self.error: Exception | None = None
        self.finished = threading.Lock()
        self.finished.acquire()


class Writer:
    """Who writes to one database: one at a time, with the turn in hand.

    Once the disk has refused (full, read-only, failing), nothing more is written and every later call raises: nobody
    shall act on what a later commit might not keep.
    """

    def __init__(self, database: Database, *, rolled_back: Callable[[], None], tell: Callable[[Exception], Exception]):
        """`rolled_back` is called by who writes, after a rollback; `tell` makes of an error what a caller raises."""
        self._database = database
        self._connection = database.writer()
        self._rolled_back = rolled_back
        self._tell = tell
        self._refusal: Exception | None = None
        self._closed = False
        self._jobs: deque[_Job] = deque()  # its append and popleft are atomic
        self._turn = threading.Lock()
        self._bell: SimpleQueue[bool] = SimpleQueue()
        """Rung for the thread: True to write what has come in, False to do so for the last time."""
        self._thread = threading.Thread(target=self._loop, name="ragc-journal", daemon=True)
        self._thread.start()

    def run(self, work: Work[_T], *, in_transaction: bool = True) -> _T:
        """Do `work` inside a transaction and return what it returns, when that is committed.

        Work may be done a second time after a rollback, so it must change nothing but the database. Raises what it
        raises, told, and what the disk refuses.
        """
        job = _Job(work, in_transaction=in_transaction)
        self._give(job)
        if threading.current_thread() is not threading.main_thread() and self._turn.acquire(blocking=False):
            try:
                self._next_group()
            finally:
                self._turn.release()
        if self._jobs:  # this one, maybe: who has the turn may have looked before it came
            self._bell.put(True)
        job.finished.acquire()
        if job.error is not None:
            raise job.error
        result: _T = job.result
        return result

    def post(self, work: Work[object], *, after: Callable[[], None]) -> None:
        """Do `work` like `run`, without waiting for it or hearing that the disk refused; then call `after`."""
        self._give(_Job(work, after=after))
        self._bell.put(True)

    def close(self) -> None:
        """Commit what was posted and end the thread."""
        if not self._closed:
            self._closed = True
            self._bell.put(False)
            # The thread itself: where the journal's last reference was a job that it did.
            if threading.current_thread() is not self._thread:
                self._thread.join()

    def _give(self, job: _Job) -> None:
        self._database.check_process()
        if self._closed:
            raise RagcError(f"{self._database.name} is closed")
        self._jobs.append(job)

    def _loop(self) -> None:
        while True:
            goes_on = self._bell.get()
            while self._jobs:
                with self._turn:
                    self._next_group()
            if not goes_on:
                return

    def _next_group(self) -> None:
        """Do what has come in since the last time; whoever calls it has the turn."""
        group: list[_Job] = []
        with contextlib.suppress(IndexError):
            while len(group) < MOST:
                group.append(self._jobs.popleft())
        if all(job.in_transaction for job in group):
            self._do(group)
        else:
            for job in group:
                self._do([job])
        for job in group:
            job.finished.release()
            if job.after is not None:
                job.after()

    def _do(self, jobs: list[_Job]) -> None:
        """One transaction for all; where one job is at fault, one for each."""
        try:
            if self._refusal is not None:
                raise self._refusal
            self._commit(jobs)
        except Exception as error:  # noqa: BLE001 whatever it is must reach the caller that waits
            self._roll_back()
            if isinstance(error, _REFUSALS):
                self._refusal = error
            elif len(jobs) > 1:
                for job in jobs:
                    self._do([job])
                return
            for job in jobs:
                job.error = self._tell(error)

    def _commit(self, jobs: list[_Job]) -> None:
        connection = self._connection
        if not jobs:
            return
        if not jobs[0].in_transaction:
            jobs[0].result = jobs[0].work(connection)
            return
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            job.result = job.work(connection)
        connection.execute("COMMIT")

    def _roll_back(self) -> None:
        with contextlib.suppress(apsw.Error):  # where the disk fails, the next reader rolls back
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        self._rolled_back()
