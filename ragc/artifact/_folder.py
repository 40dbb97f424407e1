"""The folder of an artifact on the disk: read whole, and replaced whole.

Replacing: the new folder is written under a hidden name beside the target, every file and folder is fsynced, and then
the two change places in one step (Linux: renameat2 with RENAME_EXCHANGE). At every moment the target's name leads to a
whole artifact, the old one or the new one. Where the file system cannot exchange, the old one is renamed to
`.NAME.previous` and the new one takes its place; in between, readers find the old one there, and the next seal puts it
back if the process was killed at that moment.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ragc._files import fsync_folder

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CANNOT_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}


@dataclass(frozen=True)
class ReadFolder:
    """What was read of a folder: the bytes of its plain files by relative path."""

    path: Path
    files: Mapping[str, bytes]
    others: frozenset[str]
    """What is neither a plain file nor a folder with plain files: links, sockets, empty folders."""
    inode: tuple[int, int]

    def was_replaced(self) -> bool:
        """Whether another folder stands in its place by now, or none."""
        try:
            return _inode(os.stat(self.path)) != self.inode
        except FileNotFoundError:
            return True


def read_folder(path: Path) -> ReadFolder:
    """Read every file below `path`, through the one folder that was opened: an exchange does not mix old and new.

    Raises OSError: FileNotFoundError, NotADirectoryError, PermissionError.
    """
    files: dict[str, bytes] = {}
    others: set[str] = set()
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder, folders, names, at in os.fwalk(".", dir_fd=descriptor, onerror=_raise):
            below = "" if folder == "." else folder.removeprefix("./") + "/"
            if not folders and not names and below:
                others.add(below)
            others.update(below + name for name in folders if not _is_folder(name, at))
            for name in names:
                data = _read_plain(name, at)
                if data is None:
                    others.add(below + name)
                else:
                    files[below + name] = data
        return ReadFolder(path, files, frozenset(others), _inode(os.fstat(descriptor)))
    finally:
        os.close(descriptor)


def previous_of(target: Path) -> Path:
    """Where the old artifact stands for a moment, on a file system that cannot exchange two names."""
    return target.with_name(f".{target.name}.previous")


def replace_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder with `files` at `target`, as described at the top; the folder that stood there is removed.

    One process at a time for a parent folder; the others wait. Raises OSError, and then the old one is in its place.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent):
        _tidy(target)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
        try:
            _write(temporary, files)
            _swap(temporary, target)
        except BaseException:
            _remove(temporary)
            raise
        # From here on the new one is in its place: what fails now is no failure of the seal.
        with contextlib.suppress(OSError):
            fsync_folder(target.parent)
        _remove(temporary)


def _swap(temporary: Path, target: Path) -> None:
    """Put `temporary` at `target`; what stood at `target` is at `temporary` afterwards, or gone."""
    if not target.exists():
        os.rename(temporary, target)
        return
    try:
        _exchange(temporary, target)
    except OSError as error:
        if error.errno not in _CANNOT_EXCHANGE:
            raise
        _step_aside(temporary, target)


def _step_aside(temporary: Path, target: Path) -> None:
    previous = previous_of(target)
    os.rename(target, previous)
    try:
        os.rename(temporary, target)
    except OSError:
        os.rename(previous, target)
        raise
    with contextlib.suppress(OSError):
        fsync_folder(target.parent)
    _remove(previous)


def _exchange(one: Path, other: Path) -> None:
    """Let two names change places in one step. Raises OSError, ENOSYS where the system has no such call."""
    library = ctypes.CDLL(None, use_errno=True)
    renameat2 = getattr(library, "renameat2", None) if sys.platform == "linux" else None
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(other))
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write and fsync every file, then every folder, so that the names are as durable as the bytes."""
    folders = {folder}
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in path.parents if parent == folder or folder in parent.parents)
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for path in folders:
        fsync_folder(path)


def _tidy(target: Path) -> None:
    """Remove what a killed seal left behind, and put the old artifact back if it was killed while that stood aside."""
    previous = previous_of(target)
    if previous.exists() and not target.exists():
        os.rename(previous, target)
    _remove(previous)
    for stale in target.parent.glob(f".{target.name}.*.tmp"):
        _remove(stale)


def _remove(folder: Path) -> None:
    """Remove a hidden folder; what cannot be removed now, the next seal removes."""
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the kernel lets go of when the process dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: then nobody else is expected there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_plain(name: str, at: int) -> bytes | None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            return None
        raise
    with open(descriptor, "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def _is_folder(name: str, at: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _raise(error: OSError) -> None:
    raise error
