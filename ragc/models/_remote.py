"""An endpoint that is asked by one POST of JSON, and what its refusals mean: below embeddings and rankings.

Plain HTTP, and no provider's SDK: requests and replies of these endpoints are a dozen lines each, and here every one of
them is sent once, within a time in all, with its rate-limit headers heard, to where it was meant for and no further.
"""

from __future__ import annotations

import functools
import json
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dspy import lm15
from dspy._vendor.lm15.errors import map_http_error
from dspy._vendor.lm15.providers.base import _attach_error_metadata

from ragc._secrets import redact
from ragc.errors import ExampleError, ModelError
from ragc.models._errors import explain_call
from ragc.models._hosts import Host
from ragc.models._replies import bad_reply
from ragc.models._routes import Route, api_key, base_url
from ragc.models._transport import hear
from ragc.models.gateway._retry import Retry

if TYPE_CHECKING:
    import httpx

    from ragc.models.gateway import Gateway
    from ragc.project import EmbedderSettings, RerankerSettings

Answered = TypeVar("Answered")

_CONNECT_SECONDS = 10.0
_CONNECTIONS = 1000
"""More than there are ever threads: how many requests are in flight is the limiter's to say."""
_TOO_LARGE = "is too large to process"
"""What llama.cpp says of a text that does not fit, with the status of a failure that may pass."""


class Wire(Protocol):
    """How a provider is spoken to."""

    @property
    def host(self) -> Host:
        """Who is asked, where no `base_url` says otherwise."""


@dataclass(frozen=True)
class Reply:
    """What came back for one request, with a status that is no error."""

    status: int
    body: bytes

    def read(self) -> Any:
        """The body as JSON. Raises BadReply for what is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise bad_reply(self.body.decode("utf-8", errors="replace"), self.status) from None


class Remote:
    """One endpoint and its model. May be shared by threads and used after a fork; copies are the endpoint itself."""

    is_local = False
    table = "embedder"
    """The table in the configuration, for messages."""

    def __init__(
        self,
        settings: EmbedderSettings | RerankerSettings,
        wire: Wire,
        *,
        gateway: Gateway | None = None,
        retry: Retry | None = None,
    ) -> None:
        """With a `gateway`, every request goes through there; without, `retry` says how often it is tried.

        Raises BudgetError when the gateway has a cap in USD and the model no known price.
        """
        self.gateway = gateway
        self.retry = retry or Retry()
        variables = (settings.api_key_env,) if settings.api_key_env else wire.host.variables
        self.route = Route("lm15", wire.host.provider, settings.model.partition("/")[2], variables)
        self.answered = False
        """Whether any request has been answered: until then, an address that cannot be reached is taken for wrong."""
        self._settings = settings
        self._url = wire.host.url
        self._lock = threading.Lock()
        self._client: tuple[int, httpx.Client] | None = None
        self._closing: Callable[[], object] | None = None
        if gateway is not None and gateway.budget.usd is not None:
            self.require_price()

    def require_price(self) -> None:
        """Raises BudgetError, with the line to write, where no price is known."""
        raise NotImplementedError

    def __deepcopy__(self, memo: object) -> Remote:
        return self

    def check_key(self) -> None:
        """Raises ModelError, naming the variable, where the key is missing. Nothing is sent."""
        api_key(self._settings, self.route)

    @functools.cached_property
    def address(self) -> tuple[str, str, str]:
        """Who is asked: provider, endpoint, model. What refuses one request for its rate refuses all that go there."""
        return self.route.provider, base_url(self._settings) or "", self.route.model

    @property
    def answers(self) -> dict[str, str]:
        """Who answers, as far as the answer depends on it: part of the journal's key."""
        provider, endpoint, _ = self.address
        return {"provider": provider, "endpoint": redact(endpoint)}

    def failure(self, error: Exception) -> ModelError | ExampleError:
        """What the failure of a request means."""
        return explain_call(
            error,
            self._settings.model,
            self.route.variables,
            unreached=None if self.answered else base_url(self._settings) or self.route.provider,
        )

    def close(self) -> None:
        """Releases the connections; a later request opens new ones."""
        with self._lock:
            self._client = None
            if self._closing is not None:
                self._closing()

    def _tried(self, attempt: Callable[[], Answered]) -> Answered:
        """What `attempt` brings at last. Raises what its last failure means, with the retries used up."""
        waits = self.retry.start()
        while True:
            try:
                return attempt()
            except Exception as error:  # noqa: BLE001  whatever the client raises is explained below
                failed = error
            # Outside the handler: the original, which may quote a key, is no context of what is raised.
            wait = waits.after(failed)
            if wait is None:
                raise self.failure(failed)
            time.sleep(wait)

    def _post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """One attempt, within `timeout` seconds in all. Raises lm15's errors (see `ragc.models._kinds`)."""
        import httpx

        seconds = self._settings.timeout
        client, key = self._connected(), api_key(self._settings, self.route)
        ends = time.monotonic() + seconds
        url = (base_url(self._settings) or self._url).rstrip("/") + path
        try:
            with client.stream("POST", url, json=body, headers={"Authorization": f"Bearer {key}"}) as response:
                self.answered = True
                hear(response.status_code, response.headers.multi_items())
                whole = b"".join(self._within(response.iter_bytes(), ends))
        except httpx.TimeoutException:
            raise lm15.TimeoutError(self._late()) from None
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
            raise lm15.TransportError(str(error) or type(error).__name__) from None
        if not response.is_success:
            raise _refusal(response, whole, self.route.provider)
        return Reply(response.status_code, whole)

    def _within(self, chunks: Iterator[bytes], ends: float) -> Iterator[bytes]:
        """`chunks`, as long as they come in time: the client's own timeout starts anew with each."""
        for chunk in chunks:
            if time.monotonic() > ends:
                raise lm15.TimeoutError(self._late())
            yield chunk

    def _late(self) -> str:
        late = f"the answer was not whole after {self._settings.timeout:g} s"
        return f"{late}: raise timeout in the {self.table}'s table if it needs longer"

    def _connected(self) -> httpx.Client:
        """The client, one a process: what a fork inherits of its connections is the parent's."""
        with self._lock:
            if self._client is None or self._client[0] != os.getpid():
                client = _client(self._settings.timeout)
                self._client = (os.getpid(), client)
                self._closing = weakref.finalize(self, client.close)
            return self._client[1]


def _client(seconds: float) -> httpx.Client:
    import httpx

    return httpx.Client(
        timeout=httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=100),
        # An endpoint that sends callers elsewhere would get texts to where nobody wanted them.
        follow_redirects=False,
    )


def _refusal(response: httpx.Response, body: bytes, provider: str) -> lm15.ProviderError:
    """A status that is an error, as lm15 has it."""
    text = body.decode("utf-8", errors="replace").strip()
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    told = read.get("error", read) if isinstance(read, dict) else None
    message = told.get("message") or told.get("detail") if isinstance(told, dict) else told
    said = str(message or text[:500] or response.reason_phrase)
    if _TOO_LARGE in said:
        return lm15.ContextLengthError(said, provider=provider)
    code = told.get("code") if isinstance(told, dict) else None
    error = map_http_error(
        response.status_code, said, provider=provider, provider_code=code if isinstance(code, str) else None
    )
    _attach_error_metadata(error, response.headers.multi_items())
    return error
