"""Who has a journal open: whose requests are still on their way, and whether one is alone with the file.

Every process that has the journal open holds operating-system locks in the folder beside it, which the system frees
when the process ends, however it ends. So nothing outlives a kill, and a process number that comes again deceives
nobody.

    journal.owners/<id>       locked by the process that opened the journal under this id: while it is, its flights live
    journal.owners/presence   shared by all that have the journal open; held alone to prune it or to set it aside
    journal.owners/door       held for a moment to come in, and by whoever is alone until it is done
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

from ragc.errors import RagcError

PATIENCE = 2.0
"""Seconds that one waits to be alone: a listing by another process takes less."""
_NAMED = ("presence", "door")

_entered: weakref.WeakSet[Presence] = weakref.WeakSet()


class Presence:
    """One opening of a journal. `id` is what its flights are marked with."""

    def __init__(self, folder: Path | None, *, read_only: bool = False) -> None:
        """Come in; without a folder (a journal in memory) there is nobody else. Raises OSError.

        Blocks while another process is alone with the journal. Read-only: no flights, so no lock of one's own, and no
        lock at all where the folder cannot be read.
        """
        self.id = secrets.token_hex(16)
        self._folder = folder
        self._presence: int | None = None
        self._own: int | None = None
        if folder is None:
            return
        with contextlib.ExitStack() as stack:
            if read_only:
                stack.enter_context(contextlib.suppress(OSError))
            else:
                folder.mkdir(parents=True, exist_ok=True)
            with self._door(read_only=read_only):
                self._presence = _lock_file(folder / "presence", read_only=read_only)
                fcntl.flock(self._presence, fcntl.LOCK_SH)
                if not read_only:
                    self._sweep()
                    self._own = _lock_file(folder / self.id)
                    fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _entered.add(self)

    def alive(self, owner: str) -> bool:
        """Whether the process that opened the journal under this id still has it open."""
        if owner == self.id:
            return True
        if self._folder is None:
            return False
        try:
            other = os.open(self._folder / owner, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that two who look at the same time do not take each other for the owner.
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(other)
        return False

    @contextlib.contextmanager
    def alone(self, name: str, what: str) -> Iterator[None]:
        """Nobody else has the journal open, or opens it, inside the block. Raises RagcError when somebody has it.

        `what` says in the error what is to be done alone.
        """
        if self._presence is None:
            yield
            return
        with self._door():
            deadline = time.monotonic() + PATIENCE
            # Turning a shared lock into the only one gives it up for a moment; with the door shut nobody uses that.
            while not _locked(self._presence, fcntl.LOCK_EX):
                fcntl.flock(self._presence, fcntl.LOCK_SH)
                if time.monotonic() > deadline:
                    raise RagcError(f"{name} is in use by another process; {what} when that has ended")
                time.sleep(0.05)
            try:
                yield
            finally:
                fcntl.flock(self._presence, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Give all locks back."""
        if self._own is not None and self._folder is not None:
            with contextlib.suppress(OSError):
                (self._folder / self.id).unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the files and nothing else: in a forked child the locks are the parent's, and stay."""
        for descriptor in (self._own, self._presence):
            if descriptor is not None:
                os.close(descriptor)
        self._own = self._presence = None

    @contextlib.contextmanager
    def _door(self, *, read_only: bool = False) -> Iterator[None]:
        if self._folder is None:
            raise ValueError("a journal in memory has no door")
        door = _lock_file(self._folder / "door", read_only=read_only)
        try:
            fcntl.flock(door, fcntl.LOCK_EX)
            yield
        finally:
            os.close(door)

    def _sweep(self) -> None:
        """Remove the files of those who are gone, with the door shut: no file is without its lock yet."""
        if self._folder is None:
            return
        for file in self._folder.iterdir():
            if file.name not in _NAMED and not self.alive(file.name):
                file.unlink(missing_ok=True)


def _lock_file(path: Path, *, read_only: bool = False) -> int:
    return os.open(path, (os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT) | os.O_CLOEXEC, 0o644)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _forked() -> None:
    for presence in list(_entered):
        presence.close()


os.register_at_fork(after_in_child=_forked)
