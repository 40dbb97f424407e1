"""A request is sent until it is answered: in its turn, as the endpoint's limiter gives it, its failures waited out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from ragc.errors import ExampleError, ModelError
from ragc.models._transport import listening
from ragc.models.gateway._account import Account
from ragc.models.gateway._limiter import Limiter
from ragc.models.gateway._pace import START
from ragc.models.gateway._retry import Retry

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
    """Who is asked: an LM's engine, or an embedder's endpoint."""

    answered: bool
    """Whether it has answered in this process."""

    @property
    def settings(self) -> Paced: ...
    @property
    def address(self) -> tuple[str, ...]: ...
    @property
    def is_local(self) -> bool: ...
    def failure(self, error: Exception) -> ModelError | ExampleError: ...


class Sender:
    """Sends the requests of one run. One limiter an endpoint, for all threads."""

    def __init__(self, retry: Retry, account: Account, check: Callable[[], None], tell: Callable[[str], None]) -> None:
        """`check` raises where no request may be sent any more; `tell` is given what a person should know."""
        self._retry, self._account, self._check, self._tell = retry, account, check, tell
        self._lock = threading.Lock()
        self._limiters: dict[tuple[str, ...], Limiter] = {}
        self._wake = threading.Event()

    def send(
        self, endpoint: Endpoint, most: int, attempt: Callable[[], Reply], tokens: Callable[[Reply], int | None]
    ) -> tuple[Reply, float]:
        """The reply that `attempt` brought at last, and the seconds that this one took.

        `most` is the number of tokens that it may take, `tokens` says how many it did. Raises what the last failure
        means, with the retries used up.
        """
        limiter = self.limiter(endpoint)
        waits = self._retry.start()
        while True:
            with limiter.turn(most, self._account.deadline) as turn:
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

    def limiter(self, endpoint: Endpoint) -> Limiter:
        """The limiter of an endpoint."""
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
