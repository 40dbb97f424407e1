"""Exact input token counts of a prompt, from the provider's own endpoint for it, through its official SDK.

OpenAI     `client.responses.input_tokens.count`; a prompt for Chat Completions is counted as the same one for Responses
Anthropic  `client.messages.count_tokens`

Both are free of charge and answer nothing. The body is the one that DSPy's wire would send: a schema counts too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dspy.clients.engines.lm15_engine import LM15Engine

from ragc._secrets import redact
from ragc.errors import ModelError
from ragc.models._providers import router_config
from ragc.models._routes import Route, api_key, base_url, route

if TYPE_CHECKING:
    from dspy.lm15 import Request

    from ragc.project import ModelSettings

Count = Callable[["Request"], int]
"""Input tokens of a request, as the provider counts them. Raises NotCounted."""

_OPENAI = ("model", "input", "instructions", "text", "tools", "tool_choice", "parallel_tool_calls", "reasoning")
_ANTHROPIC = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config")
"""The parts of a body that count as input, and that the endpoint for counting takes."""


class NotCounted(ModelError):
    """The endpoint gives no count; says why, in one line."""


def exact_counter(settings: ModelSettings) -> Count:
    """Counts the input tokens of requests to `settings.model`. Nothing is sent before the first count.

    Raises NotCounted for a provider that has no endpoint for it, ModelError for a missing key or unknown model.
    """
    found = route(settings)
    if found.engine == "lm15" and found.provider in ("openai-chat", "openai"):
        return _openai(settings, found)
    if found.engine == "lm15" and found.provider == "anthropic":
        return _anthropic(settings, found)
    raise NotCounted(f"{settings.model}: only OpenAI and Anthropic count a prompt before it is paid for")


def _openai(settings: ModelSettings, found: Route) -> Count:
    import openai

    client = openai.OpenAI(api_key=api_key(settings, found), base_url=base_url(settings), timeout=settings.timeout)
    body = _body(settings, replace(found, provider="openai"), "responses")

    def count(request: Request) -> int:
        given = {name: value for name, value in body(request).items() if name in _OPENAI}
        try:
            return client.responses.input_tokens.count(**given).input_tokens
        except openai.OpenAIError as error:
            raise _refused(settings, found, error) from None

    return count


def _anthropic(settings: ModelSettings, found: Route) -> Count:
    import anthropic

    url = base_url(settings)
    client = anthropic.Anthropic(
        api_key=api_key(settings, found),
        base_url=None if url is None else url.rstrip("/").removesuffix("/v1"),  # the SDK adds it itself
        timeout=settings.timeout,
    )
    body = _body(settings, found, "chat")

    def count(request: Request) -> int:
        given = {name: value for name, value in body(request).items() if name in _ANTHROPIC}
        try:
            return client.messages.count_tokens(**given).input_tokens
        except anthropic.AnthropicError as error:
            raise _refused(settings, found, error) from None

    return count


def _body(settings: ModelSettings, found: Route, model_type: str) -> Callable[[Request], dict[str, Any]]:
    """From a request to the body that DSPy's wire would send for it."""
    engine = LM15Engine(router_config(settings, found), model_type=model_type)
    resolved = engine.resolve(settings.model)
    wire = engine.router.lm(f"{resolved.provider}:{resolved.model}")

    def body(request: Request) -> dict[str, Any]:
        sent = wire.build_request(replace(request, model=resolved.model), False)
        given: dict[str, Any] = json.loads(sent.body)
        return given

    return body


def _refused(settings: ModelSettings, found: Route, error: Exception) -> NotCounted:
    said = " ".join(str(error).split())[:200]
    return NotCounted(f"{settings.model}: its endpoint counts no tokens ({redact(said, found.variables)})")
