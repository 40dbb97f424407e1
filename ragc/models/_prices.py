"""What a call costs: from the configuration, else from the price list that DSPy carries. Never from the network.

US dollars are fractions, in whole millionths of a millionth, so that a sum is exact and depends on no order.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from ragc.models._routes import LOCAL, Route, route

if TYPE_CHECKING:
    from dspy.lm15 import Request, Response

    from ragc.project import EmbedderSettings, ModelSettings, Price

MILLION = 1_000_000
UNIT = 10**12
"""The parts of a dollar that costs are counted in."""
MEDIA = frozenset({"image", "audio", "video", "document", "binary"})
"""Parts of a message whose tokens are no text."""

# The rates of DSPy's list (LiteLLM's) by which tokens are charged. What it has beside these is cheaper, or a fee.
_RATES: dict[str, tuple[Literal["input", "output"], bool]] = {
    "input_cost_per_token": ("input", False),
    "cache_read_input_token_cost": ("input", False),
    "cache_creation_input_token_cost": ("input", False),
    "cache_read_input_audio_token_cost": ("input", True),
    "input_cost_per_audio_token": ("input", True),
    "input_cost_per_image_token": ("input", True),
    "input_cost_per_video_token": ("input", True),
    "output_cost_per_token": ("output", False),
    "output_cost_per_reasoning_token": ("output", False),
    "output_cost_per_audio_token": ("output", False),
    "output_cost_per_image_token": ("output", False),
    "output_cost_per_video_token": ("output", False),
}
_RATE = re.compile(rf"({'|'.join(_RATES)})(_above_1hr)?(?:_above_(\d+)k_tokens)?(?:_([a-z]+))?")
# What some models charge beside tokens: DSPy's estimate leaves it out, so that their price is not known.
_FEES = (
    "citation_cost_per_token",
    "input_cost_per_character",
    "input_cost_per_query",
    "input_cost_per_request",
    "input_cost_per_second",
)


@dataclass(frozen=True, slots=True)
class Rate:
    """What a token costs in one of the cases that the list tells apart."""

    side: Literal["input", "output"]
    usd: Fraction
    """US dollars a token."""
    above: int = 0
    """Only where the prompt has more tokens than this."""
    tier: str = ""
    """Only in this service tier; empty: in any."""
    hour: bool = False
    """Only where the provider is asked to keep the prompt in its cache for long."""
    media: bool = False
    """Only for tokens of images, sound and the like."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model charges and what it allows."""

    provider: str
    model: str
    """The model's name on the wire."""
    local: bool
    """Whether it runs in this process, and costs nothing."""
    listed: bool
    """Whether the rates are the list's and not the configuration's."""
    rates: tuple[Rate, ...] | None
    """None: no price is known."""
    window: int | None
    """Tokens that a prompt can have at most; None: not known."""
    longest: int | None
    """Tokens that a response can have at most; None: not known."""

    def dearest(self, inputs: int, outputs: int, request: Request | None = None) -> Fraction | None:
        """The most that so many tokens can cost, whatever of them is cached, written to a cache or reasoning.

        That is at the dearest rate that applies: long prompts, what `request` asks for (service tier, cache, media) and
        what a provider may do unasked (priority processing, where an account is set so). None: no price is known.
        """
        if self.rates is None:
            return None
        config = None if request is None else request.config
        tier = None if config is None else config.service_tier or (config.extensions or {}).get("service_tier")
        tiers = {"", "priority"} if tier in (None, "auto") else {"", tier}
        hour = config is not None and config.cache is not None and config.cache.retention == "long"
        media = request is not None and has_media(request)
        apply = [
            rate
            for rate in self.rates
            if rate.above < max(inputs, 1)
            and rate.tier in tiers
            and (hour or not rate.hour)
            and (media or not rate.media)
        ]
        most = {side: max((rate.usd for rate in apply if rate.side == side), default=0) for side in ("input", "output")}
        return _up(inputs * most["input"] + outputs * most["output"])


def find_price(settings: ModelSettings | EmbedderSettings) -> Price | None:
    """The price of `settings.model` per million tokens; None: not known. A local model costs nothing.

    Raises ModelError for an unknown model string.
    """
    from ragc.project import Price

    given = settings.price
    if given is not None:
        return given if isinstance(given, Price) else Price(input=given.input, output=0.0)
    provider, model = _address(settings)
    if provider == "local":
        return Price(input=0.0, output=0.0, cached_input=0.0)
    entry = _listed(provider, model)
    rates = [_rate(entry, name) for name in ("input_cost_per_token", "output_cost_per_token")]
    if rates[0] is None or rates[1] is None or _has_fees(provider, entry):
        return None
    return Price(input=rates[0], output=rates[1], cached_input=_rate(entry, "cache_read_input_token_cost"))


