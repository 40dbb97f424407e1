"""Where a response comes from: the journal, a call that is under way, or the provider, who is paid for it once.

Invariants:

- Before a request is sent its worst case is reserved with the account, and written to the journal.
- A response is in the journal before anyone sees it, and the account is settled with what it really took.
- A key is asked for once at a time: threads wait for the one that asks, processes for the one that has it in flight.
- In a replay nothing is sent; and a call that had failed when its step was decided on fails again, whatever the journal
  has learnt since.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime

from ragc._secrets import redact_json
from ragc.errors import ExampleError
from ragc.models.gateway._account import Account
from ragc.models.gateway._amounts import Amounts
from ragc.models.gateway._calls import Call, Tally, Usage
from ragc.models.gateway._journal import Entry, Failure, Journal
from ragc.models.gateway._key import Asked
from ragc.models.gateway._record import Record
from ragc.models.gateway._replay import Replay, failure_of
from ragc.models.gateway._sending import Sent
from ragc.models.gateway._steps import current_step

NOTED = 0.5
"""Seconds of a run with a cap on them after which the journal hears of them again."""
_LOOK = 1.0
"""Seconds that one waits for another process's answer before it is looked whether the run was stopped meanwhile."""


class Responses:
    """See the module. Safe in threads."""

    def __init__(  # noqa: PLR0913  what one run brings along
        self,
        journal: Journal,
        account: Account,
        record: Record,
        check: Callable[[], None],
        *,
        run: str,
        task: str,
        replay: Replay | None,
        earlier: Replay | None,
        seconds: float | None,
    ) -> None:
        """`check` raises where no request may be sent any more; `seconds` of the run so far, None: they have no cap."""
        self._journal, self._account, self._record, self._check = journal, account, record, check
        self._run, self._task = run, task
        self._replay, self._earlier = replay, earlier
        self._noted = seconds
        self._lock = threading.Lock()
        self._flying: dict[str, Future[Entry]] = {}
        self._paid = Tally()
        self.dearest = Amounts()
        """The worst case of the dearest call so far, in each dimension; no call in it."""

    @property
    def paid(self) -> Usage:
        """What this command has paid for."""
        with self._lock:
            return self._paid.usage

    def get(
        self, model: str, asked: Asked, worst: Callable[[], Amounts], send: Callable[[Amounts], Sent]
    ) -> tuple[Entry, bool]:
        """The entry for a key, and whether it was there already.

        `worst` says what the call can take at most, `send` sends it. Raises what they raise, what `check` raises,
        BudgetReached, what the call has failed with before, and what a replay misses.
        """
        with self._lock:
            flying = self._flying.get(asked.key)
            if flying is None:
                mine = self._flying[asked.key] = Future()
        if flying is not None:
            return flying.result(), True
        try:
            found = self._fetch(model, asked, worst, send)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(found[0])
            return found
        finally:
            with self._lock:
                del self._flying[asked.key]

    def failed_then(self, asked: Asked) -> Exception | None:
        """The error that the same call had when its step was decided on: in the run that is replayed, or before a kill.

        The journal may hold the answer by now: it came when the run asked again.
        """
        if self._earlier is None:
            return None
        inner = self._record.inner
        before = 0 if inner is None else sum(call.key == asked.key for call in inner)
        return self._earlier.failed_then(asked, current_step(), None if inner is None else inner.example, before)

    def _fetch(
        self, model: str, asked: Asked, worst: Callable[[], Amounts], send: Callable[[Amounts], Sent]
    ) -> tuple[Entry, bool]:
        found = self._journal.find(asked.key)
        if found is not None:
            return found, True
        if self._replay is not None:
            inner = self._record.inner
            example, ordinal = (None, 0) if inner is None else (inner.example, len(inner))
            raise self._replay.missing(asked, current_step(), example, ordinal)
        failed = self.failed_then(asked)
        if failed is not None:
            raise failed
        self._check()
        self._note_seconds()
        return self._pay(model, asked, worst(), send)

    def _pay(self, model: str, asked: Asked, most: Amounts, send: Callable[[Amounts], Sent]) -> tuple[Entry, bool]:
        """Reserve, claim, send, settle: in this order."""
        step = current_step()
        if step is None or not step.is_aside:
            self._note_dear(most)
        reservation = self._account.reserve(most)
        failure: Failure | None = None
        claimed = False
        try:
            other = self._claim(asked.key, most)
            if other is not None:
                return other, True
            claimed = True
            try:
                sent = send(most)
            except ExampleError as error:
                failure = failure_of(error)
                raise
            entry = self._entry(model, asked, sent)
            with self._lock:
                self._paid.add(as_call(model, entry, hit=False))
            reservation.settle(sent.counted.amounts)
            if sent.refused is not None:
                failure = failure_of(sent.refused) if isinstance(sent.refused, ExampleError) else None
                raise sent.refused
            self._journal.settle(asked.key, entry)
            claimed = False
            return entry, False
        finally:
            reservation.release()  # nothing to do where it was settled
            if claimed:
                self._journal.release(asked.key, failure)

    def _claim(self, key: str, worst: Amounts) -> Entry | None:
        """The right to ask for `key`, durably; an entry where another process has answered it meanwhile."""
        while True:
            claimed = self._journal.claim(key, self._run, worst)
            if claimed.mine:
                return None
            found = claimed.entry or self._journal.wait(key, timeout=_LOOK)
            if found is not None:
                return found
            self._check()

    def _entry(self, model: str, asked: Asked, sent: Sent) -> Entry:
        counted = sent.counted
        return Entry(
            key=asked.key,
            kind=sent.kind,
            model=model,
            provider=str(asked.request.get("provider", "")),
            request=redact_json(asked.request, asked.canonical),
            response=sent.response,
            input_tokens=counted.amounts.input_tokens,
            cached_input_tokens=counted.cached_input_tokens,
            output_tokens=counted.amounts.output_tokens,
            usd=counted.usd,
            seconds=sent.seconds,
            run=self._run,
            task=self._task,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _note_seconds(self) -> None:
        """Tells the journal now and then how long a run with a cap in seconds has taken: a kill gives no time back."""
        if self._noted is None or not self._run:
            return
        with self._lock:
            seconds = self._account.seconds
            if seconds < self._noted + NOTED:
                return
            self._noted = seconds
        self._journal.update_run(self._run, seconds=seconds)

    def _note_dear(self, worst: Amounts) -> None:
        with self._lock:
            known = self.dearest
            self.dearest = Amounts(
                0,
                max(known.input_tokens, worst.input_tokens),
                max(known.output_tokens, worst.output_tokens),
                max(known.usd, worst.usd),
            )


def as_call(model: str, entry: Entry, *, hit: bool) -> Call:
    """What a run is told of an entry that was used."""
    return Call(
        model,
        entry.input_tokens,
        entry.output_tokens,
        entry.cached_input_tokens,
        None if entry.usd is None else float(entry.usd),
        entry.seconds,
        key=entry.key,
        hit=hit,
        kind=entry.kind,
    )
