"""Connections to the journal's file: one that writes, and readers that are lent to one thread at a time.

`PRAGMA synchronous = FULL`, because a journal that forgets is worse than none. In WAL mode the usual NORMAL leaves it
to the next checkpoint to make commits durable: after a power loss the file is sound, but its last commits may be gone,
and with them responses that were paid for and decided on, and reservations that the cap relies on. FULL makes every
commit wait until the log is on the disk; group commit lets many calls share that wait. On macOS it takes `fullfsync`
to make the disk itself write.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import apsw

from ragc._messages import shown_path
from ragc.errors import RagcError
from ragc.models.gateway._journal._schema import PAGE

BUSY_MS = 30_000
"""How long a commit waits for another process's, in milliseconds."""

# A fork leaves connections in the child, where SQLite forbids to use and to close them: they are kept for ever.
_open: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[object] = []


class Database:
    """The file at `path`, or without one a database in memory that lives as long as its writer."""

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._writer: apsw.Connection | None = None
        # A deque's append and pop are atomic: there is no lock that a fork could copy while it is held.
        self._idle: deque[apsw.Connection] = deque()
        self._process = os.getpid()
        self._memory = f"file:/ragc-{secrets.token_hex(8)}?vfs=memdb"
        _open.add(self)

    @property
    def name(self) -> str:
        """How messages call it."""
        return "the journal in memory" if self.path is None else shown_path(self.path)

    @property
    def bytes(self) -> int:
        """The size of the file, what has not been moved into it from the log included."""
        if self.path is None:
            with self.reading() as connection:
                return int(connection.pragma("page_count") * connection.pragma("page_size"))
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def writer(self) -> apsw.Connection:
        """The one connection that writes, opened at the first call; the file is made when missing."""
        if self._writer is None:
            connection = _opened(self._uri(writing=True), apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            try:
                connection.pragma("page_size", PAGE)
                if self.path is not None:
                    connection.pragma("journal_mode", "wal")
                connection.pragma("synchronous", "full")
                connection.pragma("fullfsync", 1)
                connection.pragma("checkpoint_fullfsync", 1)
            except BaseException:
                connection.close()
                raise
            self._writer = connection
        return self._writer

    @contextlib.contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """Lend a connection that sees what is committed. Raises RagcError in a process that was forked since."""
        self.check_process()
        try:
            connection = self._idle.pop()
        except IndexError:
            flags = apsw.SQLITE_OPEN_READONLY if self.path is not None else apsw.SQLITE_OPEN_READWRITE
            connection = _opened(self._uri(writing=False), flags)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def check_process(self) -> None:
        """Raises RagcError in a process that was forked since the journal was opened."""
        if self._process != os.getpid():
            raise RagcError(f"{self.name} was opened before this process was forked; open it again in this process")

    def close(self) -> None:
        """Close all connections; the last one of all processes moves the log into the file."""
        if self._process != os.getpid():
            return
        while self._idle:
            self._idle.pop().close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def leave_to_parent(self) -> None:
        """In a forked child: keep the parent's connections, untouched."""
        _inherited.extend([*self._idle, self._writer])
        self._idle, self._writer = deque(), None

    def _uri(self, *, writing: bool) -> str:
        if self.path is None:
            return self._memory
        place = f"file:{quote(str(self.path.resolve()))}"
        if writing:
            return place
        # Beside a file in a folder that cannot be written SQLite can make no index of the log; without a log none is
        # needed, if it is told that nobody writes.
        log = self.path.with_name(f"{self.path.name}-wal")
        pending = log.exists() and log.stat().st_size > 0
        return f"{place}?{'mode=ro' if pending or os.access(self.path.parent, os.W_OK) else 'immutable=1'}"


def _opened(uri: str, flags: int) -> apsw.Connection:
    connection = apsw.Connection(uri, flags=flags | apsw.SQLITE_OPEN_URI)
    connection.set_busy_timeout(BUSY_MS)
    return connection


def _forked() -> None:
    for database in list(_open):
        database.leave_to_parent()


os.register_at_fork(after_in_child=_forked)


def told(name: str, error: Exception) -> Exception:
    """Return what SQLite or the disk objected to as a RagcError of one line, and anything else as it is."""
    if isinstance(error, apsw.FullError):
        return RagcError(f"{name}: the disk is full; what was committed is kept: free some space and run it again")
    if isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError | apsw.AuthError):
        return RagcError(f"{name}: cannot be opened or written ({error}); see who owns it and its folder")
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return RagcError(f"{name}: another process has been writing for {BUSY_MS // 1000} s; try again")
    if isinstance(error, apsw.IOError):
        return RagcError(
            f"{name}: the disk refused ({error}); what was committed is kept: see whether the disk is full or failing"
        )
    if isinstance(error, apsw.Error):
        return RagcError(f"{name}: {type(error).__name__}: {error}; move the file away to begin a new journal")
    if isinstance(error, OSError):
        return RagcError(f"{name}: {error.strerror or error}; see who owns it and its folder")
    return error
