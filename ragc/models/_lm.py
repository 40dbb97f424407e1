"""A `dspy.LM` and its adapter from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dspy
from dspy.utils.exceptions import LMConfigurationError

from ragc.errors import ConfigError
from ragc.models._engine import AsyncEngine, Engine
from ragc.models._local import CONTEXT, LocalEngine
from ragc.models._plain import PlainAdapter
from ragc.models._prices import estimate_tokens, listed, require_price
from ragc.models._repair import RepairingChatAdapter, RepairingJSONAdapter
from ragc.models._routes import api_key, route
from ragc.models._weights import Notify, find_weights, require_weights, sha256, to_stderr

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragc.models.gateway import Gateway
    from ragc.project import ModelSettings


def make_lm(settings: ModelSettings, *, gateway: Gateway | None = None) -> dspy.LM:
    """The LM that `settings` describes; with a `gateway`, every call of it and of its copies goes through there.

    Nothing is loaded, fetched or sent before the first call. DSPy's cache and retries are off: gateway and engine have
    their own. Raises ModelError for an unknown model or a missing key (the variable is named), BudgetError when the
    gateway has a cap in USD and the model no known price, ConfigError for a temperature or max_tokens that the model
    refuses.
    """
    engine = Engine(settings, gateway=gateway)
    if engine.route.engine == "local":
        find_weights(engine.route.model)
    elif gateway is None or gateway.replay is None:
        api_key(settings, engine.route)
    if gateway is not None and gateway.budget.usd is not None:
        require_price(settings, engine.price)
    given = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}
    try:
        return dspy.LM(
            settings.model,
            engine=engine,
            async_engine=AsyncEngine(engine),
            cache=False,
            num_retries=0,
            **{name: value for name, value in given.items() if value is not None},
        )
    except LMConfigurationError as error:
        raise ConfigError(f"lm {settings.model}: {error.message}") from error


def make_adapter(settings: ModelSettings) -> dspy.Adapter:
    """The adapter that `settings` asks for; `auto`: plain text for `local/…`, DSPy's chat format otherwise.

    Chat and json ask once more for an answer that does not parse: see `RepairingChatAdapter`.
    """
    kind = settings.adapter
    if kind == "auto":
        kind = "plain" if route(settings).engine == "local" else "chat"
    if kind == "plain":
        return PlainAdapter()
    if kind == "json":
        return RepairingJSONAdapter()
    return RepairingChatAdapter()


def prepare_model(settings: ModelSettings, *, notify: Notify = to_stderr) -> None:
    """Make sure that the model can be called: weights are fetched where they are missing, a key is there.

    Raises ModelError.
    """
    found = route(settings)
    if found.engine == "local":
        require_weights(found.model, notify)
    else:
        api_key(settings, found)


def check_model(settings: ModelSettings) -> None:
    """Raises ModelError unless the model is known and its key or weights are present. Fetches and calls nothing."""
    from ragc.errors import ModelError

    found = route(settings)
    if found.engine != "local":
        api_key(settings, found)
    elif find_weights(found.model) is None:
        raise ModelError(f"{settings.model}: its weights are not on this machine: they are fetched at the first use")


def describe(settings: ModelSettings) -> dict[str, str | None]:
    """The model for a manifest: `model`, `provider`, `revision` (SHA-256 of a local model's weights, else None).

    What a provider resolved a name to stands in `Gateway.resolved` after the first call. Fetches nothing.
    """
    found = route(settings)
    weights = find_weights(found.model) if found.engine == "local" else None
    return {
        "model": settings.model,
        "provider": found.provider,
        "revision": sha256(weights) if weights is not None else None,
    }


def context_window(settings: ModelSettings) -> int | None:
    """Tokens that prompt and response may have together; None: not known."""
    found = route(settings)
    if found.engine == "local":
        return settings.context or CONTEXT
    window = listed(found).get("max_input_tokens")
    return window if isinstance(window, int) and window > 0 else None


def token_counter(settings: ModelSettings) -> Callable[[str], int]:
    """Counts the tokens of a text: exactly for a local model (loaded at first use), else four bytes to a token."""
    if route(settings).engine == "local":
        return LocalEngine(settings).count_tokens
    return estimate_tokens
