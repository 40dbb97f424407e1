"""The seat at DSPy's engine seam: every call that ragc makes passes through here.

In a run it hands the call to the gateway, which reserves, limits, retries and journals. An artifact that serves has no
gateway: its calls are retried and explained here, and leave no trace.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from dspy.lm15 import Request, Response, response_to_events

from ragc._secrets import redact
from ragc.errors import ExampleError, ModelError
from ragc.models._errors import AnswerWithheld, explain_call
from ragc.models._prices import find_price
from ragc.models._providers import async_provider_engine, capabilities, provider_engine
from ragc.models._routes import Route, Wire, base_url, route
from ragc.models._weights import sha256
from ragc.models.gateway._retry import Retry

if TYPE_CHECKING:
    from dspy._vendor.lm15.types import StreamEvent
    from dspy.clients.capabilities import Capabilities

    from ragc.models._local import LocalEngine
    from ragc.models.gateway import Gateway
    from ragc.project import ModelSettings, Price


class Inner(Protocol):
    """One attempt at one call. Raises lm15 errors (see `ragc.models._errors`), never retries, counts nothing."""

    def complete(self, request: Request) -> Response: ...


class AsyncInner(Protocol):
    """Unlike `Inner`: awaited."""

    async def complete(self, request: Request) -> Response: ...


class Engine:
    """What `dspy.LM(engine=…)` gets: an inner engine with retries, a gateway and errors of ragc's own.

    Copies are the engine itself, so that DSPy's copies of an LM share connections, model and budget.
    """

    def __init__(
        self,
        settings: ModelSettings,
        *,
        gateway: Gateway | None = None,
        retry: Retry | None = None,
        inner: Inner | None = None,
        async_inner: AsyncInner | None = None,
        key: str | None = None,
        wire: Wire = "chat",
    ) -> None:
        """`key` and `wire` are those of an LM that was made with them; the key is the environment's otherwise."""
        self.settings = settings
        self.gateway = gateway
        self.retry = retry or Retry()
        self.wire = wire
        self.route: Route = route(settings, wire)
        self._given = (inner, async_inner)
        self._key = key
        self._lock = threading.Lock()
        self._inner: Inner | None = inner
        self._async_inners: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncInner] = (
            weakref.WeakKeyDictionary()
        )
        self.answered = False
        """Whether any call has been answered: until then, an address that cannot be reached is taken for wrong."""

    def __copy__(self) -> Engine:
        return self

    def __deepcopy__(self, memo: object) -> Engine:
        return self

    def complete(self, request: Request) -> Response:
        """One answer. Raises ModelError, ExampleError or BudgetExhausted, each of them a DSPy LMError as well."""
        if self.gateway is not None:
            return self.gateway.complete(self, request)
        waits = self.retry.start()
        while True:
            try:
                return self._answered(self.inner.complete(request))
            except Exception as error:  # noqa: BLE001  whatever an engine raises is explained below
                failed = error
            # Outside the handler: the original, which may quote a key, is no context of what is raised.
            wait = waits.after(failed)
            if wait is None:
                raise self.failure(failed)
            time.sleep(wait)

    async def acomplete(self, request: Request) -> Response:
        """Unlike `complete`: awaited, and no thread waits meanwhile where there is no gateway."""
        if self.gateway is not None:
            return await self.gateway.acomplete(self, request)
        waits = self.retry.start()
        while True:
            try:
                return self._answered(await self.async_inner.complete(request))
            except Exception as error:  # noqa: BLE001  whatever an engine raises is explained below
                failed = error
            wait = waits.after(failed)
            if wait is None:
                raise self.failure(failed)
            await asyncio.sleep(wait)

    def _answered(self, response: Response) -> Response:
        self.answered = True
        self.check(response)
        return response

    def check(self, response: Response) -> None:
        """Raises ExampleError when the provider withheld the answer, which is paid for all the same."""
        if response.finish_reason == "content_filter" and not response.text:
            raise AnswerWithheld(f"{self.settings.model}: the provider's content filter withheld the answer")

    def failure(self, error: Exception) -> ModelError | ExampleError:
        """What the failure of a call means to a run."""
        return explain_call(
            error,
            self.settings.model,
            self.route.variables,
            unreached=None if self.answered else base_url(self.settings) or self.route.provider,
        )

    def stream(self, request: Request) -> Iterator[StreamEvent]:
        """The answer as events, once it is whole: what is metered is never shown in part."""
        return iter(response_to_events(self.complete(request)))

    def close(self) -> None:
        """Releases the connections; a later call opens new ones."""
        with self._lock:
            inner, self._inner = self._inner, self._given[0]
        close = getattr(inner, "close", None)
        if close is not None and self._given[0] is None:
            close()

    @property
    def inner(self) -> Inner:
        """The engine below, made at first use. Raises ModelError without a key or weights."""
        with self._lock:
            if self._inner is None:
                self._inner = (
                    _local(self.settings) if self.is_local else provider_engine(self.settings, self.route, self._key)
                )
            return self._inner

    @property
    def async_inner(self) -> AsyncInner:
        """The async engine below, one an event loop: its connections belong to the loop."""
        if self._given[1] is not None:
            return self._given[1]
        loop = asyncio.get_running_loop()
        with self._lock:
            found = self._async_inners.get(loop)
            if found is None:
                found = (
                    _InThread(self._inner or _local(self.settings))
                    if self.is_local or self._given[0] is not None
                    else async_provider_engine(self.settings, self.route, self._key)
                )
                self._async_inners[loop] = found
            return found

    @property
    def is_local(self) -> bool:
        """Whether the model runs in this process."""
        return self.route.engine == "local"

    @property
    def supports_raw(self) -> bool:
        """Whether a prompt that PlainAdapter marks is passed as it stands, without a chat template."""
        return self.is_local

    @functools.cached_property
    def address(self) -> tuple[str, str, str]:
        """Who is asked: provider, endpoint, model. What refuses one call for its rate refuses all that go there."""
        return self.route.provider, base_url(self.settings) or "", self.route.model

    @functools.cached_property
    def answers(self) -> dict[str, str]:
        """Who answers, as far as the answer depends on it: part of the journal's key."""
        if self.is_local:
            weights = getattr(self.inner, "weights", None)
            return {"provider": "local", "revision": "" if weights is None else sha256(weights)}
        provider, endpoint, _ = self.address
        return {"provider": provider, "endpoint": redact(endpoint)}

    @functools.cached_property
    def price(self) -> Price | None:
        """What a token costs; read when it is needed, DSPy's price list takes a while to load."""
        return find_price(self.settings)

    @functools.cached_property
    def _capabilities(self) -> Capabilities:
        return capabilities(self.settings, self.route)

    @property
    def supports_response_schema(self) -> bool:
        return bool(self._capabilities.response_schema)

    @property
    def supports_function_calling(self) -> bool:
        return bool(self._capabilities.function_calling)

    @property
    def supports_reasoning(self) -> bool:
        return bool(self._capabilities.reasoning)

    @property
    def supported_params(self) -> frozenset[str]:
        return frozenset(self._capabilities.params)

    def dump_state(self) -> dict[str, Any]:
        """The settings, which hold no secret: a key is named, never stored."""
        return self.settings.model_dump(mode="json", exclude_none=True)

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> Engine:
        """An engine for the same model, without a gateway."""
        from ragc.project import ModelSettings

        return cls(ModelSettings.model_validate(state))


class AsyncEngine:
    """What `dspy.LM(async_engine=…)` gets: the awaited side of an `Engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __copy__(self) -> AsyncEngine:
        return self

    def __deepcopy__(self, memo: object) -> AsyncEngine:
        return self

    async def complete(self, request: Request) -> Response:
        return await self.engine.acomplete(request)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        for event in response_to_events(await self.engine.acomplete(request)):
            yield event

    async def aclose(self) -> None:
        self.engine.close()

    def dump_state(self) -> dict[str, Any]:
        return self.engine.dump_state()

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> AsyncEngine:
        return cls(Engine.load_state(state))


class _InThread:
    """Awaits a blocking engine in a worker thread."""

    def __init__(self, engine: Inner) -> None:
        self._engine = engine

    async def complete(self, request: Request) -> Response:
        return await asyncio.to_thread(self._engine.complete, request)


def _local(settings: ModelSettings) -> LocalEngine:
    from ragc.models._local import LocalEngine

    return LocalEngine(settings)
