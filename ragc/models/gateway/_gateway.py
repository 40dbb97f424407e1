"""The gateway: the one object through which every call of a run goes.

Before a call its worst case is reserved with the account and written to the journal; then it waits for its turn with
the model's limiter and is tried until it succeeds or its retries are used up; what comes back is committed to the
journal before anyone sees it, and the account is settled with what it really took. A key that the journal holds, or
that another thread or process is asking for, is not asked again.

Invariants, each with a file of its own: spend never passes a cap (`_account`), a response that was received is never
lost nor asked for again (`_journal`), one refusal slows all threads alike (`_limiter`), no failure is tried for ever
(`_retry`), and what was decided can be decided again from the journal alone (`_steps`).
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import dspy
from dspy._vendor.lm15.serde import request_to_dict, response_from_dict
from dspy.lm15 import Request, Response

from ragc._secrets import redact_json
from ragc.errors import BudgetExhausted, ExampleError, Interrupted, RagcError
from ragc.models._embeddings import Embedded
from ragc.models._errors import ModelRefused
from ragc.models._ranking import Ranked
from ragc.models.gateway._account import Account, Amounts
from ragc.models.gateway._bounds import embedding_worst_case, ranking_worst_case, worst_case
from ragc.models.gateway._calls import Call, Kind, Recording, Tally, Usage, total
from ragc.models.gateway._journal import Entry, Failure, Journal, Use
from ragc.models.gateway._key import Asked, ask, ask_alone
from ragc.models.gateway._replay import Replay, failure_of
from ragc.models.gateway._retry import IN_A_RUN, Retry
from ragc.models.gateway._sending import Sender, Sent
from ragc.models.gateway._steps import Step, StopAt, current_step
from ragc.models.gateway._watch import Watcher

if TYPE_CHECKING:
    from dspy.utils.callback import BaseCallback

    from ragc.models._embeddings import Embeddings
    from ragc.models._engine import Engine
    from ragc.models._ranking import Ranking
    from ragc.project import Budget

Answer = TypeVar("Answer")

NOTHING = Amounts()
ASYNC_THREADS = 64
"""Awaited calls of a run that can be under way at once."""
NOTED = 0.5
"""Seconds of a run with a cap on them after which the journal hears of them again."""
_LOOK = 30.0
"""Seconds that one waits for another process's answer before it is looked whether that process is alive."""


@dataclass(frozen=True)
class Status:
    """What can be seen of a run while it goes on."""

    paid: Usage
    """What this command has paid for."""
    hits: int
    """Calls that the journal answered."""
    concurrency: int
    """Calls that may be under way at once, as the limiters have it now."""
    retries: int
    waiting_for: str | None
    """What the run waits for, where it is something unusual (a provider that asks for an hour)."""


