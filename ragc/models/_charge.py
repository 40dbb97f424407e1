"""What a response cost: the tokens that it reports, at the price of its model."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING

from dspy.clients.call_result import usage_dict
from dspy.clients.costs import estimate_cost
from dspy.lm15 import Message, Response, TextPart, Usage

from ragc.models._prices import MEDIA, UNIT, Terms, hosted_tools, list_entry, longer_prompts, up

if TYPE_CHECKING:
    from dspy.lm15 import Request

_USUAL_TIERS = frozenset({None, "auto", "default", "standard", "ON_DEMAND"})


def charge(response: Response, request: Request, known: Terms) -> Fraction | None:
    """US dollars for one response; None: no price is known.

    A configured price counts input, cached input and output. The list knows more (long contexts, service tiers, writing
    to a cache), so that DSPy's own estimate is asked for a listed one; where it cannot tell, the dearest rates count.
    """
    if known.rates is None or hosted_tools(request):
        return None
    if known.local:
        return Fraction()
    inputs, cached, outputs = counted(response, known.provider)
    if not known.listed:
        fresh, *rest = [rate.usd for rate in known.rates if rate.side == "input"]
        said = next(rate.usd for rate in known.rates if rate.side == "output")
        usd = (inputs - cached) * fresh + cached * (rest[0] if rest else fresh) + outputs * said
        return up(usd.numerator, usd.denominator)
    plain = _plain(known.provider, response.model, known.model) if _is_plain(response, request) else None
    exact = plain.charge(inputs, cached, outputs, response.usage) if plain is not None else None
    if exact is not None:
        return exact
    estimate, _ = estimate_cost(response, provider=known.provider, requested_model=known.model, request=request)
    if estimate is None:
        return known.dearest(inputs, outputs, request)
    return Fraction(round(Fraction(estimate) * UNIT), UNIT)


def counted(response: Response, provider: str) -> tuple[int, int, int]:
    """Input tokens (cached ones included), cached input tokens and output tokens (reasoning included) as reported.

    What is not reported counts as none.
    """
    usage = usage_dict(response, provider)
    inputs, outputs = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return inputs, (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0, outputs


@dataclass(frozen=True, slots=True)
class _Plain:
    """What DSPy's estimate takes for a token of each kind, asked once: it looks its rates up anew for every response.

    In parts of a dollar, so that a sum is one of whole numbers.
    """

    fresh: int
    cached: int
    written: int
    """To the provider's cache."""
    said: int
    reasoned: int
    parts: int
    longest: int | None
    """Tokens of the longest prompt that they hold for; None: of any."""

    def charge(self, inputs: int, cached: int, outputs: int, usage: Usage) -> Fraction | None:
        """US dollars for a response; the counts are those of `counted`. None: these rates do not hold for it."""
        written, reasoned = usage.cache_write_tokens or 0, usage.reasoning_tokens or 0
        fresh, said = inputs - cached - written, outputs - reasoned
        if fresh < 0 or said < 0 or (self.longest is not None and inputs > self.longest):
            return None
        usd = fresh * self.fresh + cached * self.cached + written * self.written
        usd += said * self.said + reasoned * self.reasoned
        return Fraction((2 * usd * UNIT + self.parts) // (2 * self.parts), UNIT)


def _is_plain(response: Response, request: Request) -> bool:
    """Whether the numbers of tokens alone decide what a response cost."""
    usage, config, said = response.usage, request.config, response.provider_data or {}
    tiers = (config.service_tier, said.get("service_tier"), (said.get("usageMetadata") or {}).get("serviceTier"))
    return (
        _USUAL_TIERS.issuperset(tiers)
        and (config.cache is None or config.cache.retention != "long")
        and not (usage.input_tokens is None or usage.output_tokens is None)
        and not (usage.input_audio_tokens or usage.output_audio_tokens)
        and MEDIA.isdisjoint(part.type for part in response.message.parts)
    )


@functools.lru_cache(maxsize=256)
def _plain(provider: str, answered: str, asked: str) -> _Plain | None:
    """The rates of the model that answered, or of the one that was asked; None: DSPy does not know them all."""
    # Some providers report cached tokens beside the input, or reasoning beside the output, and not in it.
    in_input = counted(_of_one_token(asked, Usage(0, 0, cache_read_tokens=1)), provider)[0] == 0
    in_output = counted(_of_one_token(asked, Usage(0, 0, reasoning_tokens=1)), provider)[2] == 0
    kinds = (
        Usage(1, 0),
        Usage(int(in_input), 0, cache_read_tokens=1),
        Usage(int(in_input), 0, cache_write_tokens=1),
        Usage(0, 1),
        Usage(0, int(in_output), reasoning_tokens=1),
    )
    rates = []
    for usage in kinds:
        estimate, _ = estimate_cost(_of_one_token(answered, usage), provider=provider, requested_model=asked)
        if estimate is None:
            return None
        rates.append(Fraction(str(estimate)))
    parts = lcm(*(rate.denominator for rate in rates))
    entry = list_entry(provider, answered) or list_entry(provider, asked)
    fresh, cached, written, said, reasoned = (int(rate * parts) for rate in rates)
    return _Plain(fresh, cached, written, said, reasoned, parts, min(longer_prompts(entry), default=None))


def _of_one_token(model: str, usage: Usage) -> Response:
    return Response(None, model, Message.assistant([TextPart("")]), "stop", usage)
