"""The gateway: the one object through which every call of a run goes.

Before a call its worst case is reserved with the account and written to the journal; then it waits for its turn with
the model's limiter and is tried until it succeeds or its retries are used up; what comes back is committed to the
journal before anyone sees it, and the account is settled with what it really took. A key that the journal holds, or
that another thread or process is asking for, is not asked again.

Invariants, each with a file of its own: spend never passes a cap (`_account`), a response that was received is never
lost nor asked for again (`_journal`), what is sent was reserved and what is seen was kept (`_responses`), one refusal
slows all threads alike (`_limiter`), no failure is tried for ever (`_retry`), and what was decided can be decided again
from the journal alone (`_steps`, `_record`).
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from array import array
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from dspy._vendor.lm15.serde import request_to_dict, response_from_dict
from dspy.lm15 import Request, Response

from ragc.errors import BudgetExhausted, ExampleError, Interrupted, RagcError
from ragc.models._embeddings import Embedded
from ragc.models._errors import for_dspy
from ragc.models._ranking import Ranked
from ragc.models.gateway import _seam
from ragc.models.gateway._account import Account
from ragc.models.gateway._amounts import NOTHING, Amounts
from ragc.models.gateway._bounds import embedding_worst_case, ranking_worst_case, worst_case
from ragc.models.gateway._calls import Call, Kind, Recording, Usage
from ragc.models.gateway._journal import Entry, Journal
from ragc.models.gateway._key import Asked, ask, ask_alone
from ragc.models.gateway._record import Record
from ragc.models.gateway._replay import Replay
from ragc.models.gateway._responses import Responses, as_call
from ragc.models.gateway._retry import IN_A_RUN, Retry
from ragc.models.gateway._sending import Sender, Sent
from ragc.models.gateway._steps import Step, StopAt
from ragc.models.gateway._watch import Watcher

if TYPE_CHECKING:
    from ragc.models._embeddings import Embeddings
    from ragc.models._engine import Engine
    from ragc.models._ranking import Ranking
    from ragc.project import Budget

Answer = TypeVar("Answer")

ASYNC_THREADS = 64
"""Awaited calls of a run that can be under way at once."""


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
        self.retry = retry or IN_A_RUN
        self.fatal: RagcError | None = None
        """The first refusal for good, remembered because optimizers swallow exceptions; every later call raises it."""
        self.resolved: dict[str, str] = {}
        """The model string as configured, to the name that the provider answered with."""
        self.notes: list[str] = []
        """What a person should be told, such as a provider's impossible usage."""
        self.on_note: Callable[[str], None] | None = None
        """Called with each note as soon as it is there, from any thread."""
        self._stopped: Exception | None = None
        self._lock = threading.Lock()
        self._is_exhausted = False
        self._record = Record(self.journal if replay is None else None, run, admitted=admitted, stop_at=stop_at)
        self._responses = Responses(
            self.journal,
            self.account,
            self._record,
            self._check,
            run=run,
            task=task,
            replay=replay,
            earlier=replay or earlier,
            seconds=None if self.budget.seconds is None else seconds,
        )
        self._sender = Sender(self.retry, self.account, self._check, self._tell)
        self._watcher = Watcher(self)
        self._pool: ThreadPoolExecutor | None = None
        _seam.enter(id(self))
        self._leave = weakref.finalize(self, _seam.leave, id(self))

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

    def vectors(
        self, endpoint: Embeddings, requests: Mapping[int, Mapping[str, Any]]
    ) -> Iterator[tuple[int, array[float]]]:
        """Yield the vectors that the journal has already, by the numbers of `requests`, each of which is for one text.

        A text is embedded once, whatever texts it was sent with. Nothing is sent, and it is no call.
        """
        numbers = self._numbers_by_key(endpoint, requests)
        read: tuple[str, Embedded] | None = None
        for key, entry, place in self.journal.vectors(list(numbers)):
            if read is None or read[0] != entry.key:
                read = entry.key, Embedded.from_json(entry.response)
            for number in numbers[key]:
                yield number, read[1].vectors[place]

    def embedded(self, endpoint: Embeddings, requests: Mapping[int, Mapping[str, Any]]) -> set[int]:
        """Return the numbers of the `requests`, each for one text, that `vectors` would answer, for estimates."""
        numbers = self._numbers_by_key(endpoint, requests)
        return {number for key in self.journal.embedded(list(numbers)) for number in numbers[key]}

    def _numbers_by_key(self, endpoint: Embeddings, requests: Mapping[int, Mapping[str, Any]]) -> dict[str, list[int]]:
        numbers: dict[str, list[int]] = {}
        for number, request in requests.items():
            numbers.setdefault(ask_alone(request, endpoint.answers, self.generation).key, []).append(number)
        return numbers

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
            entry, hit = self._responses.get(model, asked, worst, send)
            call = as_call(model, entry, hit=hit)
            answer = read(entry)
            failed = self._responses.failed_then(asked)
            if failed is not None:
                call = unanswered
                raise failed
        except Exception as error:
            refused = isinstance(error, BudgetExhausted | Interrupted)
            self._record.note(asked.key, replace(call, error=str(error), refused=refused))
            if isinstance(error, RagcError):
                if not (refused or isinstance(error, ExampleError)):
                    self.refuse(error)
                told = for_dspy(error)
                if told is not error:
                    raise told from error
            raise
        self._record.note(asked.key, call)
        return answer

    # -- what a run asks of it

    @property
    def usage(self) -> Usage:
        """What this command has paid for so far."""
        return self._responses.paid

    @property
    def cost(self) -> Usage:
        """What the complete steps used, each response counted once, whoever paid for it and when."""
        return self._record.cost

    @property
    def exhausted(self) -> bool:
        """Whether a call has been refused for the budget's sake since the reserve was last changed."""
        return self._is_exhausted or self.account.exhausted

    @property
    def dearest(self) -> Amounts:
        """The worst case of the dearest call so far, in each dimension; no call in it."""
        return self._responses.dearest

    def recording(self, example: str | None = None) -> AbstractContextManager[Recording]:
        """Collects the calls made inside, in this context; a thread takes part through `contextvars.copy_context`, and
        DSPy's own threads (`dspy.Parallel`) by themselves.

        A call counts for every recording that is open around it; `example` is the id of what is being answered.
        """
        return self._record.recording(example)

    def new_step(self, label: str) -> Step:
        """The next step of the run; see `ragc.models.gateway._steps`."""
        return self._record.new_step(label)

    @property
    def admitted(self) -> int:
        """The steps of the run so far, in all its commands."""
        return self._record.admitted

    @property
    def begun_before(self) -> bool:
        """Whether an earlier command of this run had begun the step that comes next."""
        return self._record.begun_before

    def admitted_before(self, step: Step) -> bool:
        """Whether an earlier command of this run had begun the step: it is not asked again whether it is affordable."""
        return self._record.admitted_before(step)

    def admit(self, step: Step) -> None:
        """The step is begun, for good. Raises what stopped the run here before, where it is to stop here again, what
        `stop` was given, and ModelError when a model was called past this gateway.
        """
        self.check_stop()
        self._refuse_strangers()
        self._record.admit(step)

    def complete_step(self, step: Step) -> None:
        """The step is complete: what it used, and what was used since the last one, is written to the journal.

        Raises ModelError when a model was called past this gateway: what was decided then is not in the journal.
        """
        self._refuse_strangers()
        self._record.complete(step)

    @property
    def position(self) -> int:
        """The number of the step that is to be complete next: where a stop stands."""
        return self._record.position

    def cut(self) -> None:
        """The run was stopped: steps that were begun and are not complete are given up, the next takes their place."""
        self._record.cut()

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

    def check_stop(self) -> None:
        """Raises what `stop` was given."""
        if self._stopped is not None:
            raise self._stopped

    def refuse(self, error: RagcError) -> None:
        """Remember the first refusal for good."""
        with self._lock:
            self.fatal = self.fatal or error

    @property
    def strangers(self) -> tuple[str, ...]:
        """Models that were called inside `watching` and that could not be taken over; they end the run."""
        return self._watcher.strangers

    def watching(self) -> AbstractContextManager[None]:
        """Around everything that a run does: whatever LM is called inside goes through the gateway, or is refused."""
        return _seam.inside(self._watcher)

    def note_stranger(self, model: str) -> None:
        """A call was made past this gateway."""
        self._watcher.note(model)

    def status(self) -> Status:
        """What can be seen while it runs."""
        limiters = self._sender.limiters
        waiting = next((limiter.waiting_for for limiter in limiters if limiter.waiting_for), None)
        allowed = sum(limiter.concurrency for limiter in limiters)
        return Status(self.usage, self._record.hits, allowed, sum(limiter.retries for limiter in limiters), waiting)

    def close(self) -> None:
        """Gives the LMs that were taken over their own engines back, and closes the journal."""
        self._watcher.release()
        self._leave()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self.journal.close()

    # -- inside

    def _refuse_strangers(self) -> None:
        error = self._watcher.refusal
        if error is not None:
            self.refuse(error)
            raise error

    def _check(self) -> None:
        self.check_stop()
        if self.fatal is not None:
            raise self.fatal

    def _tell(self, note: str) -> None:
        """A note for a person, once."""
        with self._lock:
            if note in self.notes:
                return
            self.notes.append(note)
        if self.on_note is not None:
            self.on_note(note)