class Gateway:
    """See the module. Safe in threads; copies are the gateway itself, because a budget must not fork.

    Without a journal it keeps its answers in memory: for a run that nobody resumes.
    """

    def __init__(  # noqa: PLR0913  what one run brings along
        self,
        budget: Budget | None = None,
        *,
        journal: Journal | None = None,
        run: str = "",
        task: str = "",
        generation: int = 0,
        spent: Amounts = NOTHING,
        seconds: float = 0.0,
        replay: Replay | None = None,
        earlier: Replay | None = None,
        retry: Retry | None = None,
        admitted: int = 0,
        stop_at: StopAt | None = None,
    ) -> None:
        """`spent` and `seconds` are what earlier commands of the same run took; `admitted` its steps so far.

        `earlier` are its complete steps: a call that had failed when one of them was decided on is not sent for it
        again.
        """
        from ragc.project import Budget

        self.budget = budget or Budget()
        self.account = Account(self.budget, spent=spent, seconds=seconds)
        self.journal = journal or Journal.in_memory()
        self.run = run
        self.task = task
        self.generation = generation
        self.replay = replay
        self._earlier = replay or earlier
        self.retry = retry or IN_A_RUN
        self.fatal: RagcError | None = None
        """The first refusal for good, remembered because optimizers swallow exceptions; every later call raises it."""
        self.resolved: dict[str, str] = {}
        """The model string as configured, to the name that the provider answered with."""
        self.notes: list[str] = []
        """What a person should be told, such as a provider's impossible usage."""
        self.on_note: Callable[[str], None] | None = None
        """Called with each note as soon as it is there, from any thread."""
        self.admitted = admitted
        self._stop_at = stop_at
        self._stopped: Exception | None = None
        self._steps = self._complete = 0
        self._between = Step(-1, "between steps")
        self._lock = threading.Lock()
        self._flying: dict[str, Future[Entry]] = {}
        self._hits = 0
        self._is_exhausted = False
        self.dearest = Amounts()
        """The worst case of the dearest call so far, in each dimension; no call in it."""
        self._paid = Tally()
        self._used: dict[str, Call] = {}
        self._sender = Sender(self.retry, self.account, self._check, self._tell)
        self._strangers: dict[str, None] = {}
        self._watcher = Watcher(self)
        self._pool: ThreadPoolExecutor | None = None
        self._noted = seconds
        self._setting = f"ragc_recordings_{id(self)}"  # DSPy takes its settings along into the threads that it starts

    def __copy__(self) -> Gateway:
        return self

    def __deepcopy__(self, memo: object) -> Gateway:
        return self

    # -- one call

    def complete(self, engine: Engine, request: Request) -> Response:
        """The response to `request`: from the journal, from a call that is under way, or from the model.

        Raises ModelError, ExampleError or BudgetExhausted (each a DSPy LMError as well), or what `stop` was given.
        """

        def read(entry: Entry) -> Response:
            response = response_from_dict(entry.response)
            engine.check(response)
            return response

        asked = ask(request_to_dict(request), engine.answers, self.generation)
        response = self._call(
            engine.settings.model,
            asked,
            lambda: worst_case(request, engine.settings, budget=self.budget, canonical=asked.canonical),
            lambda worst: self._sender.complete(engine, request, worst),
            read,
        )
        self.resolved[engine.settings.model] = response.model
        return response

    async def acomplete(self, engine: Engine, request: Request) -> Response:
        """Unlike `complete`: awaited. The call waits in a thread of the gateway's own; a cancelled one is kept."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(ASYNC_THREADS, thread_name_prefix="ragc-gateway")
            pool = self._pool
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(pool, context.run, self.complete, engine, request)

    def embed(self, endpoint: Embeddings, request: Mapping[str, Any], dimensions: int | None = None) -> Embedded:
        """The vectors for the texts of `request` (`Embeddings.request`), like `complete`.

        Raises what `complete` does, and ModelError for vectors that have other `dimensions`, where those are given.
        Vectors that cannot be used are paid for, and asked for again by whoever asks again.
        """

        def read(entry: Entry) -> Embedded:
            embedded = Embedded.from_json(entry.response)
            endpoint.check(embedded, dimensions)
            return embedded

        return self._call(
            endpoint.settings.model,
            ask_alone(request, endpoint.answers, self.generation),
            lambda: embedding_worst_case(endpoint.texts_of(request), endpoint.settings, budget=self.budget),
            lambda worst: self._sender.embed(endpoint, request, dimensions, worst),
            read,
            kind="embedding",
        )

    def rank(self, endpoint: Ranking, request: Mapping[str, Any]) -> Ranked:
        """The scores of the documents of `request` (`Ranking.request`), like `complete`. Raises what it does."""
        return self._call(
            endpoint.settings.model,
            ask_alone(request, endpoint.answers, self.generation),
            lambda: ranking_worst_case(request, endpoint, budget=self.budget),
            lambda worst: self._sender.rank(endpoint, request, worst),
            lambda entry: Ranked.from_json(entry.response),
            kind="rerank",
        )

    def _call(
        self,
        model: str,
        asked: Asked,
        worst: Callable[[], Amounts],
        send: Callable[[Amounts], Sent],
        read: Callable[[Entry], Answer],
        kind: Kind = "lm",
    ) -> Answer:
        """One call, from its key to its record. `read` raises where the entry is no answer."""
        call = unanswered = Call(model, 0, 0, 0, 0.0, 0.0, key=asked.key, kind=kind)
        try:
            entry, hit = self._once(asked, lambda: self._fetch(model, asked, worst, send))
            call = _as_call(model, entry, hit=hit)
            answer = read(entry)
            failed = self._failed_then(asked)
            if failed is not None:
                call = unanswered
                raise failed
        except Exception as error:
            self._record(asked, replace(call, error=str(error)))
            if isinstance(error, RagcError) and not isinstance(error, ExampleError | BudgetExhausted | Interrupted):
                self.refuse(error)
            raise
        self._record(asked, call)
        return answer

    def _once(self, asked: Asked, fetch: Callable[[], tuple[Entry, bool]]) -> tuple[Entry, bool]:
        """What `fetch` brings, called by one of the threads that ask for the same key at once; the others wait for it.

        Returns the entry, and whether it was there already.
        """
        with self._lock:
            flying = self._flying.get(asked.key)
            if flying is None:
                mine = self._flying[asked.key] = Future()
        if flying is not None:
            return flying.result(), True
        try:
            found = fetch()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(found[0])
            return found
        finally:
            with self._lock:
                del self._flying[asked.key]

    def _fetch(
        self, model: str, asked: Asked, worst: Callable[[], Amounts], send: Callable[[Amounts], Sent]
    ) -> tuple[Entry, bool]:
        found = self.journal.find(asked.key)
        if found is not None:
            return found, True
        if self.replay is not None:
            inner = self._recording
            example, ordinal = (None, 0) if inner is None else (inner.example, len(inner))
            raise self.replay.missing(asked, current_step(), example, ordinal)
        failed = self._failed_then(asked)
        if failed is not None:
            raise failed
        self._check()
        self._note_seconds()
        most = worst()
        step = current_step()
        if step is None or not step.is_aside:
            self._note_dear(most)
        reservation = self.account.reserve(most)
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
            self._pay(_as_call(model, entry, hit=False))
            reservation.settle(sent.counted.amounts)
            if sent.refused is not None:
                failure = failure_of(sent.refused) if isinstance(sent.refused, ExampleError) else None
                raise sent.refused
            self.journal.settle(asked.key, entry)
            claimed = False
            return entry, False
        finally:
            reservation.release()  # nothing to do where it was settled
            if claimed:
                self.journal.release(asked.key, failure)

    def _failed_then(self, asked: Asked) -> Exception | None:
        """The error that the same call had when its step was decided on: in the run that is replayed, or before a kill.

        The journal may hold the answer by now: it came when the run asked again.
        """
        if self._earlier is None:
            return None
        inner = self._recording
        before = 0 if inner is None else sum(call.key == asked.key for call in inner)
        return self._earlier.failed_then(asked, current_step(), None if inner is None else inner.example, before)

    def _note_seconds(self) -> None:
        """Tells the journal now and then how long a run with a cap in seconds has taken: a kill gives no time back."""
        if self.budget.seconds is None or not self.run:
            return
        with self._lock:
            seconds = self.account.seconds
            if seconds < self._noted + NOTED:
                return
            self._noted = seconds
        self.journal.update_run(self.run, seconds=seconds)

    def _claim(self, key: str, worst: Amounts) -> Entry | None:
        """The right to ask for `key`, durably; an entry where another process has answered it meanwhile."""
        while True:
            claimed = self.journal.claim(key, self.run, worst)
            if claimed.mine:
                return None
            found = claimed.entry or self.journal.wait(key, timeout=_LOOK)
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
            request=redact_json(asked.request),
            response=sent.response,
            input_tokens=counted.amounts.input_tokens,
            cached_input_tokens=counted.cached_input_tokens,
            output_tokens=counted.amounts.output_tokens,
            usd=counted.usd,
            seconds=sent.seconds,
            run=self.run,
            task=self.task,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    # -- what a run asks of it

    @property
    def usage(self) -> Usage:
        """What this command has paid for so far."""
        with self._lock:
            return self._paid.usage

    @property
    def cost(self) -> Usage:
        """What the complete steps used, each response counted once, whoever paid for it and when."""
        with self._lock:
            return total(self._used.values())

    @property
    def exhausted(self) -> bool:
        """Whether a call has been refused for the budget's sake since the reserve was last changed."""
        return self._is_exhausted or self.account.exhausted

    @contextmanager
    def recording(self, example: str | None = None) -> Iterator[Recording]:
        """Collects the calls made inside, in this context; a thread takes part through `contextvars.copy_context`, and
        DSPy's own threads (`dspy.Parallel`) by themselves.

        A call counts for every recording that is open around it; `example` is the id of what is being answered.
        """
        calls = Recording(example)
        with dspy.context(**{self._setting: (*self._open, calls)}):
            yield calls

    def new_step(self, label: str) -> Step:
        """The next step of the run; see `ragc.models.gateway._steps`."""
        with self._lock:
            self._steps += 1
            return Step(self._steps - 1, label)

    @property
    def begun_before(self) -> bool:
        """Whether an earlier command of this run had begun the step that comes next."""
        return self._steps < self.admitted

    def admitted_before(self, step: Step) -> bool:
        """Whether an earlier command of this run had begun the step: it is not asked again whether it is affordable."""
        return step.number < self.admitted

    def admit(self, step: Step) -> None:
        """The step is begun, for good. Raises what stopped the run here before, where it is to stop here again, and
        ModelError when a model was called past this gateway.
        """
        self._refuse_strangers()
        stop = self._stop_at
        if stop is not None and step.number >= stop.step:
            raise stop.error
        if step.number >= self.admitted:
            self.admitted = step.number + 1
            if self.replay is None and self.run:
                self.journal.update_run(self.run, admitted=self.admitted)

    def complete_step(self, step: Step) -> None:
        """The step is complete: what it used, and what was used since the last one, is written to the journal.

        Raises ModelError when a model was called past this gateway: what was decided then is not in the journal.
        """
        self._refuse_strangers()
        with self._lock:
            between, self._between = self._between, Step(-1, "between steps")
            self._complete = step.number + 1
            noted = [*between.used, *sorted(step.used, key=_place)]
            for use, call in noted:
                if call.has_response:
                    self._used.setdefault(use.key, call)
        if self.replay is None and self.run:
            self.journal.record_step(self.run, step.number, step.label, [use for use, _ in noted])

    @property
    def position(self) -> int:
        """The number of the step that is to be complete next: where a stop stands."""
        return self._complete

    def cut(self) -> None:
        """The run was stopped: steps that were begun and are not complete are given up, the next takes their place."""
        with self._lock:
            self._steps = self._complete
            self._stop_at = None

    @contextmanager
    def step(self, label: str) -> Iterator[Step]:
        """A step from its beginning to its end; it is complete when nothing is raised inside."""
        step = self.new_step(label)
        self.admit(step)
        with step.inside():
            yield step
        self.complete_step(step)

    @contextmanager
    def aside(self, label: str) -> Iterator[Step]:
        """Around what a run pays for and does not decide on, such as an index, which outlives it.

        The calls made inside are reserved, counted as paid and kept like any other; they are no use of the run, and no
        part of its cost.
        """
        step = Step(-1, label)
        with step.inside():
            yield step

    def exhaust(self) -> None:
        """Count the budget as used up: what comes next is known not to fit."""
        self._is_exhausted = True

    def set_aside(self, share: Amounts, seconds: float = 0.0) -> None:
        """Keep a share of the caps for the final test; one worst case comes on top, which its last call needs."""
        self.account.set_aside(share + self.dearest, seconds)
        self._is_exhausted = False

    def open_reserve(self) -> None:
        """Make what was set aside available."""
        self.account.open()
        self._is_exhausted = False

    def stop(self, error: Exception) -> None:
        """No further call is begun: whoever waits or asks gets `error`. What is under way is received and kept."""
        self._stopped = error
        self.account.stop(error)
        self._sender.stop(error)

    def refuse(self, error: RagcError) -> None:
        """Remember the first refusal for good."""
        with self._lock:
            self.fatal = self.fatal or error

    @property
    def strangers(self) -> tuple[str, ...]:
        """Models that were called while `watcher` looked on and that could not be taken over; they end the run."""
        with self._lock:
            return tuple(self._strangers)

    @property
    def watcher(self) -> BaseCallback:
        """The DSPy callback to have around everything that a run does: `dspy.context(callbacks=[…])`."""
        return self._watcher

    def note_stranger(self, model: str) -> None:
        """A call was made past this gateway."""
        with self._lock:
            self._strangers[model] = None

    def status(self) -> Status:
        """What can be seen while it runs."""
        with self._lock:
            paid, hits = self._paid.usage, self._hits
        limiters = self._sender.limiters
        waiting = next((limiter.waiting_for for limiter in limiters if limiter.waiting_for), None)
        allowed = sum(limiter.concurrency for limiter in limiters)
        return Status(paid, hits, allowed, sum(limiter.retries for limiter in limiters), waiting)

    def close(self) -> None:
        """Gives the LMs that were taken over their own engines back, and closes the journal."""
        self._watcher.release()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self.journal.close()

    # -- inside

    @property
    def _open(self) -> tuple[Recording, ...]:
        """The recordings around this context, the innermost last."""
        found: tuple[Recording, ...] = dspy.settings.get(self._setting, ())
        return found

    @property
    def _recording(self) -> Recording | None:
        return self._open[-1] if self._open else None

    def _refuse_strangers(self) -> None:
        names = self.strangers
        if not names:
            return
        error = ModelRefused(
            f"{', '.join(names)} {'were' if len(names) > 1 else 'was'} called past ragc, which can neither count nor "
            'repeat that: call models as dspy.LM("provider/name", …), with no more than api_key, api_base and timeout '
            "to say how they are reached"
        )
        self.refuse(error)
        raise error

    def _check(self) -> None:
        if self._stopped is not None:
            raise self._stopped
        if self.fatal is not None:
            raise self.fatal

    def _pay(self, call: Call) -> None:
        with self._lock:
            self._paid.add(call)

    def _record(self, asked: Asked, call: Call) -> None:
        """Notes a call with every recording around it, and with its step."""
        recordings = self._open
        inner = recordings[-1] if recordings else None
        use = Use(
            example=None if inner is None else inner.example,
            ordinal=0 if inner is None else len(inner),
            key=asked.key,
            error=call.error,
        )
        for calls in recordings:
            calls.append(call)
        with self._lock:
            self._hits += call.hit
        step = current_step()
        if step is not None:
            step.note(use, call)
        else:
            with self._lock:
                self._between.note(use, call)

    def _note_dear(self, worst: Amounts) -> None:
        with self._lock:
            known = self.dearest
            self.dearest = Amounts(
                0,
                max(known.input_tokens, worst.input_tokens),
                max(known.output_tokens, worst.output_tokens),
                max(known.usd, worst.usd),
            )

    def _tell(self, note: str) -> None:
        """A note for a person, once."""
        with self._lock:
            if note in self.notes:
                return
            self.notes.append(note)
        if self.on_note is not None:
            self.on_note(note)


def _as_call(model: str, entry: Entry, *, hit: bool) -> Call:
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


def _place(noted: tuple[Use, Call]) -> tuple[str, int, str]:
    """Where a use stands in its step: threads end in any order, records do not."""
    use, _ = noted
    return use.example or "", use.ordinal, use.key
