"""An embedding endpoint of OpenAI's wire, through OpenAI's official SDK: one request, from texts to their vectors.

The SDK builds the request and signs it; what comes back is read here, because an endpoint may send its vectors in any
order, too few of them, of another length, or with NaN in them, and each of these is one line and no vector.
"""

from __future__ import annotations

import base64
import functools
import json
import math
import os
import sys
import threading
import time
import weakref
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dspy import lm15
from dspy._vendor.lm15.errors import map_http_error
from dspy._vendor.lm15.providers.base import _attach_error_metadata

from ragc._secrets import redact
from ragc.errors import ExampleError, ModelError
from ragc.models._errors import CallFailed, ModelRefused, explain_call
from ragc.models._kinds import BadReply
from ragc.models._prices import find_price, require_price
from ragc.models._replies import bad_reply
from ragc.models._routes import Route, api_key, base_url
from ragc.models._transport import hear
from ragc.models.gateway._retry import Retry

if TYPE_CHECKING:
    import httpx
    import openai

    from ragc.models.gateway import Gateway
    from ragc.project import EmbedderSettings

PROVIDER = "openai"
"""What the model string of such an endpoint begins with."""
_CONNECT_SECONDS = 10.0
_TOO_LARGE = "is too large to process"
"""What llama.cpp says of a text that does not fit, with the status of a failure that may pass."""


