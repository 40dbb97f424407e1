"""What a call costs: from the configuration, else from the price list that DSPy carries. Never from the network.

US dollars are fractions, in whole millionths of a millionth, so that a sum is exact and depends on no order.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any, Literal

from ragc.models._routes import LOCAL, Route, route

if TYPE_CHECKING:
    from dspy.lm15 import Request

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
_ABOVE = re.compile(r"_above_(\d+)k_tokens")
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


@dataclass(frozen=True)
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
    _most: dict[tuple[object, ...], tuple[int, int, int]] = field(default_factory=dict, repr=False, compare=False)
    """The dearest rates by the case: nearly all calls are of the same one."""

    def dearest(self, inputs: int, outputs: int, request: Request | None = None) -> Fraction | None:
        """The most that so many tokens can cost, whatever of them is cached, written to a cache or reasoning.

        That is at the dearest rate that applies: long prompts, what `request` asks for (service tier, cache, media) and
        what a provider may do unasked (priority processing, where an account is set so). None: no price is known.
        """
        if self.rates is None:
            return None
        config = None if request is None else request.config
        tier = None if config is None else config.service_tier or (config.extensions or {}).get("service_tier")
        hour = config is not None and config.cache is not None and config.cache.retention == "long"
        media = request is not None and has_media(request)
        longer = bisect_left(self._lengths, max(inputs, 1))
        case = (tier, hour, media, longer)
        most = self._most.get(case)
        if most is None:
            tiers = {"", "priority"} if tier in (None, "auto") else {"", tier}
            most = self._most[case] = _dearest(
                rate
                for rate in self.rates
                if rate.above < max(inputs, 1)
                and rate.tier in tiers
                and (hour or not rate.hour)
                and (media or not rate.media)
            )
        input_rate, output_rate, parts = most
        return up(inputs * input_rate + outputs * output_rate, parts)

    @functools.cached_property
    def _lengths(self) -> list[int]:
        """The lengths of a prompt from which on other rates hold."""
        return sorted({rate.above for rate in self.rates or ()})


def _dearest(rates: Iterator[Rate]) -> tuple[int, int, int]:
    """The dearest rate of an input and of an output token, in the parts of a dollar that come third."""
    most = {"input": Fraction(), "output": Fraction()}
    for rate in rates:
        most[rate.side] = max(most[rate.side], rate.usd)
    parts = lcm(*(usd.denominator for usd in most.values()))
    return int(most["input"] * parts), int(most["output"] * parts), parts


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
    entry = list_entry(provider, model)
    rates = [_rate(entry, name) for name in ("input_cost_per_token", "output_cost_per_token")]
    if rates[0] is None or rates[1] is None or _has_fees(provider, entry):
        return None
    return Price(input=rates[0], output=rates[1], cached_input=_rate(entry, "cache_read_input_token_cost"))


@functools.lru_cache(maxsize=256)
def terms(settings: ModelSettings | EmbedderSettings) -> Terms:
    """What `settings.model` charges and allows. Raises ModelError for an unknown model string."""
    provider, model = _address(settings)
    local = provider == "local"
    entry = {} if local else list_entry(provider, model)
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


_IN_PROCESS = {LOCAL.removesuffix("/"), "fastembed", "sentence-transformers"}
"""Prefixes of embedders that make no call."""


def listed(found: Route) -> dict[str, Any]:
    """What the carried list says about the model that answers; empty: nothing."""
    return list_entry(found.provider, found.model)


@functools.lru_cache(maxsize=256)
def list_entry(provider: str, model: str) -> dict[str, Any]:
    """What the carried list says about a provider's model; empty: nothing."""
    from dspy.clients.model_metadata import model_info

    return dict(model_info(provider, model))


def longer_prompts(entry: dict[str, Any]) -> set[int]:
    """Tokens of a prompt above which an entry of the list has other rates."""
    return {1000 * int(found[1]) for key in entry if (found := _ABOVE.search(key))}


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


def up(usd: int, parts: int) -> Fraction:
    """So many parts of a dollar in whole `UNIT`s, rounded up."""
    return Fraction(-(-usd * UNIT // parts), UNIT)
