"""From a model string to who answers it: the provider, the name on the wire, the engine and the key."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dspy.clients.engines.lm15_engine import LM15Engine
from dspy.lm15 import LM15Error, RouterConfig, registered_providers

from ragc._secrets import hide
from ragc.models._errors import ModelRefused

if TYPE_CHECKING:
    from dspy.lm15 import ProviderDefinition

    from ragc.project import EmbedderSettings, ModelSettings, RerankerSettings

# DSPy and LiteLLM fetch their list of models and prices at first use unless this is set; both carry one. Here, because
# whatever reads the list has asked first who answers.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

LOCAL = "local/"
NO_KEY = "none"
"""Sent as the key to an endpoint of one's own that asks for none."""

# LiteLLM's own names for the variables of the providers that only it knows, where they are not PROVIDER_API_KEY.
_LITELLM_KEYS = {
    "cohere_chat": ("COHERE_API_KEY",),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY"),
    "fireworks_ai": ("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY"),
    "perplexity": ("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),
    "huggingface": ("HF_TOKEN", "HUGGINGFACE_API_KEY"),
}
# They sign their requests otherwise, or run without a key.
_LITELLM_OWN_WAY = {"bedrock", "bedrock_converse", "vertex_ai", "vertex_ai_beta", "sagemaker", "watsonx", "databricks"}


Wire = Literal["chat", "responses"]
"""Which of OpenAI's two interfaces a model is asked by (`model_type` of a `dspy.LM`); others have one."""


@dataclass(frozen=True)
class Route:
    """Who answers a model string."""

    engine: Literal["local", "lm15", "litellm"]
    provider: str
    """The resolved provider (`openai-chat` for `openai/…`): what RouterConfig is keyed by."""
    model: str
    """The model's name on the wire."""
    variables: tuple[str, ...]
    """The environment variables that may hold the key, the first found counts; empty: none is needed."""
    placeholder: str | None = None
    """The key that a server without keys takes."""
    wire: Wire = "chat"


def route(settings: ModelSettings, wire: Wire = "chat") -> Route:
    """Who answers `settings.model`. No network, nothing is imported for it. Raises ModelError for an unknown string."""
    given = (settings.api_key_env,) if settings.api_key_env else None
    if settings.model.startswith(LOCAL):
        return Route("local", "local", settings.model.removeprefix(LOCAL), ())
    try:
        resolution = LM15Engine(RouterConfig(env={}, providers=declared()), model_type=wire).resolve(settings.model)
    except LM15Error as error:
        if wire == "responses":
            raise ModelRefused(f"{settings.model} has no Responses API: leave model_type out") from error
        return _through_litellm(settings, given)
    if resolution.provider.startswith("azure") and base_url(settings) and wire == "chat":
        return _through_litellm(settings, given)  # as DSPy does: lm15 builds Azure's addresses itself
    return Route(
        "lm15",
        resolution.provider,
        resolution.model,
        given or _usual_keys(resolution.provider, resolution.env_key),
        resolution.placeholder_key,
        wire,
    )


def api_key(settings: ModelSettings | EmbedderSettings | RerankerSettings, found: Route) -> str | None:
    """The key for `found`, from the environment.

    None: none is needed, or it is not ours to know. Raises ModelError, naming the variable, for a missing one.
    """
    for name in found.variables:
        value = os.environ.get(name, "").strip()
        if value:
            hide(value, name)
            return value
    if settings.api_key_env is None:
        if found.placeholder is not None or not found.variables:
            return found.placeholder
        if base_url(settings):
            return NO_KEY
    names = " or ".join(found.variables)
    raise ModelRefused(f"{settings.model}: no key: set {names} in the environment")


def base_url(settings: ModelSettings | EmbedderSettings | RerankerSettings) -> str | None:
    """The endpoint as configured, or as the provider's own variable (`OPENAI_BASE_URL`, `…_API_BASE`) says."""
    if settings.base_url:
        return settings.base_url
    head = settings.model.partition("/")[0].upper().replace("-", "_")
    return os.environ.get(f"{head}_BASE_URL") or os.environ.get(f"{head}_API_BASE") or None


def declared() -> tuple[ProviderDefinition, ...]:
    """The providers that the user has declared to DSPy in this process."""
    return tuple(entry.definition for entry in registered_providers())


def _through_litellm(settings: ModelSettings, given: tuple[str, ...] | None) -> Route:
    head, slash, rest = settings.model.partition("/")
    if not slash or not rest or head not in _litellm_providers():
        raise ModelRefused(
            f"unknown model {settings.model!r}: expected provider/name, such as openai/gpt-4o-mini, "
            "anthropic/claude-sonnet-4-5, ollama/llama3.2 or local/smollm2-135m-instruct"
        )
    if given is None:
        usual = () if head in _LITELLM_OWN_WAY else (f"{head.upper()}_API_KEY",)
        given = _LITELLM_KEYS.get(head, usual)
    return Route("litellm", head, rest, given)


def _usual_keys(provider: str, env_key: str | None) -> tuple[str, ...]:
    from dspy._vendor.lm15.registry import lookup

    definition = lookup(provider)
    if definition is not None:
        if definition.hosted or definition.credential_policy not in ("key", "oauth-unless-explicit"):
            return ()  # a cloud signs with an identity of its own
        return tuple(definition.env_keys)
    return (env_key,) if env_key else ()


@functools.cache
def _litellm_providers() -> frozenset[str]:
    # LiteLLM itself takes seconds to import; the price list that DSPy carries names its providers.
    from dspy.clients.model_metadata import _snapshot

    chat = {"chat", "completion", "responses", None}
    entries = (entry for entry in _snapshot().values() if isinstance(entry, dict))
    return frozenset(
        str(entry["litellm_provider"]) for entry in entries if "litellm_provider" in entry and entry.get("mode") in chat
    )
