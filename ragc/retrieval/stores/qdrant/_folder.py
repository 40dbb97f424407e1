"""Qdrant's local mode, for several processes: its files are read into memory whole, so one must know when they changed.

A file beside Qdrant's own says which state they are in; whoever writes changes it before and after, and whoever finds
another state than the one in memory reads anew. A lock keeps all others out for the time of one operation. Qdrant's own
lock, which would keep them out for as long as the client is open, is given back once it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient

from ragc.retrieval.stores.qdrant._persistence import keep_as_json

# What a fork left in the child: neither used nor closed there.
_inherited: list[object] = []
_folders: dict[Path, Folder] = {}
_opening = threading.Lock()


class Folder:
    """The files of a local mode as this process knows them; one for each folder, whatever the number of stores."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._client: QdrantClient | None = None
        self._known = ""

    @contextlib.contextmanager
    def lent(self, *, writing: bool = False) -> Iterator[QdrantClient]:
        """Lend the client; nobody else reads or writes meanwhile. What `writing` leaves undone is read anew."""
        with self._lock:
            self._path.mkdir(parents=True, exist_ok=True)
            with locked(self._path / "ragc.lock"):
                client = self._current()
                if not writing:
                    yield client
                    return
                self._known = self._changed()
                try:
                    yield client
                except BaseException:
                    self.close()
                    raise
                finally:
                    held = self._changed()
                    self._known = held if self._client is not None else ""

    def close(self) -> None:
        """Forget what was read."""
        with self._lock:
            client, self._client, self._known = self._client, None, ""
            if client is not None:
                client.close()

    def _current(self) -> QdrantClient:
        stamp = self._path / "ragc.stamp"
        found = stamp.read_text() if stamp.exists() else ""
        if self._client is None or found != self._known:
            self.close()
            self._client, self._known = _opened(self._path), found
        return self._client

    def _changed(self) -> str:
        stamp = uuid.uuid4().hex
        (self._path / "ragc.stamp").write_text(stamp)
        return stamp


def folder_at(path: Path) -> Folder:
    """The one Folder of this process for `path`."""
    with _opening:
        return _folders.setdefault(path.absolute(), Folder(path.absolute()))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file until the end of the block; the system frees it when the process ends, however it ends."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _opened(path: Path) -> QdrantClient:
    import portalocker

    held = path / ".lock"
    if held.exists():  # Qdrant's own lock; its client would leave the file open where another one has it
        with held.open("r+") as file:
            try:
                portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
            except portalocker.exceptions.LockException as error:
                raise RuntimeError("the folder is already accessed by another instance of Qdrant client") from error
            portalocker.unlock(file)
    keep_as_json(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that there are many points; docs/stores.md says so
        client = QdrantClient(path=str(path), force_disable_check_same_thread=True)
    local: Any = client._client
    portalocker.unlock(local._flock_file)
    return client


def _forget() -> None:
    global _opening
    _inherited.extend(folder._client for folder in _folders.values())
    _opening = threading.Lock()
    for folder in _folders.values():
        folder.__init__(folder._path)  # type: ignore[misc]  # the stores keep their reference


os.register_at_fork(after_in_child=_forget)