@dataclass(frozen=True)
class Embedded:
    """The vectors of some texts, as the endpoint gave them."""

    vectors: tuple[array[float], ...]
    """Float32, all of one length, in the order of the texts; not normalised."""
    model: str
    """The model that says it answered."""
    input_tokens: int | None
    """None: not reported."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return len(self.vectors[0]) if self.vectors else 0

    def as_json(self) -> dict[str, Any]:
        """The reply as the journal keeps it: the vectors in one string, and not as decimal text of thrice the size."""
        data = b"".join(_little_endian(vector).tobytes() for vector in self.vectors)
        return {
            "model": self.model,
            "dimensions": self.dimensions,
            "vectors": base64.b64encode(data).decode("ascii"),
            "input_tokens": self.input_tokens,
        }

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Embedded:
        """What `as_json` wrote."""
        numbers = _numbers(reply["vectors"])
        size = int(reply["dimensions"])
        vectors = tuple(numbers[start : start + size] for start in range(0, len(numbers), size or 1))
        return cls(vectors, str(reply["model"]), reply["input_tokens"])


class Embeddings:
    """One endpoint and its model. May be shared by threads and used after a fork; copies are the endpoint itself."""

    is_local = False

    def __init__(
        self, settings: EmbedderSettings, *, gateway: Gateway | None = None, retry: Retry | None = None
    ) -> None:
        """With a `gateway`, every request goes through there; without, `retry` says how often it is tried.

        Raises BudgetError when the gateway has a cap in USD and the model no known price.
        """
        if gateway is not None and gateway.budget.usd is not None:
            require_price(settings, find_price(settings))
        self.settings = settings
        self.gateway = gateway
        self.retry = retry or Retry()
        variables = (settings.api_key_env,) if settings.api_key_env else ("OPENAI_API_KEY",)
        self.route = Route("lm15", PROVIDER, settings.model.partition("/")[2], variables)
        self.answered = False
        """Whether any request has been answered: until then, an address that cannot be reached is taken for wrong."""
        self._lock = threading.Lock()
        self._client: tuple[int, openai.OpenAI] | None = None
        self._closing: Callable[[], object] | None = None

    def __deepcopy__(self, memo: object) -> Embeddings:
        return self

    def check_key(self) -> None:
        """Raises ModelError, naming the variable, where the key is missing. Nothing is sent."""
        api_key(self.settings, self.route)

    @functools.cached_property
    def address(self) -> tuple[str, str, str]:
        """Who is asked: provider, endpoint, model. What refuses one request for its rate refuses all that go there."""
        return PROVIDER, base_url(self.settings) or "", self.route.model

    @property
    def answers(self) -> dict[str, str]:
        """Who answers, as far as the answer depends on it: part of the journal's key."""
        provider, endpoint, _ = self.address
        return {"provider": provider, "endpoint": redact(endpoint)}

    def request(self, texts: Sequence[str], shorten_to: int | None = None) -> dict[str, Any]:
        """The body of a request; `shorten_to` is the number of dimensions that the model is asked for."""
        asked: dict[str, Any] = {"model": self.route.model, "input": list(texts)}
        return asked if shorten_to is None else {**asked, "dimensions": shorten_to}

    def embed(self, request: Mapping[str, Any], dimensions: int | None = None) -> Embedded:
        """The vectors for the texts of `request`. Raises as `check` does, and what a failure means after the retries.

        In a run they come through its gateway; otherwise they leave no trace.
        """
        if self.gateway is not None:
            return self.gateway.embed(self, request, dimensions)
        waits = self.retry.start()
        while True:
            try:
                embedded = self.send(request)
            except Exception as error:  # noqa: BLE001  whatever the SDK raises is explained below
                failed = error
            else:
                self.check(embedded, dimensions)
                return embedded
            # Outside the handler: the original, which may quote a key, is no context of what is raised.
            wait = waits.after(failed)
            if wait is None:
                raise self.failure(failed)
            time.sleep(wait)

    def send(self, request: Mapping[str, Any]) -> Embedded:
        """One attempt, within `timeout` seconds in all. Raises lm15's errors (see `ragc.models._kinds`)."""
        import httpx
        import openai

        seconds = self.settings.timeout
        client = self._connected()
        ends = time.monotonic() + seconds
        try:
            with client.embeddings.with_streaming_response.create(**request, encoding_format="base64") as response:
                self.answered = True
                hear(response.status_code, response.headers.multi_items())
                body = b"".join(_within(response.iter_bytes(), ends, seconds))
        except openai.APIStatusError as error:
            raise _refusal(error.response, error.code) from None
        except (openai.APITimeoutError, httpx.TimeoutException):
            raise lm15.TimeoutError(_late(seconds)) from None
        except (openai.APIConnectionError, httpx.TransportError) as error:
            raise lm15.TransportError(str(error.__cause__ or error)) from None
        return _read(body, response.status_code, len(request["input"]))

    def check(self, embedded: Embedded, dimensions: int | None) -> None:
        """Raises where the vectors are none that can be searched with.

        ModelError: they have another length than `dimensions`, as all others will. ExampleError: of one, nothing can be
        said (NaN, infinity, zero).
        """
        model, found = self.settings.model, embedded.dimensions
        if dimensions is not None and found != dimensions:
            raise ModelRefused(
                f"{model}: the endpoint answers with vectors of {found} dimensions, not {dimensions}: set dimensions "
                "in the embedder's table to what it has, or base_url to where the model is"
            )
        lengths = [math.hypot(*vector) for vector in embedded.vectors]
        if all(math.isfinite(length) and length > 0 for length in lengths):
            return
        zero = any(length == 0 for length in lengths)
        failed = CallFailed(f"{model}: the endpoint answered with a vector {'of zeros' if zero else 'that holds NaN'}")
        failed.transient = False
        raise failed

    def failure(self, error: Exception) -> ModelError | ExampleError:
        """What the failure of a request means."""
        return explain_call(
            error,
            self.settings.model,
            self.route.variables,
            unreached=None if self.answered else base_url(self.settings) or self.route.provider,
        )

    def close(self) -> None:
        """Releases the connections; a later request opens new ones."""
        with self._lock:
            self._client = None
            if self._closing is not None:
                self._closing()

    def _connected(self) -> openai.OpenAI:
        """The SDK's client, one a process: what a fork inherits of its connections is the parent's."""
        key = api_key(self.settings, self.route)
        with self._lock:
            if self._client is None or self._client[0] != os.getpid():
                client = _client(self.settings, key)
                self._client = (os.getpid(), client)
                self._closing = weakref.finalize(self, client.close)
            return self._client[1]


