"""A lock that processes on different machines share, as far as it is the same for every server: its signs of life.

Who waits and has seen the same sign of life for LEASE seconds takes the holder for dead. No clocks are compared.
"""

from __future__ import annotations

import contextlib
import threading
import time

from ragc.errors import StoreError

BEAT = 1.0
"""Seconds between two signs of life."""
LEASE = 8.0
"""Seconds without one after which a holder is dead."""
POLL = 0.2
"""Seconds between two looks at a lock that another one holds."""


class Lease:
    """A lock that is held. `check` says whether it still is."""

    def __init__(self, shown: str) -> None:
        """`shown` is the server, for messages."""
        self._shown = shown
        self._renewed = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="ragc-lease", daemon=True)

    def check(self) -> None:
        """Raise StoreError when the lease may have been given to another one."""
        if time.monotonic() - self._renewed > LEASE * 0.6:
            raise StoreError(
                f"{self._shown} was out of reach for so long that another update may have begun; run the command again"
            )

    def _beat(self) -> None:
        """Give one sign of life."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Go on giving them."""
        self._thread.start()

    def _end(self) -> None:
        """Give no more."""
        self._ended.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._ended.wait(BEAT):
            begun = time.monotonic()
            # A beat that fails is no reason to end: the next one may not, and `check` knows how long it has been.
            with contextlib.suppress(Exception):
                self._beat()
                self._renewed = begun
