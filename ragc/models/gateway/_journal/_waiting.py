"""Threads of this process that wait for a key, and what wakes them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Waiting:
    """Who waits for which key."""

    def __init__(self) -> None:
        self._events: dict[bytes, list[threading.Event]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def woken_by(self, key: bytes) -> Iterator[threading.Event]:
        """Lend an event that `wake(key)` sets."""
        event = threading.Event()
        with self._lock:
            self._events.setdefault(key, []).append(event)
        try:
            yield event
        finally:
            with self._lock:
                self._events[key].remove(event)
                if not self._events[key]:
                    del self._events[key]

    def wake(self, key: bytes) -> None:
        """The flight of a key has ended."""
        with self._lock:
            for event in self._events.get(key, ()):
                event.set()
