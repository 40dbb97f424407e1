"""Who a run tells what happens: the listener it was given, and on demand a file for machines."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from ragc._files import write_error
from ragc._secrets import redact, redact_json
from ragc.compiler._events import Event, Finished, OnEvent, Seen, Warned, Working
from ragc.errors import RagcError

if TYPE_CHECKING:
    from ragc.models import Gateway

WINDOW = 10.0
"""Seconds over which calls a second are counted."""


class Teller:
    """Hands every event on, with what can be seen of the calls, and appends it to a file: one JSON object a line.

    A context manager, safe in threads: the listener is called by one at a time. Each line has `at` (UTC) and `event`
    (`working`, `finished`, `warned`, at the end `result` or `error`), and the event's own fields. Lines are written as
    things happen, and hold no secret; where the disk refuses one, RagcError is raised.
    """

    def __init__(self, listener: OnEvent, path: Path | None) -> None:
        """Raises RagcError where the file cannot be written."""
        self._gateway: Gateway | None = None
        self._lock = threading.RLock()
        self._listener = listener
        self._path = path
        self._file: TextIO | None = None
        self._told: set[str] = set()
        self._counts: deque[tuple[float, int]] = deque()
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a", encoding="utf-8", buffering=1)
            except OSError as error:
                raise write_error(path, error) from error

    def __enter__(self) -> Teller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(RagcError, OSError):  # a full disk has its error already
            if error is not None:
                self._write("error", {"kind": type(error).__name__, "text": redact(str(error))})
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        with self._lock:
            self._tell_notes()
            if isinstance(event, Working) and self._gateway is not None:
                event = replace(event, seen=self._seen(self._gateway))
            self._hand_on(event)

    def follow(self, gateway: Gateway) -> None:
        """Tell of the calls of this gateway, and at once what it wants a person to know: nothing else may happen."""
        self._gateway = gateway
        gateway.on_note = lambda note: self._tell_notes()

    def result(self, value: dict[str, Any]) -> None:
        """Append what the run came to."""
        with self._lock:
            self._write("result", value)

    def _hand_on(self, event: Event) -> None:
        if self._file is not None:
            self._append(event)
        self._listener(event)

    def _append(self, event: Event) -> None:
        match event:
            case Working():
                self._write("working", {**asdict(event), "seen": None if event.seen is None else asdict(event.seen)})
            case Finished():
                self._write("finished", asdict(event))
            case Warned():
                self._write("warned", asdict(event))

    def _tell_notes(self) -> None:
        """What the gateway wants a person to know, once."""
        with self._lock:
            for note in [] if self._gateway is None else list(self._gateway.notes):
                if note not in self._told:
                    self._told.add(note)
                    self._hand_on(Warned(note))

    def _seen(self, gateway: Gateway) -> Seen:
        status, now = gateway.status(), time.monotonic()
        self._counts.append((now, status.paid.calls))
        while self._counts[0][0] < now - WINDOW:
            self._counts.popleft()
        since, before = self._counts[0]
        return Seen(
            paid=status.paid,
            hits=status.hits,
            calls_per_second=(status.paid.calls - before) / max(now - since, 1.0),
            concurrency=status.concurrency,
            retries=status.retries,
            spent=None if status.paid.usd is None else float(gateway.account.spent.usd),
            cap=gateway.budget.usd,
            waiting_for=status.waiting_for,
        )

    def _write(self, name: str, fields: dict[str, Any]) -> None:
        if self._file is None or self._path is None:
            return
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = redact_json({"at": at, "event": name, **fields})
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise write_error(self._path, error) from error
