"""What a call costs: from the configuration, else from the price list that DSPy carries. Never from the network."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ragc.models._routes import Route, route

if TYPE_CHECKING:
    from dspy.lm15 import Request, Response

    from ragc.project import ModelSettings, Price

MILLION = 1_000_000


def find_price(settings: ModelSettings) -> Price | None:
    """The price of `settings.model` per million tokens; None: not known. A local model costs nothing.

    Raises ModelError for an unknown model string.
    """
    from ragc.project import Price

    if settings.price is not None:
        return settings.price
    found = route(settings)
    if found.engine == "local":
        return Price(input=0.0, output=0.0, cached_input=0.0)
    entry = listed(found)
    rates = [_rate(entry, name) for name in ("input_cost_per_token", "output_cost_per_token")]
    if rates[0] is None or rates[1] is None:
        return None
    return Price(input=rates[0], output=rates[1], cached_input=_rate(entry, "cache_read_input_token_cost"))


def listed(found: Route) -> dict[str, Any]:
    """What the carried list says about the model that answers; empty: nothing."""
    return _listed(found.provider, found.model)


def cost(response: Response, request: Request, *, found: Route, price: Price | None, configured: bool) -> float | None:
    """US dollars for one response; None: no price is known.

    A configured price counts input, cached input and output. DSPy's list knows more (long contexts, service tiers,
    writing to a cache), so that for an unconfigured model its own estimate is asked first.
    """
    from dspy.clients.costs import estimate_cost

    if found.engine == "local":
        return 0.0
    if not configured:
        estimate, _ = estimate_cost(response, provider=found.provider, requested_model=found.model, request=request)
        if estimate is not None:
            return float(estimate)
    if price is None:
        return None
    inputs, cached, outputs = tokens(response, request, found.provider)
    cached_price = price.input if price.cached_input is None else price.cached_input
    return ((inputs - cached) * price.input + cached * cached_price + outputs * price.output) / MILLION


def tokens(response: Response, request: Request, provider: str) -> tuple[int, int, int]:
    """Input tokens (cached ones included), cached input tokens, output tokens (reasoning included).

    A count that the endpoint does not report is estimated from the text, four bytes to a token.
    """
    from dspy.clients.call_result import usage_dict

    usage = usage_dict(response, provider)
    inputs, outputs = usage.get("prompt_tokens"), usage.get("completion_tokens")
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    if inputs is None:
        system = request.system if isinstance(request.system, str) else ""
        inputs = estimate_tokens(system + "".join(message.text or "" for message in request.messages))
    if outputs is None:
        outputs = estimate_tokens(response.text or "")
    return int(inputs), min(int(cached), int(inputs)), int(outputs)


def estimate_tokens(text: str) -> int:
    """Four bytes to a token, rounded up: on the safe side for most tokenizers and languages."""
    return -(-len(text.encode("utf-8")) // 4)


@functools.cache
def _listed(provider: str, model: str) -> dict[str, Any]:
    from dspy.clients.model_metadata import model_info

    return dict(model_info(provider, model))


def _rate(entry: dict[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return round(value * MILLION, 9)


def require_price(settings: ModelSettings, price: Price | None) -> None:
    """Raises BudgetError, with the line to write, where a cap in USD meets a model without a price."""
    from ragc.errors import BudgetError

    if price is None:
        raise BudgetError(
            f"budget.usd cannot hold: no price is known for {settings.model}: write lm = {{ model = "
            f'"{settings.model}", price = {{ input = …, output = … }} }} (USD per million tokens), or leave usd out'
        )
