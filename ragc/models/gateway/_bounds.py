"""What a call can take at most, known before it is sent; and what it did take, as far as that can be believed.

Invariant: for every response whose usage makes sense, `actual` is covered by `worst_case` of its request. So an account
that reserves the one and settles the other never passes its cap. It rests on these facts:

- A token stands for at least one byte of text, so that a prompt has no more tokens than the request has bytes, written
  as JSON with everything in it (tools, schemas, demonstrations), beside what a provider wraps around messages. Some
  tokenizers bring characters into their compatible form first (NFKC), which can be longer: the longer one counts.
- What has no such measure (images, documents, what a provider keeps for the caller) fits the model's window.
- A response is no longer than `max_tokens`, which counts reasoning, else than the model's own maximum.
- Every token is priced at the dearest rate that can apply to it (see `Terms.dearest`).

What a provider reports is not believed where it is missing, does not add up or is above the bound: such a response
counts as its worst case, and `Counted.doubt` says so.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ragc._files import canonical_json
from ragc.errors import BudgetError
from ragc.models._charge import charge, counted
from ragc.models._local import CONTEXT, MAX_TOKENS
from ragc.models._prices import Terms, find_price, has_media, hosted_tools, require_price, terms
from ragc.models._ranking_wires import Taken
from ragc.models.gateway._amounts import Amounts

if TYPE_CHECKING:
    from dspy.lm15 import Request, Response

    from ragc.models._ranking import Ranking
    from ragc.project import Budget, EmbedderSettings, ModelSettings

PER_REQUEST = 1024
"""Tokens that a provider may add to a request by itself; Anthropic's prompt for tools, the longest known, has 530."""
PER_MESSAGE = 32
"""Tokens that may stand around a message, a tool or an embedded text: roles, separators, instructions for queries."""
UNBOUNDED = 131_072
"""Tokens that are reserved where nothing bounds them; only where no cap depends on it."""

