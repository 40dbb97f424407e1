"""Files as ragc writes them: whole or not at all; and the bytes that digests are taken over."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ragc.errors import RagcError

_ADVICE = {
    errno.ENOSPC: "free some space and try again",
    errno.EDQUOT: "free some space and try again",
    errno.EROFS: "run in a folder that can be written",
    errno.EACCES: "give yourself write permission or run in a folder that can be written",
    errno.EPERM: "give yourself write permission or run in a folder that can be written",
    errno.ENOTDIR: "a part of the path is a file; move it away",
    errno.EEXIST: "a part of the path is a file; move it away",
    errno.EISDIR: "a folder stands in its place; move it away",
}


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path` as `writing_atomically` does."""
    with writing_atomically(path) as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)


@contextlib.contextmanager
def writing_atomically(path: Path) -> Iterator[BinaryIO]:
    """Write to `path` so that a reader, or a crash at any moment, meets the old file or the new.

    What is written in the block goes to a temporary file in the same folder, which is fsynced and renamed at its end;
    then the folder is fsynced. Missing folders are made; a symbolic link is written through. Raises RagcError, in one
    line, when the disk is full or read-only.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        fsync_folder(target.parent)
    except OSError as error:
        raise write_error(path, error) from error


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (a rename is only then on the disk). Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_error(path: Path, error: OSError) -> RagcError:
    """Return the one line that says why `path` could not be written and what to do."""
    reason = (error.strerror or str(error)).lower()
    advice = _ADVICE.get(error.errno or 0, "see whether the folder can be written")
    return RagcError(f"cannot write {path}: {reason}; {advice}")


@contextlib.contextmanager
def locked(path: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of a file, made where it is missing, which the system frees when its process ends, however it ends.

    `waiting` is called once when another process holds it. On a file system without locks nothing is held. Raises
    RagcError where the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise write_error(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # no locks here: nobody else is expected either
            pass
        yield


def canonical_json(value: object) -> bytes:
    """Return `value` as the one JSON text that digests are taken over: keys sorted, no spaces, UTF-8.

    Raises ValueError on NaN and infinities and TypeError on what JSON has no form for.
    """
    return _canonical(value).encode("utf-8")


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def append_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Append each as a line of JSON, on the disk when this returns; where they do not fit, the file is as it was.

    A last line that has no end gets one. The file must be there; of several processes, the caller holds the lock
    (`locked(path)`, which makes it). Raises RagcError when it cannot be written.
    """
    if not lines:
        return
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        # Unbuffered: what a buffer still holds of a line that did not fit would be written by truncating and closing.
        with path.open("r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                text = "\n" + text
            try:
                rest = text.encode()
                while rest:  # a disk that fills up takes a part, and refuses the next
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
        fsync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
