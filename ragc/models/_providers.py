"""Inner engines for hosted models: DSPy's own (lm15), LiteLLM's only for providers that lm15 does not know."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from dspy.clients.engines.lm15_engine import timeouts_for
from dspy.lm15 import RouterConfig

from ragc._secrets import hide
from ragc.models._edge import AsyncEdge, Edge
from ragc.models._hosted import AsyncHosted, Hosted
from ragc.models._prompt_cache import prompt_cache
from ragc.models._routes import Route, api_key, base_url, declared

if TYPE_CHECKING:
    from dspy.clients.capabilities import Capabilities

    from ragc.models._engine import AsyncInner, Inner
    from ragc.project import ModelSettings


def provider_engine(settings: ModelSettings, found: Route, key: str | None = None) -> Inner:
    """The engine for a hosted model. Raises ModelError without a key."""
    if found.engine == "litellm":
        from dspy.clients.engines.litellm_engine import LiteLLMEngine

        engine: Inner = LiteLLMEngine(model_type="chat", **_client(settings, found, key))
    else:
        engine = Hosted(functools.partial(router_config, settings, found, key=key), settings.timeout, found.wire)
    return Edge(engine, prompt_cache(settings, found) if found.engine == "lm15" else None)


def async_provider_engine(settings: ModelSettings, found: Route, key: str | None = None) -> AsyncInner:
    """Unlike `provider_engine`: awaited; its connections belong to one event loop."""
    if found.engine == "litellm":
        from dspy.clients.engines.litellm_engine import AsyncLiteLLMEngine

        engine: AsyncInner = AsyncLiteLLMEngine(model_type="chat", **_client(settings, found, key))
    else:
        engine = AsyncHosted(functools.partial(router_config, settings, found, key=key), settings.timeout, found.wire)
    return AsyncEdge(engine, prompt_cache(settings, found) if found.engine == "lm15" else None)


def capabilities(settings: ModelSettings, found: Route) -> Capabilities:
    """What the model can do, as DSPy would say of its own engine for it. No network."""
    import dspy
    from dspy.clients.capabilities import Capabilities
    from dspy.clients.capabilities import capabilities as ask

    if found.engine == "local":
        params = {
            "temperature",
            "max_tokens",
            "max_completion_tokens",
            "top_p",
            "top_k",
            "stop",
            "seed",
            "frequency_penalty",
            "presence_penalty",
            "response_format",
        }
        return Capabilities(response_schema=True, params=frozenset(params))
    return ask(dspy.LM(settings.model, cache=False, num_retries=0, engine=found.engine))


def router_config(
    settings: ModelSettings, found: Route, transport: object | None = None, key: str | None = None
) -> RouterConfig:
    """Key, address and timeouts for DSPy's wire, or the transport in their place. Raises ModelError without a key."""
    key, url = _own(key) or api_key(settings, found), base_url(settings)
    return RouterConfig(
        api_keys={found.provider: key} if key is not None else None,
        base_urls={found.provider: url} if url is not None else None,
        timeouts=timeouts_for(settings.timeout) if transport is None else None,
        transport=transport,
        providers=declared(),
    )


def _client(settings: ModelSettings, found: Route, key: str | None) -> dict[str, Any]:
    key = _own(key) or api_key(settings, found)
    given = {"api_key": key, "api_base": base_url(settings), "timeout": settings.timeout}
    return {name: value for name, value in given.items() if value is not None}


def _own(key: str | None) -> str | None:
    """The key that an LM was made with, from now on a secret."""
    if key is not None:
        hide(key, "api_key")
    return key