@functools.lru_cache(maxsize=256)
def terms(settings: ModelSettings | EmbedderSettings) -> Terms:
    """What `settings.model` charges and allows. Raises ModelError for an unknown model string."""
    provider, model = _address(settings)
    local = provider == "local"
    entry = {} if local else _listed(provider, model)
    rates: tuple[Rate, ...] | None = None
    if settings.price is not None:
        rates = tuple(_configured(settings.price.model_dump(exclude_none=True)))
    elif find_price(settings) is not None:
        rates = tuple(_of_entry(entry))
    return Terms(
        provider=provider,
        model=model,
        local=local,
        listed=settings.price is None and not local,
        rates=rates,
        window=_count(entry, "max_input_tokens"),
        longest=_count(entry, "max_output_tokens") or _count(entry, "max_tokens"),
    )


def charge(response: Response, request: Request, known: Terms) -> Fraction | None:
    """US dollars for one response; None: no price is known.

    A configured price counts input, cached input and output. The list knows more (long contexts, service tiers, writing
    to a cache), so that DSPy's own estimate is asked for a listed one; where it cannot tell, the dearest rates count.
    """
    from dspy.clients.costs import estimate_cost

    if known.rates is None or hosted_tools(request):
        return None
    if known.local:
        return Fraction()
    inputs, cached, outputs = counted(response, known.provider)
    if not known.listed:
        fresh, *rest = [rate.usd for rate in known.rates if rate.side == "input"]
        written = next(rate.usd for rate in known.rates if rate.side == "output")
        return _up((inputs - cached) * fresh + cached * (rest[0] if rest else fresh) + outputs * written)
    estimate, _ = estimate_cost(response, provider=known.provider, requested_model=known.model, request=request)
    if estimate is None:
        return known.dearest(inputs, outputs, request)
    return Fraction(round(Fraction(estimate) * UNIT), UNIT)


def counted(response: Response, provider: str) -> tuple[int, int, int]:
    """Input tokens (cached ones included), cached input tokens and output tokens (reasoning included) as reported.

    What is not reported counts as none.
    """
    from dspy.clients.call_result import usage_dict

    usage = usage_dict(response, provider)
    inputs, outputs = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return inputs, (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0, outputs


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


def has_media(request: Request) -> bool:
    """Whether the prompt holds anything but text."""
    parts = [part for message in request.messages for part in message.parts]
    if isinstance(request.system, tuple):
        parts.extend(request.system)
    return any(
        part.type in MEDIA or (part.type == "tool_result" and any(inner.type in MEDIA for inner in part.content))
        for part in parts
    )


def hosted_tools(request: Request) -> list[str]:
    """Names of tools that the provider runs and bills by itself, such as a web search."""
    names = [tool.name for tool in request.tools if tool.type == "builtin"]
    return names + [name for name in request.config.extensions or {} if name in _HOSTED]


_HOSTED = {"mcp_servers", "plugins", "search_parameters", "tools", "web_search_options"}


def require_price(settings: ModelSettings | EmbedderSettings, price: Price | None) -> None:
    """Raises BudgetError, with the line to write, where a cap in USD meets a model without a price."""
    from ragc.errors import BudgetError
    from ragc.project import ModelSettings

    if price is None:
        is_lm = isinstance(settings, ModelSettings)
        key, figures = ("lm", "input = …, output = …") if is_lm else ("embedder", "input = …")
        raise BudgetError(
            f"budget.usd cannot hold: no price is known for {settings.model}: write {key} = {{ model = "
            f'"{settings.model}", price = {{ {figures} }} }} (USD per million tokens), or leave usd out'
        )


def _address(settings: ModelSettings | EmbedderSettings) -> tuple[str, str]:
    """Provider and model as the list knows them; the provider `local` for what runs in this process."""
    from ragc.project import ModelSettings

    if isinstance(settings, ModelSettings):
        found = route(settings)
        return found.provider, found.model
    provider, _, model = settings.model.partition("/")
    return ("local" if provider in _IN_PROCESS else provider), model


_IN_PROCESS = {LOCAL.removesuffix("/"), "fastembed"}
"""Prefixes of embedders that make no call."""


def listed(found: Route) -> dict[str, Any]:
    """What the carried list says about the model that answers; empty: nothing."""
    return _listed(found.provider, found.model)


@functools.cache
def _listed(provider: str, model: str) -> dict[str, Any]:
    from dspy.clients.model_metadata import model_info

    return dict(model_info(provider, model))


def _configured(price: dict[str, float]) -> Iterator[Rate]:
    for name, usd in price.items():
        yield Rate("output" if name == "output" else "input", Fraction(str(usd)) / MILLION)


def _of_entry(entry: dict[str, Any]) -> Iterator[Rate]:
    from dspy.clients.model_metadata import rate

    for key in entry:
        found = _RATE.fullmatch(key)
        usd = rate(entry, key)
        if found is not None and usd is not None:
            side, media = _RATES[found[1]]
            yield Rate(side, Fraction(str(usd)), int(found[3] or 0) * 1000, found[4] or "", bool(found[2]), media)


def _has_fees(provider: str, entry: dict[str, Any]) -> bool:
    searches = provider == "perplexity" and entry.get("search_context_cost_per_query")
    return bool(searches) or any(entry.get(name) for name in _FEES)


def _rate(entry: dict[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return round(value * MILLION, 9)


def _count(entry: dict[str, Any], name: str) -> int | None:
    value = entry.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _up(usd: Fraction | int) -> Fraction:
    return Fraction(ceil(usd * UNIT), UNIT)
