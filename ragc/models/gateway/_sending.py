"""A request is sent until it is answered: in its turn, as the endpoint's limiter gives it, its failures waited out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dspy._vendor.lm15.serde import response_to_dict

from ragc.errors import ExampleError, ModelError, RagcError
from ragc.models._errors import WaitTooLong
from ragc.models._transport import listening
from ragc.models.gateway._account import Account
from ragc.models.gateway._amounts import Amounts
from ragc.models.gateway._bounds import Counted, actual, embedding_actual, ranking_actual
from ragc.models.gateway._calls import Kind
from ragc.models.gateway._limiter import Limiter
from ragc.models.gateway._pace import START
from ragc.models.gateway._retry import Retry

if TYPE_CHECKING:
    from dspy.lm15 import Request

    from ragc.models._embeddings import Embeddings
    from ragc.models._engine import Engine
    from ragc.models._ranking import Ranking

CONCURRENCY = 16
"""Calls under way at once with a model whose `threads` are not given."""

Reply = TypeVar("Reply")


class Paced(Protocol):
    """The table of a model, as far as it says how fast it may be asked."""

    @property
    def model(self) -> str: ...
    @property
    def rpm(self) -> int | None: ...
    @property
    def tpm(self) -> int | None: ...


class Endpoint(Protocol):
    """Who is asked: an LM's engine, or the endpoint of an embedder or a reranker."""

    answered: bool
    """Whether it has answered in this process."""

    @property
    def settings(self) -> Paced: ...
    @property
    def address(self) -> tuple[str, ...]: ...
    @property
    def is_local(self) -> bool: ...
    def failure(self, error: Exception) -> ModelError | ExampleError: ...


@dataclass(frozen=True)
class Sent:
    """What came back for one request."""

    response: dict[str, Any]
    """As the journal keeps it."""
    counted: Counted
    seconds: float
    """Model time, without retries and without waiting for a turn."""
    kind: Kind = "lm"
    refused: RagcError | None = None
    """Why nobody can use it, although it was paid for: it is not kept."""


class Sender:
    """Sends the requests of one run. One limiter an endpoint, for all threads."""

    def __init__(self, retry: Retry, account: Account, check: Callable[[], None], tell: Callable[[str], None]) -> None:
        """`check` raises where no request may be sent any more; `tell` is given what a person should know."""
        self._retry, self._account, self._check, self._tell = retry, account, check, tell
        self._lock = threading.Lock()
        self._limiters: dict[tuple[str, ...], Limiter] = {}
        self._wake = threading.Event()

    def complete(self, engine: Engine, request: Request, worst: Amounts) -> Sent:
        """The response to `request`. Raises what the last failure means, with the retries used up."""
        most = worst.input_tokens + worst.output_tokens
        response, took = self._send(
            engine, most, lambda: engine.inner.complete(request), lambda response: response.usage.total_tokens
        )
        counted = self._believed(engine.settings.model, actual(response, request, engine.settings, worst))
        seconds = (response.provider_data or {}).get("seconds")  # the local engine leaves waiting for its turn out
        answer = response_to_dict(response)
        return Sent(answer, counted, float(seconds) if isinstance(seconds, int | float) else took)

    def embed(self, endpoint: Embeddings, request: Mapping[str, Any], dimensions: int | None, worst: Amounts) -> Sent:
        """The vectors for the texts of `request`, refused where they cannot be used. Raises like `complete`."""
        embedded, took = self._send(
            endpoint, worst.input_tokens, lambda: endpoint.send(request), lambda embedded: embedded.input_tokens
        )
        counted = embedding_actual(embedded.input_tokens, endpoint.settings, worst)
        counted = self._believed(endpoint.settings.model, counted)
        refused: RagcError | None = None
        try:
            endpoint.check(embedded, dimensions)
        except (ModelError, ExampleError) as error:
            refused = error
        return Sent(embedded.as_json(), counted, took, kind="embedding", refused=refused)

    def rank(self, endpoint: Ranking, request: Mapping[str, Any], worst: Amounts) -> Sent:
        """The scores of the documents of `request`. Raises like `complete`."""
        ranked, took = self._send(
            endpoint, worst.input_tokens, lambda: endpoint.send(request), lambda ranked: ranked.input_tokens
        )
        counted = self._believed(endpoint.settings.model, ranking_actual(ranked.taken, endpoint, worst))
        return Sent(ranked.as_json(), counted, took, kind="rerank")

    def _believed(self, model: str, counted: Counted) -> Counted:
        """`counted`, and a person is told where it is not what the provider said."""
        if counted.doubt is not None:
            self._tell(f"{model}: {counted.doubt}")
        return counted

    def _send(
        self, endpoint: Endpoint, most: int, attempt: Callable[[], Reply], tokens: Callable[[Reply], int | None]
    ) -> tuple[Reply, float]:
        """The reply that `attempt` brought at last, and the seconds that this one took.

        `most` is the number of tokens that it may take, `tokens` says how many it did. Raises what the last failure
        means, with the retries used up.
        """
        limiter = self._limiter(endpoint)
        waits = self._retry.start()
        while True:
            try:
                turn = limiter.turn(most, self._account.deadline)
            except WaitTooLong:
                self._account.run_out()
                raise
            with turn:
                self._check()
                waits.attempt()
                began = time.monotonic()
                with listening() as heard:
                    try:
                        reply = attempt()
                    except Exception as error:  # noqa: BLE001  whatever an engine raises is explained below
                        turn.failed(error)
                        failed = error
                    else:
                        turn.succeeded(heard.headers, tokens(reply))
                        endpoint.answered = True
                        return reply, time.monotonic() - began
            # Outside the handler: the original, which may quote a key, is no context of what is raised.
            wait = waits.after(failed, limited=True)
            if wait is None:
                raise endpoint.failure(failed)
            self._wake.wait(wait)

    def _limiter(self, endpoint: Endpoint) -> Limiter:
        with self._lock:
            limiter = self._limiters.get(endpoint.address)
            if limiter is None:
                settings = endpoint.settings
                threads = getattr(settings, "threads", None) or CONCURRENCY
                limiter = Limiter(
                    threads,
                    name=settings.model,
                    rpm=settings.rpm,
                    tpm=settings.tpm,
                    start=threads if endpoint.is_local else START,
                    notify=self._tell,
                )
                self._limiters[endpoint.address] = limiter
            return limiter

    @property
    def limiters(self) -> list[Limiter]:
        """Those of the endpoints that were asked so far."""
        with self._lock:
            return list(self._limiters.values())

    def stop(self, error: Exception) -> None:
        """Nobody waits any longer; whoever waits for a turn gets `error`."""
        self._wake.set()
        for limiter in self.limiters:
            limiter.stop(error)