# In `Config.extensions`, which go into the request as they stand.
_LENGTHS = {"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "max_new_tokens"}
_TIMES = {"n", "best_of", "candidateCount", "num_generations"}
_KEPT_THERE = {"previous_response_id", "conversation", "prompt", "container", "cachedContent"}

_ASCII = bytes(range(128))

_NO_USAGE = "a response came without usage: it counts as the most that it can have taken"
_ABSURD = "a response came with impossible usage: it counts as the most that it can have taken"
_DEAR = "a response cost more than its request can: it counts as the most that it can have taken"


@dataclass(frozen=True, slots=True)
class Counted:
    """What a response took."""

    amounts: Amounts
    """Covered by the worst case of its request."""
    cached_input_tokens: int
    usd: Fraction | None
    """As in `amounts`; None: no price is known."""
    doubt: str | None = None
    """Why the worst case stands here and not what the provider said; None: it is what the provider said."""


def worst_case(
    request: Request,
    settings: ModelSettings,
    *,
    budget: Budget,
    canonical: bytes | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> Amounts:
    """The most that the one response to `request` can take.

    `canonical` is canonical JSON that holds the request, where it is at hand; `count_tokens` the tokenizer of a model
    that runs in this process. Raises BudgetError, with the line to write, where a cap of `budget` depends on what
    cannot be bounded: no price, no longest response, no window, tools that the provider bills by itself.
    """
    known = terms(settings)
    if budget.usd is not None and known.rates is None:
        require_price(settings, find_price(settings))
    tools = hosted_tools(request)
    if tools and not (budget.usd is budget.input_tokens is budget.output_tokens is None):
        raise BudgetError(
            f"the budget cannot hold: {settings.model} is asked to use {tools[0]}, which its provider bills by itself: "
            "take the tool out of the program, or usd and tokens out of the budget"
        )
    inputs = _most_inputs(request, known, settings, canonical, count_tokens)
    if inputs is None:
        _refuse_unbounded(
            budget.usd is not None or budget.input_tokens is not None,
            f"the prompt holds more than text and the context of {settings.model} is not known: take it out of the "
            "program, or usd and input_tokens out of the budget",
        )
    outputs = _most_outputs(request, known, settings)
    if outputs is None:
        _refuse_unbounded(
            budget.usd is not None or budget.output_tokens is not None,
            f"how long a response of {settings.model} can be is not known: add max_tokens = 512, or what an answer "
            "needs, to its table (lm = { model = …, max_tokens = … }), or leave usd and output_tokens out",
        )
    inputs, outputs = inputs or UNBOUNDED, outputs or UNBOUNDED
    return Amounts(1, inputs, outputs, known.dearest(inputs, outputs, request) or Fraction())


def actual(response: Response, request: Request, settings: ModelSettings, worst: Amounts) -> Counted:
    """What `response` took; `worst` is `worst_case` of its request, and stands in where usage cannot be believed."""
    known = terms(settings)
    inputs, cached, outputs = counted(response, known.provider)
    doubt = _doubt(response, inputs, cached, outputs, worst)
    if doubt is None:
        usd = charge(response, request, known)
        if usd is None or usd <= worst.usd:
            return Counted(Amounts(1, inputs, outputs, usd or Fraction()), cached, usd)
        doubt = _DEAR
    priced = known.rates is not None and not hosted_tools(request)
    return Counted(worst if priced else replace(worst, usd=Fraction()), 0, worst.usd if priced else None, doubt)


def embedding_worst_case(texts: Sequence[str], settings: EmbedderSettings, *, budget: Budget) -> Amounts:
    """Unlike `worst_case`: of one request that embeds `texts`. Raises BudgetError for a cap in USD without a price."""
    known = terms(settings)
    if budget.usd is not None and known.rates is None:
        require_price(settings, find_price(settings))
    tokens = sum(_least(_bytes(text.encode()) + PER_MESSAGE, known.window) for text in texts)
    return Amounts(1, tokens, 0, known.dearest(tokens, 0) or Fraction())


def embedding_actual(input_tokens: int | None, settings: EmbedderSettings, worst: Amounts) -> Counted:
    """Unlike `actual`: of an embedding response, with the tokens that it reports; None: it reports none."""
    known = terms(settings)
    doubt = _NO_USAGE if input_tokens is None else None
    if input_tokens is not None and not 0 < input_tokens <= worst.input_tokens:
        doubt = _ABSURD
    if input_tokens is None or doubt is not None:
        return Counted(worst, 0, None if known.rates is None else worst.usd, doubt)
    usd = known.dearest(input_tokens, 0)
    return Counted(Amounts(1, input_tokens, 0, usd or Fraction()), 0, usd)


def ranking_worst_case(request: Mapping[str, Any], endpoint: Ranking, *, budget: Budget) -> Amounts:
    """Unlike `worst_case`: of one request that ranks documents. Raises BudgetError for a cap in USD without a price.

    Where searches are billed, tokens are none.
    """
    if budget.usd is not None:
        endpoint.require_price()
    query, *documents = (_bytes(text.encode()) + PER_MESSAGE for text in (request["query"], *request["documents"]))
    most = endpoint.most(query, documents)
    return Amounts(1, most.tokens, 0, endpoint.usd(most) or Fraction())


def ranking_actual(taken: Taken | None, endpoint: Ranking, worst: Amounts) -> Counted:
    """Unlike `actual`: of a ranking, with what it says that it took; None: it does not say."""
    usd = None if taken is None else endpoint.usd(taken)
    if taken is not None and taken.tokens <= worst.input_tokens and (usd or 0) <= worst.usd:
        return Counted(Amounts(1, taken.tokens, 0, usd or Fraction()), 0, usd)
    priced = endpoint.usd(Taken()) is not None
    return Counted(worst, 0, worst.usd if priced else None, _NO_USAGE if taken is None else _ABSURD)


def _most_inputs(
    request: Request,
    known: Terms,
    settings: ModelSettings,
    canonical: bytes | None,
    count_tokens: Callable[[str], int] | None,
) -> int | None:
    window = (settings.context or CONTEXT) if known.local else known.window
    config = request.config
    kept_there = config.cache is not None and config.cache.resource is not None
    if has_media(request) or kept_there or not _KEPT_THERE.isdisjoint(config.extensions or ()):
        return window
    around = PER_REQUEST + PER_MESSAGE * (1 + len(request.messages) + len(request.tools))
    if count_tokens is not None and known.local and not request.tools:
        return _least(around + sum(count_tokens(text) for text in _texts(request)), window)
    if canonical is None:
        from dspy._vendor.lm15.serde import request_to_dict

        canonical = canonical_json(request_to_dict(request))
    return _least(around + _bytes(canonical), window)


def _most_outputs(request: Request, known: Terms, settings: ModelSettings) -> int | None:
    config = request.config
    if known.local:
        return _least(config.max_tokens or MAX_TOKENS, settings.context or CONTEXT)
    given = list(_deep(config.extensions or {}))
    most = max([config.max_tokens or 0, *(value for name, value in given if name in _LENGTHS)]) or known.longest
    if most is None:
        return None
    return (most + _thinking(request, known)) * max([1, *(value for name, value in given if name in _TIMES)])


def _thinking(request: Request, known: Terms) -> int:
    """Tokens that DSPy adds to `max_tokens` on Anthropic's wire, for models that are given a budget to think."""
    from dspy._vendor.lm15.providers.common import EFFORT_THINKING_BUDGETS

    reasoning = request.config.reasoning
    if reasoning is None or reasoning.is_off or "anthropic" not in known.provider:
        return 0
    return int(reasoning.thinking_budget or EFFORT_THINKING_BUDGETS[reasoning.effort])


def _doubt(response: Response, inputs: int, cached: int, outputs: int, worst: Amounts) -> str | None:
    usage = response.usage
    missing = usage.input_tokens is None or usage.output_tokens is None
    if missing or inputs == 0 or (outputs == 0 and response.text):
        return _NO_USAGE
    possible = 0 < inputs <= worst.input_tokens and 0 <= cached <= inputs and 0 <= outputs <= worst.output_tokens
    return None if possible and (usage.reasoning_tokens or 0) <= outputs else _ABSURD


def _texts(request: Request) -> Iterator[str]:
    system = request.system
    if isinstance(system, str):
        yield system
    for part in system if isinstance(system, tuple) else ():
        yield getattr(part, "text", "")
    for message in request.messages:
        yield message.text or ""


def _deep(values: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """The whole numbers in `values` and the tables in it, by name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _deep(value)
        elif isinstance(value, int) and value > 0:
            yield name, value


def _bytes(text: bytes) -> int:
    """The bytes of a text in UTF-8, as it is or in its compatible form (NFKC), whichever is longer; at least.

    Only what is not ASCII can grow, and no more than to its parts (NFKD), whatever of these is put together again.
    """
    special = text.translate(None, _ASCII)
    letters = special.decode()
    if unicodedata.is_normalized("NFKC", letters):
        return len(text)
    return len(text) + max(0, len(unicodedata.normalize("NFKD", letters).encode()) - len(special))


def _least(tokens: int, window: int | None) -> int:
    return tokens if window is None else min(tokens, window)


def _refuse_unbounded(depends: bool, why: str) -> None:
    if depends:
        raise BudgetError(f"the budget cannot hold: {why}")
