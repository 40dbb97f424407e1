"""The journal: every response that was received, and what it takes to go on from there or to decide again.

Invariants:

- A response is on the disk before `settle` returns, and in the same transaction its flight ends. So a request is in
  flight, or answered, or neither, at every moment; a kill or a power loss changes nothing about that.
- The same key is one response for ever: the first that is stored stands.
- A key is in flight at most once, over all threads and processes: `claim` returns when the flight is on the disk.
- A flight whose process is gone is *lost*: the most that it may have cost counts as spent by its run, for good.
- A response that is read is the one that was written, or an error; a damaged journal is set aside, never deleted.

SQLite in WAL mode, fsynced (`_database` says why), one thread that commits (`_writer`); JSON, never pickle. No header
and no key of a provider is stored: what is handed in is redacted already.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Iterator, Sequence
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, Unpack

import apsw

from ragc._files import writing_atomically
from ragc.errors import RagcError
from ragc.models.gateway._amounts import NOTHING, Amounts
from ragc.models.gateway._journal import _damage, _export, _prune, _runs, _vectors
from ragc.models.gateway._journal._database import Database
from ragc.models.gateway._journal._opening import Opened, opened
from ragc.models.gateway._journal._records import (
    Claimed,
    Cost,
    Entry,
    Failure,
    Pruned,
    RunChanges,
    RunRecord,
    StepRecord,
    Summary,
    Use,
)
from ragc.models.gateway._journal._rows import SELECT, Row, entry_of, key_bytes, microseconds, now
from ragc.models.gateway._journal._schema import SCHEMA, schema_of
from ragc.models.gateway._journal._summary import summary
from ragc.models.gateway._journal._texts import Texts, put_together
from ragc.models.gateway._journal._waiting import Waiting
from ragc.models.gateway._journal._writer import Work, Writer

LOOK = (0.005, 0.1)
"""Seconds between two looks for what another process is to write: the first, and at most."""

_FIND = f"{SELECT} WHERE e.key = ?"

_T = TypeVar("_T")
_Answer = Literal["mine", "answered", "elsewhere"]


class Journal:
    """See the module. Safe in threads; a forked process opens it anew. To be closed, or used as a context manager."""

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        """Use `open`, `in_memory` or `load`."""
        journal = opened(path, read_only=read_only)
        self.path = path
        self.notes = journal.notes
        """What a person should be told, such as that a damaged journal was set aside."""
        self._database = journal.database
        self._presence = journal.presence
        self._texts = Texts()
        self._origins: dict[tuple[str, ...], int] = {}
        self._waiting = Waiting()
        self._writer = None if read_only else _writer(journal.database, self._texts, self._origins)
        self._finish = weakref.finalize(self, _close, self._writer, journal)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open the journal at `path`, made when missing; see `notes`.

        A damaged one is set aside as `<name>.damaged-<time>`, and a new one holds what could be read of it. Raises
        RagcError in one line: a newer schema, a folder that cannot be written, a full disk; read-only also for a
        journal that is missing or damaged.
        """
        return cls(path, read_only=read_only)

    @classmethod
    def in_memory(cls) -> Self:
        """A journal that nobody opens again: nothing is written to the disk."""
        return cls(None)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `export` wrote into a journal in memory. Raises DataError, naming the line that is wrong."""
        journal = cls.in_memory()
        try:
            journal._write(lambda connection: _export.load(connection, file, journal._store))
        except BaseException:
            journal.close()
            raise
        return journal

    def close(self) -> None:
        """Commit what is left to commit and close. A flight that is still open is lost."""
        self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Responses

    def find(self, key: str) -> Entry | None:
        """Return the response to a key; None: there is none. Raises ValueError when it is not 64 hexadecimal digits."""
        raw = (key_bytes(key),)
        with self._reading() as connection:
            # Whether there is one stands in the index: a quarter of the time, in a run that mostly finds nothing.
            if connection.execute("SELECT 1 FROM entries WHERE key = ?", raw).get is None:
                return None
            row = connection.execute(_FIND, raw).fetchone()
            return None if row is None else entry_of(row, self._request)

    def vectors(self, texts: Sequence[str]) -> Iterator[tuple[str, Entry, int]]:
        """Yield, for each of these texts whose vector is here, its key, the entry that holds it and its place there.

        A text is given as the key that a request for it alone would have. A journal of an older ragc that is read-only
        has no list of them.
        """
        with self._reading() as connection:
            known = schema_of(connection) >= SCHEMA
            keys = _vectors.holders(connection, texts) if known else []
        wanted = set(texts)
        for key in keys:
            entry = self.find(key.hex())
            if entry is None:
                continue
            held = _vectors.text_keys(entry.request) or [entry.key]
            for place, text in enumerate(held):
                if text is not None and text in wanted:
                    wanted.discard(text)
                    yield text, entry, place

    def embedded(self, texts: Sequence[str]) -> set[str]:
        """Return which of these texts have a vector here, as far as the list of them tells: for estimates."""
        with self._reading() as connection:
            return _vectors.held(connection, texts) if schema_of(connection) >= SCHEMA else set()

    def claim(self, key: str, run: str, worst: Amounts) -> Claimed:
        """Take a key's request upon oneself: when it is `mine`, the flight with its worst case is on the disk.

        A flight of a process that is gone is counted as lost, and the key is the caller's. Raises RagcError when the
        disk refuses.
        """
        raw = key_bytes(key)
        flight = (raw, run, self._presence.id, worst.calls, worst.input_tokens, worst.output_tokens, str(worst.usd))

        def work(connection: apsw.Connection) -> _Answer:
            if _runs.take_off(connection, flight):
                return "mine"
            owner = connection.execute("SELECT owner FROM flights WHERE key = ?", (raw,)).get
            if owner is None:
                return "answered"
            if self._presence.alive(owner):
                return "elsewhere"
            _runs.lose_flight(connection, raw)
            return "mine" if _runs.take_off(connection, flight) else "answered"

        answer = self._write(work)
        return Claimed(answer == "mine", self.find(key) if answer == "answered" else None)

    def settle(self, key: str, entry: Entry) -> None:
        """Store the response to a key and end its flight; both are on the disk when it returns.

        Where there is a response already, that one stands, and what this one took is counted. Raises RagcError when
        the disk refuses, and ValueError for what JSON has no form for.
        """
        if entry.key != key:
            raise ValueError(f"the entry is that of {entry.key}, not of {key}")
        row = Row.of(entry)
        took = Amounts(1, entry.input_tokens, entry.output_tokens, entry.usd or Fraction())

        def work(connection: apsw.Connection) -> None:
            if not self._store(connection, row):
                _runs.unanswered(connection, entry.run, row.key, "answered twice", took)
            _runs.land(connection, row.key, self._presence.id)

        self._write(work)
        self._waiting.wake(row.key)

    def release(self, key: str, failure: Failure | None = None, *, run: str = "", paid: Amounts = NOTHING) -> None:
        """End a flight without a response: the request failed. Written soon, and not waited for.

        `failure` is kept for `failure_of(run, key)`. `paid`: what the provider says that the failed request took; it
        counts as spent by the run, and then this returns when that is on the disk.
        """
        raw = key_bytes(key)

        def work(connection: apsw.Connection) -> None:
            flying = connection.execute("SELECT run FROM flights WHERE key = ?", (raw,)).get
            _runs.land(connection, raw, self._presence.id)
            if failure is not None:
                _runs.record_failure(connection, run or flying or "", raw, failure.kind, failure.text)
            if paid != NOTHING:
                _runs.unanswered(connection, run or flying or "", raw, "failed", paid)

        if paid != NOTHING:
            self._write(work)
            self._waiting.wake(raw)
        else:
            self._writing().post(work, after=lambda: self._waiting.wake(raw))

    def wait(self, key: str, timeout: float) -> Entry | None:
        """Return the response to a key that is in flight elsewhere, when it is there.

        None: the flight ended without one, its process is gone, or `timeout` seconds have passed; claim it then.
        """
        raw = key_bytes(key)
        deadline = time.monotonic() + timeout
        pause, longest = LOOK
        with self._waiting.woken_by(raw) as event:
            while True:
                owner = self._owner(raw)
                entry = self.find(key)  # after the flight: between the two it may land
                left = deadline - time.monotonic()
                if entry is not None or owner is None or not self._presence.alive(owner) or left <= 0:
                    return entry
                event.wait(min(left, pause if owner != self._presence.id else 1.0))
                event.clear()
                pause = min(2 * pause, longest)

    # Runs

    def begin_run(self, record: RunRecord) -> None:
        """Write a new run. Raises ValueError when there is one of this id."""
        created = microseconds(record.created) if record.created else now()

        def work(connection: apsw.Connection) -> None:
            if _runs.find(connection, "id = ?", (record.id,)):
                raise ValueError(f"there is a run {record.id} already")
            _runs.begin(connection, record, created)

        self._write(work)

    def find_runs(self, *, task: str | None = None, identity: str | None = None) -> list[RunRecord]:
        """Return the runs, of this task or of this identity, the newest first."""
        with self._reading() as connection:
            return _runs.find(
                connection, "(?1 IS NULL OR task = ?1) AND (?2 IS NULL OR identity = ?2)", (task, identity)
            )

    def update_run(self, run: str, **changes: Unpack[RunChanges]) -> None:
        """Change what is given of a run, see `RunChanges`. Raises KeyError: there is no such run.

        An artifact is kept together with all that the run's steps have used, for `prune` and `export`.
        """
        self._write(lambda connection: _runs.change(connection, run, changes))

    def sealed_by(self, artifact: str) -> RunRecord | None:
        """Return the run that sealed an artifact, as it was then; None: none that is known."""
        with self._reading() as connection:
            found = _runs.sealed(connection, artifact)
        return found[0] if found else None

    def spent_by(self, run: str) -> Amounts:
        """Return what a run has paid: for its responses, for requests that failed at a cost, and at most for lost ones.

        The flights of this very journal object are not in it: whoever made them has them reserved.
        """
        with self._reading() as connection, connection:
            spent = _runs.spent(connection, run, lambda owner: owner != self._presence.id)
        return spent

    def lost(self, run: str) -> int:
        """Count the flights that a run has lost so far, and have those that are newly lost count as spent for good."""
        return self._write(lambda connection: _runs.lose(connection, run, self._presence.alive))

    def record_step(self, run: str, number: int, label: str, uses: Sequence[Use]) -> None:
        """Write a complete step with what it used, in one transaction.

        The same step again changes nothing; another one in its place takes those after it away: the run goes on
        differently from there.
        """
        step = StepRecord(number, label, tuple(uses))
        self._write(lambda connection: _runs.record_step(connection, run, step))

    def steps_of(self, run: str) -> list[StepRecord]:
        """Return the complete steps of a run, in order."""
        with self._reading() as connection, connection:
            found = _runs.steps(connection, run)
        return found

    def uses_of(self, run: str) -> list[Use]:
        """Return what the complete steps of a run have used, in order."""
        return [use for step in self.steps_of(run) for use in step.uses]

    def cost_of(self, run: str) -> Cost:
        """Return what the entries took that a run's complete steps have used, each counted once."""
        with self._reading() as connection:
            return _runs.cost(connection, run)

    def failure_of(self, run: str, key: str) -> Failure | None:
        """Return why a call of a run has no answer; None: it did not fail."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT kind, text FROM failures WHERE run = ? AND key = ?", (run, key_bytes(key))
            ).fetchone()
        return None if row is None else Failure(*row)

    def generation(self, task: str) -> int:
        """Return which generation of a task's responses is the newest; the first is 0."""
        with self._reading() as connection:
            found: int | None = connection.execute("SELECT generation FROM generations WHERE task = ?", (task,)).get
        return found or 0

    def next_generation(self, task: str) -> int:
        """Begin the next generation of a task's responses, and return its number."""

        def work(connection: apsw.Connection) -> int:
            raised = "ON CONFLICT (task) DO UPDATE SET generation = generation + 1 RETURNING generation"
            number: int = connection.execute(f"INSERT INTO generations VALUES (?, 1) {raised}", (task,)).get
            return number

        return self._write(work)

    # The whole

    def summary(self) -> Summary:
        """Return what was paid for what."""
        with self._told():
            return summary(self._database)

    def prune(self, older_than: timedelta) -> Pruned:
        """Take out what was received before that and nobody needs; see `_prune` for what stays.

        Raises RagcError when another process has the journal open.
        """
        before = now() - older_than // timedelta(microseconds=1)
        writer = self._writing()
        with self._told(), self._presence.alone(self._database.name, "prune it"):
            size = self._database.bytes
            removed = writer.run(lambda connection: _prune.remove(connection, before))
            self._texts.clear()
            self._origins.clear()
            if removed.entries:
                writer.run(_prune.shrink, in_transaction=False)
            return Pruned(removed.entries, removed.usd, removed.runs, max(0, size - self._database.bytes))

    def lines(self, artifact: str | None = None) -> Iterator[str]:
        """Yield the journal, or what replaying one artifact needs, as lines of JSON. Raises DataError: not known."""
        with self._reading() as connection, connection:

            def decode(numbers: list[int]) -> dict[str, Any]:
                return put_together(self._texts.read(connection, numbers))

            if artifact is None:
                yield from _export.everything(connection, decode)
            else:
                yield from _export.of_artifact(connection, decode, artifact)

    def export(self, file: Path, artifact: str | None = None) -> int:
        """Write `lines` to a file, whole or not at all, and return how many there are. Raises RagcError."""
        count = 0
        with writing_atomically(file) as out:
            for line in self.lines(artifact):
                out.write(line.encode("utf-8") + b"\n")
                count += 1
        return count

    # Inside

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite, the disk or a checksum object to into an error of one line."""
        try:
            yield
        except (apsw.Error, OSError, *_damage.DAMAGE) as error:
            raise _damage.tell(self._database, error) from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        with self._told(), self._database.reading() as connection:
            yield connection

    def _writing(self) -> Writer:
        if self._writer is None:
            raise RagcError(f"{self._database.name} was opened read-only")
        return self._writer

    def _write(self, work: Work[_T]) -> _T:
        return self._writing().run(work)

    def _request(self, numbers: list[int]) -> dict[str, Any]:
        with self._reading() as connection:
            return put_together(self._texts.read(connection, numbers))

    def _store(self, connection: apsw.Connection, row: Row) -> bool:
        """Store an entry, in the writer's thread; False: there is one of its key."""
        origin = self._origins.get(row.origin)
        if origin is None:
            connection.execute(
                "INSERT OR IGNORE INTO origins (kind, model, provider, task, run) VALUES (?, ?, ?, ?, ?)", row.origin
            )
            origin = self._origins[row.origin] = connection.execute(
                "SELECT id FROM origins WHERE kind = ? AND model = ? AND provider = ? AND task = ? AND run = ?",
                row.origin,
            ).get
        return row.insert(connection, self._texts, origin)

    def _owner(self, key: bytes) -> str | None:
        with self._reading() as connection:
            owner: str | None = connection.execute("SELECT owner FROM flights WHERE key = ?", (key,)).get
        return owner


def _writer(database: Database, texts: Texts, origins: dict[tuple[str, ...], int]) -> Writer:
    # Nothing of it refers to the journal, which would otherwise live as long as the thread.
    def rolled_back() -> None:
        texts.forget()
        origins.clear()

    return Writer(database, rolled_back=rolled_back, tell=lambda error: _damage.tell(database, error))


def _close(writer: Writer | None, journal: Opened) -> None:
    if writer is not None:
        writer.close()
    journal.close()
