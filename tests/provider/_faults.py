"""The ways in which the provider misbehaves, by name, and plans that say when it does.

A plan is asked at each request. What it draws by lot depends on the content of the request and on how often that was
asked, never on the order of arrival: the same seed gives the same faults to any number of threads.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from ._delivery import Delivery
from ._values import Answer, Asked, Tokens, Wire

Fault = Callable[[Asked, Answer], Answer]
"""From the answer that was meant to the one that is sent."""
Plan = Callable[[Asked], "str | Fault | None"]
"""Which fault a request meets, by name or itself; None: none."""

ABSURD = 10**12


def always(fault: str | Fault) -> Plan:
    return lambda asked: fault


def schedule(*faults: str | Fault | None) -> Plan:
    """The first request meets the first fault, and so on; later ones none."""
    return lambda asked: faults[asked.number - 1] if asked.number <= len(faults) else None


def first_times(times: int, fault: str | Fault) -> Plan:
    """Each content meets the fault the first `times` times it is asked."""
    return lambda asked: fault if asked.occurrence <= times else None


def at_rates(rates: Mapping[str, float], seed: int = 0) -> Plan:
    """Shares of all requests, by the fault's name."""
    unknown = sorted(set(rates) - set(FAULTS))
    if unknown or sum(rates.values()) > 1:
        raise ValueError(f"unknown: {unknown}; known: {sorted(FAULTS)}; shares add up to {sum(rates.values())}")

    def plan(asked: Asked) -> str | None:
        luck = _luck(seed, asked).random()
        for name, share in rates.items():
            luck -= share
            if luck < 0:
                return name
        return None

    return plan


def lognormal(median: float, sigma: float = 0.5, seed: int = 0) -> Callable[[Asked], float]:
    """Latencies in seconds."""
    return lambda asked: median * _luck(seed + 1, asked).lognormvariate(0, sigma)


def rate_limited(retry_after: str | float | None = None, headers: Mapping[str, str] | None = None) -> Fault:
    """429, with what headers are given; `retry_after` in seconds or as an HTTP date."""
    waits = {} if retry_after is None else {"retry-after": str(retry_after)}

    def fault(asked: Asked, answer: Answer) -> Answer:
        refused = _refusal(429, "rate_limit_exceeded", "rate_limit_error", "Rate limit reached: slow down.")
        return replace(refused(asked, answer), headers={**waits, **(headers or {})})

    return fault


def rate_limit_headers(
    wire: Wire, *, remaining: int, reset: float, limit: int = 60, of: Literal["requests", "tokens"] = "requests"
) -> dict[str, str]:
    """What a provider says of its limits, in the form of its wire; `reset` in seconds from now."""
    if wire == "openai":
        shown = f"{int(reset // 60)}m{reset % 60:g}s" if reset >= 60 else f"{1000 * reset:.0f}ms"
        values = {"limit": str(limit), "remaining": str(remaining), "reset": shown}
        return {f"x-ratelimit-{name}-{of}": value for name, value in values.items()}
    when = (datetime.now(UTC) + timedelta(seconds=reset)).isoformat().replace("+00:00", "Z")
    values = {"limit": str(limit), "remaining": str(remaining), "reset": when}
    return {f"anthropic-ratelimit-{of}-{name}": value for name, value in values.items()}


def _exhausted(asked: Asked, answer: Answer) -> Answer:
    headers = rate_limit_headers(asked.wire, remaining=0, reset=1.0)
    return rate_limited(headers=headers)(asked, answer)


def _refusal(status: int, openai: str, anthropic: str, message: str, anthropic_message: str | None = None) -> Fault:
    """An error with the code and the words of either wire; `{key}` and `{model}` are filled in."""

    def fault(asked: Asked, answer: Answer) -> Answer:
        ours = asked.wire == "anthropic"
        said = (anthropic_message or message) if ours else message
        said = said.format(key=asked.key, model=asked.body.get("model"))
        return Answer(status=status, code=anthropic if ours else openai, message=said)

    return fault


def _no_credit(asked: Asked, answer: Answer) -> Answer:
    if asked.wire == "openai":
        said = "You exceeded your current quota, please check your plan and billing details."
        return Answer(status=429, code="insufficient_quota", message=said)
    said = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
    return Answer(status=400, code="invalid_request_error", message=said)


def _delivered(how: Delivery) -> Fault:
    return lambda asked, answer: replace(answer, delivery=how)


def _body(raw: bytes) -> Fault:
    return lambda asked, answer: replace(answer, raw=raw)


def _usage(usage: Tokens | None) -> Fault:
    return lambda asked, answer: replace(answer, usage=usage)


FAULTS: dict[str, Fault] = {
    "429": rate_limited(),
    "429 retry-after": rate_limited(1),
    "429 headers": _exhausted,
    "500": _refusal(500, "server_error", "api_error", "The server had an error while processing your request."),
    "503": _refusal(503, "service_unavailable", "api_error", "The engine is not available."),
    "529": _refusal(529, "overloaded", "overloaded_error", "Overloaded"),
    "slow": _delivered(Delivery.SLOW),
    "hang": _delivered(Delivery.HANG),
    "hang up": _delivered(Delivery.HANG_UP),
    "reset": _delivered(Delivery.RESET),
    "half": _delivered(Delivery.HALF),
    "cut": _delivered(Delivery.CUT),
    "not json": _body(b"<html><body>502 Bad Gateway</body></html>"),
    "wrong shape": _body(b'{"status": "ok", "result": ["fine"]}'),
    "no usage": _usage(None),
    "absurd usage": _usage(Tokens(ABSURD, ABSURD)),
    "negative usage": _usage(Tokens(-100, -10)),
    "key echoed": _refusal(
        401, "invalid_api_key", "authentication_error", "Incorrect API key provided: {key}.", "invalid x-api-key: {key}"
    ),
    "key echoed in 500": _refusal(500, "server_error", "api_error", "Cannot forward to upstream with key {key}"),
    "401": _refusal(401, "invalid_api_key", "authentication_error", "Incorrect API key provided.", "invalid x-api-key"),
    "403": _refusal(403, "permission_denied", "permission_error", "Your API key may not use this resource."),
    "unknown model": _refusal(
        404, "model_not_found", "not_found_error", "The model `{model}` does not exist.", "model: {model} not found"
    ),
    "no credit": _no_credit,
    "context exceeded": _refusal(
        400,
        "context_length_exceeded",
        "invalid_request_error",
        "This model's maximum context length is 8192 tokens. Please reduce the length of the messages.",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ),
    "content filter": lambda asked, answer: replace(answer, text="", finish="content_filter"),
    "prompt refused": _refusal(
        400,
        "content_filter",
        "invalid_request_error",
        "The response was filtered due to the prompt triggering content management policy.",
        "Output blocked by content filtering policy",
    ),
}


def _luck(seed: int, asked: Asked) -> random.Random:
    return random.Random(f"{seed} {asked.content} {asked.occurrence}")
