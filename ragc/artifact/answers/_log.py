"""The answer log on the disk: JSON lines that many threads and processes append to, each line whole or not at all.

A line is appended in one `write` on a descriptor with O_APPEND, under a lock that every ragc process takes, and taken
back when the disk would not take all of it. What a kill or a crash tore, of an answer that was never given, stays alone
on its line: the next one begins anew. The line is with the system before the answer is given: it survives the process
(`kill -9`), but not a power failure a moment later, since nothing is fsynced.

Rotation needs no signal: before each line the name is looked up, and where another file, or none, stands there by now,
that one is opened. A file that is cut to nothing (`copytruncate`) goes on at its beginning.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ragc._files import write_error
from ragc.errors import ConfigError, RagcError

SCHEME = "jsonl://"
OFF = "off"
MODE = 0o600
"""Questions and passages are for whoever runs the service: nobody else reads a log that ragc makes."""


def log_path(address: str, root: Path) -> Path | None:
    """Return the file of an `audit` address, relative to `root` unless it begins with `/`; None where it is off.

    Raises ConfigError for an address that is none.
    """
    if address == OFF:
        return None
    path = address.removeprefix(SCHEME)
    if path == address or not path.strip("/"):
        raise ConfigError(f"audit {address!r} is no answer log; write {SCHEME}PATH, or {OFF}")
    return root / Path(path).expanduser()


class LogFile:
    """Appends to one log. Safe in threads; a process that was forked makes its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._inode: tuple[int, int] | None = None

    def open(self) -> None:
        """Open the log, or make it. Raises RagcError, in one line, when that cannot be."""
        with self._lock, _told(self.path):
            self._current()

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line. Raises RagcError, in one line, when it cannot be written; then none of it is there."""
        # What UTF-8 has no form for (half a surrogate pair) stays as JSON's own escape, so that every line can be read.
        line = (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        with self._lock, _told(self.path):
            descriptor = self._current()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                _append(descriptor, line)
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the descriptor back; the next line opens it again."""
        with self._lock:
            self._close()

    def _current(self) -> int:
        """The descriptor of the file that has the name now."""
        try:
            there = os.stat(self.path)
            inode: tuple[int, int] | None = (there.st_dev, there.st_ino)
        except FileNotFoundError:
            inode = None
        if self._descriptor is None or inode is None or inode != self._inode:
            self._close()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, MODE)
            opened = os.fstat(self._descriptor)
            self._inode = (opened.st_dev, opened.st_ino)
        return self._descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._inode = None


def _append(descriptor: int, line: bytes) -> None:
    """Write a line at the end, whole or not at all; the lock is held."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    try:
        written = os.write(descriptor, line)
        while written < len(line):  # a full disk takes a part, and says so at the next attempt
            written += os.write(descriptor, line[written:])
    except OSError:
        os.ftruncate(descriptor, size)
        raise


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn OSError into the one line of RagcError that names the log."""
    try:
        yield
    except OSError as error:
        raise RagcError(f"the answer log: {write_error(path, error)}; no answer is given unlogged") from error
