"""Connections to an SQLite index: lent to one thread at a time, never used after a fork, read-only if need be."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import apsw

from ragc.errors import StoreError
from ragc.retrieval.stores._entries import half_a_character
from ragc.retrieval.stores.sqlite._sql import is_index

MAPPED_BYTES = 2**30
"""How much of the file a reader maps instead of copying: every vector is read in every search, by every thread."""
BUSY_MS = 30_000
"""How long a writer waits for another writer's transaction, in milliseconds."""

# Connections that a fork left in the child: SQLite forbids using and closing them there, so they are kept for ever.
_inherited: list[apsw.Connection] = []


class Connections:
    """Lends connections to the database at `path`; opens them as needed and keeps the idle ones."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._read_only = read_only
        # A deque's append and pop are atomic: there is no lock that a fork could copy while it is held.
        self._idle: deque[apsw.Connection] = deque()
        self._process = os.getpid()
        self._seen: tuple[object, ...] = ()

    @contextlib.contextmanager
    def reading(self) -> Iterator[apsw.Connection | None]:
        """Lend a connection inside a read transaction: everything in the block sees one state. None: there is no file,
        or nothing in it yet.

        Raises StoreError on whatever SQLite or the disk object to.
        """
        with told(self.path):
            connection = self._lent()
            if connection is None:
                yield None
                return
            try:
                with connection:
                    yield connection if is_index(connection, self.path) else None
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """Lend a connection inside a write transaction, committed at the end of the block and else rolled back.

        The file and its folder are made when missing. Raises StoreError, also when the store was opened read-only.
        """
        if self._read_only:
            raise StoreError(f"{self.path} was opened read-only and cannot be changed")
        with told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = _opened(f"file:{quote(str(self.path))}", apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            try:
                is_index(connection, self.path)  # before anything in a file of somebody else's is changed
                connection.pragma("journal_mode", "wal")
                connection.pragma("synchronous", "normal")
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                connection.close()  # rolls back what was not committed

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file, so that the file alone is the index. Readers in the way: later."""
        with told(self.path):
            if not self.path.exists():
                return
            connection = _opened(f"file:{quote(str(self.path))}", apsw.SQLITE_OPEN_READWRITE)
            try:
                connection.pragma("wal_checkpoint", "TRUNCATE")
            finally:
                connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        self._leave_other_process()
        while self._idle:
            self._idle.pop().close()

    def _lent(self) -> apsw.Connection | None:
        self._leave_other_process()
        address = self._address()
        if address is None:
            return None
        try:
            return self._idle.pop()
        except IndexError:
            return _opened(address, apsw.SQLITE_OPEN_READONLY)

    def _address(self) -> str | None:
        """The URI to read from. Where the folder cannot be written, SQLite must be told that the file is immutable.

        It then neither locks nor looks again, so we look: when the file has changed, the connections are opened anew.
        """
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self.close()
            return None
        log = self.path.with_name(self.path.name + "-wal")
        pending = log.exists() and log.stat().st_size > 0
        immutable = not pending and not os.access(self.path.parent, os.W_OK)
        # A file that was put in the old one's place is another index, so the inode counts in any case.
        seen = (found.st_dev, found.st_ino, immutable, *((found.st_mtime_ns, found.st_size) if immutable else ()))
        if seen != self._seen:
            self.close()
            self._seen = seen
        return f"file:{quote(str(self.path))}?{'immutable=1' if immutable else 'mode=ro'}"

    def _leave_other_process(self) -> None:
        if self._process != os.getpid():
            _inherited.extend(self._idle)
            self._idle, self._process = deque(), os.getpid()


@functools.cache
def _extension() -> str:
    """Where the extension of the sqlite-vec package is; not from the package's code, which would import numpy."""
    found = importlib.util.find_spec("sqlite_vec")
    for folder in (found.submodule_search_locations or ()) if found else ():
        return os.path.join(folder, "vec0")
    raise StoreError("the sqlite-vec package is missing; pip install sqlite-vec")


def _opened(uri: str, flags: int) -> apsw.Connection:
    connection = apsw.Connection(uri, flags=flags | apsw.SQLITE_OPEN_URI)
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("mmap_size", MAPPED_BYTES)
    connection.enable_load_extension(True)
    connection.load_extension(_extension())
    connection.enable_load_extension(False)
    return connection


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite and the disk raise about `path` into a StoreError of one line."""
    try:
        yield
    except apsw.FullError as error:
        raise StoreError(f"{path}: the disk is full; free some space and run the command again") from error
    except (apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError, apsw.AuthError) as error:
        raise StoreError(
            f"{path}: cannot be opened or written ({error}); see whether the disk is mounted read-only and who owns it"
        ) from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreError(f"{path}: another process has been writing for {BUSY_MS // 1000} s; try again") from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreError(f"{path}: is damaged or no index ({error}); delete it and run `ragc index`") from error
    except apsw.Error as error:
        raise StoreError(f"{path}: {type(error).__name__}: {error}; run `ragc index`, or delete it first") from error
    except UnicodeEncodeError as error:
        raise half_a_character(str(path)) from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}; choose another `store` or mend the folder") from error
