"""Ctrl-C during a run: the first stops it in order, the second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from ragc.models import RunInterrupted

if TYPE_CHECKING:
    from ragc.models import Gateway


class Interrupts:
    """A context manager around a run.

    The first Ctrl-C raises nothing: it stops the gateway, and that is looked at where it is safe, by every call before
    it is sent, by every example before it is begun and by every step of a run. What is in flight is waited
    for (as long as a call's timeout at most), then RunInterrupted is raised there, and the run seals the best so far.
    The second gives up: `again` is called; without it KeyboardInterrupt is raised, wherever the main thread is. Either
    way nothing that was received is lost.

    Only in the main thread, and only where Python's own handler is in place: whoever has installed another one wants
    to decide himself.
    """

    def __init__(self, gateway: Gateway, again: Callable[[], None] | None = None) -> None:
        self._gateway = gateway
        self._again = again
        self._count = 0
        self._installed = False

    def __enter__(self) -> None:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)
            self._installed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            # In a thread of its own: this one may hold the very lock that stopping takes.
            threading.Thread(target=self._gateway.stop, args=(RunInterrupted("interrupted"),), daemon=True).start()
            return
        if self._again is not None:
            self._again()
        raise KeyboardInterrupt