def _client(settings: EmbedderSettings, key: str | None) -> openai.OpenAI:
    import openai

    timeout = openai.Timeout(settings.timeout, connect=min(settings.timeout, _CONNECT_SECONDS))
    return openai.OpenAI(
        api_key=key,
        base_url=base_url(settings),
        max_retries=0,
        timeout=timeout,
        # An endpoint that sends callers elsewhere would get texts to where nobody wanted them.
        http_client=openai.DefaultHttpxClient(timeout=timeout, follow_redirects=False),
    )


def _within(chunks: Iterator[bytes], ends: float, seconds: float) -> Iterator[bytes]:
    """`chunks`, as long as they come in time: the client's own timeout starts anew with each."""
    for chunk in chunks:
        if time.monotonic() > ends:
            raise lm15.TimeoutError(_late(seconds))
        yield chunk


def _late(seconds: float) -> str:
    return f"the answer was not whole after {seconds:g} s: raise timeout in the embedder's table if it needs longer"


def _refusal(response: httpx.Response, code: str | None) -> lm15.ProviderError:
    """A status that is an error, as lm15 has it."""
    said = _said(response)
    if _TOO_LARGE in said:
        return lm15.ContextLengthError(said, provider=PROVIDER)
    error = map_http_error(response.status_code, said, provider=PROVIDER, provider_code=code)
    _attach_error_metadata(error, response.headers.multi_items())
    return error


def _said(response: httpx.Response) -> str:
    text = response.text.strip()
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    told = read.get("error", read) if isinstance(read, dict) else None
    message = told.get("message") or told.get("detail") if isinstance(told, dict) else told
    return str(message or text[:500] or response.reason_phrase)


def _read(body: bytes, status: int, count: int) -> Embedded:
    """The reply to a request for `count` texts. Raises BadReply for what is none."""
    try:
        reply = json.loads(body)
    except ValueError:
        raise bad_reply(body.decode("utf-8", errors="replace"), status) from None
    given = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(given, list) or not all(isinstance(one, dict) and "embedding" in one for one in given):
        raise bad_reply(reply, status)
    places = [one.get("index", place) for place, one in enumerate(given)]
    if len(given) != count or {place for place in places if isinstance(place, int)} != set(range(count)):
        raise BadReply(f"the reply holds {len(given)} vectors for {count} texts", status=status)
    try:
        placed = {place: _numbers(one["embedding"]) for place, one in zip(places, given, strict=True)}
    except (TypeError, ValueError, OverflowError):
        raise BadReply("the reply holds a vector that is no list of numbers", status=status) from None
    vectors = tuple(placed[place] for place in range(count))
    if not vectors[0] or any(len(vector) != len(vectors[0]) for vector in vectors):
        raise BadReply("the reply holds vectors of different lengths", status=status)
    return Embedded(vectors, redact(str(reply.get("model") or "")), _tokens(reply.get("usage")))


def _tokens(usage: object) -> int | None:
    """Tokens of the texts, as far as they are reported; an endpoint that counts none says 0."""
    counts = [usage.get(name) for name in ("prompt_tokens", "total_tokens")] if isinstance(usage, dict) else []
    return next((count for count in counts if isinstance(count, int) and not isinstance(count, bool) and count), None)


def _numbers(embedding: Any) -> array[float]:
    """A vector as float32, from base64 or a list of numbers. Raises TypeError or ValueError for anything else."""
    if isinstance(embedding, str):
        return _little_endian(array("f", base64.b64decode(embedding, validate=True)))
    if isinstance(embedding, list):
        return array("f", embedding)
    raise TypeError(type(embedding).__name__)


def _little_endian(vector: array[float]) -> array[float]:
    """The numbers from, or for, the wire, whose bytes are in this order on every machine."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return vector
