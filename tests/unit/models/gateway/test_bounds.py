"""The worst case of a call: never below what it can take, nor below what it did take."""

from __future__ import annotations

import functools
import json
import unicodedata
from fractions import Fraction
from typing import Any

import pytest
from dspy.clients.costs import estimate_cost
from dspy.clients.model_metadata import _snapshot
from dspy.lm15 import (
    AnthropicLM,
    BuiltinTool,
    CacheConfig,
    Config,
    FunctionTool,
    ImagePart,
    Message,
    Reasoning,
    Request,
    Response,
    TextPart,
    Usage,
)
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from ragc.errors import BudgetError
from ragc.models._charge import charge
from ragc.models._local import LocalEngine
from ragc.models._prices import UNIT, Terms, find_price, terms
from ragc.models.gateway import (
    Amounts,
    Counted,
    actual,
    embedding_actual,
    embedding_worst_case,
    worst_case,
)
from ragc.project import Budget, EmbedderSettings, ModelSettings

NO_CAP = Budget()
USD = Budget(usd=1.0)
SONNET = "anthropic/claude-sonnet-4-5"
PROVIDERS = ("openai", "anthropic", "gemini", "xai", "groq", "mistral", "deepseek", "openrouter", "moonshot")
APART = {"gemini", "xai"}
"""Providers that report reasoning beside the output and not in it."""


def lm(model: str = "openai/gpt-5", **values: Any) -> ModelSettings:
    return ModelSettings.model_validate({"model": model, **values})


def embedder(model: str = "openai/text-embedding-3-small", **values: Any) -> EmbedderSettings:
    return EmbedderSettings.model_validate({"model": model, **values})


def asking(text: str = "hello", /, *, tools: tuple[Any, ...] = (), system: str | None = None, **config: Any) -> Request:
    return Request("m", (Message.user(text),), system, tools, Config(**config))


def answering(usage: Usage, text: str = "yes", **values: Any) -> Response:
    return Response(None, "m", Message.assistant([TextPart(text)]), "stop", usage, **values)


# -- the price of tokens


@functools.cache
def priced_models() -> list[str]:
    """The chat models of the list that DSPy speaks to by itself and whose price is known."""
    models = []
    for key, entry in _snapshot().items():
        provider = entry.get("litellm_provider") if isinstance(entry, dict) else None
        if provider in PROVIDERS and entry.get("mode") == "chat" and "/" not in key.removeprefix(f"{provider}/"):
            model = f"{provider}/{key.removeprefix(f'{provider}/')}"
            if find_price(lm(model)) is not None:
                models.append(model)
    return models


def share(draw: st.DrawFn, whole: int) -> int:
    return draw(st.sampled_from([0, whole, whole // 3]) | st.integers(0, whole))


@st.composite
def calls(draw: st.DrawFn) -> tuple[Terms, Request, Response, int, int]:
    """A listed model, a request, a response whose usage is within (inputs, outputs), and these two."""
    known = terms(lm(draw(st.sampled_from(priced_models()))))
    inputs = draw(st.integers(1, 2_000_000) | st.sampled_from([128_000, 200_001, 272_001]))
    outputs = draw(st.integers(0, 200_000))
    total, written_out = share(draw, inputs), share(draw, outputs)
    cached = share(draw, total)
    written = share(draw, total - cached)
    reasoning = share(draw, written_out)
    asked = draw(st.sampled_from([None, "auto", "priority", "flex"]))
    served = asked if asked in ("priority", "flex") else draw(st.sampled_from([None, "default", "priority"]))
    request = asking(
        service_tier=asked,
        cache=draw(st.sampled_from([None, CacheConfig(), CacheConfig(retention="long")])),
    )
    usage = Usage(
        input_tokens=total - cached - written if "anthropic" in known.provider else total,
        output_tokens=written_out - reasoning if known.provider in APART else written_out,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )
    response = answering(usage, provider_data=None if served is None else {"service_tier": served})
    return known, request, response, inputs, outputs


@profile(max_examples=400, deadline=None, database=None)
@given(calls())
def test_dspys_estimate_is_never_above_the_dearest_rates(
    call: tuple[Terms, Request, Response, int, int],
) -> None:
    known, request, response, inputs, outputs = call
    estimate, _ = estimate_cost(response, provider=known.provider, requested_model=known.model, request=request)
    dearest = known.dearest(inputs, outputs, request)
    assert dearest is not None
    # DSPy adds floats
    assert estimate is None or Fraction(estimate) <= dearest * (1 + Fraction(1, 10**12))


@profile(max_examples=400, deadline=None, database=None)
@given(calls())
def test_a_response_costs_what_dspy_estimates(call: tuple[Terms, Request, Response, int, int]) -> None:
    known, request, response, _, _ = call
    estimate, _ = estimate_cost(response, provider=known.provider, requested_model=known.model, request=request)
    charged = charge(response, request, known)
    assert charged is not None
    assert estimate is None or abs(charged - Fraction(estimate)) <= Fraction(1, UNIT) + Fraction(estimate) / 10**12


def test_rates_for_long_prompts_hold_from_their_length_on() -> None:
    known, output = terms(lm(SONNET)), 10
    for inputs, rate in ((200_000, 3), (200_001, 6)):
        written = 15 if rate == 3 else Fraction(225, 10)
        expected = (inputs * rate + output * written) / Fraction(10**6)
        assert charge(answering(Usage(inputs, output)), asking(), known) == expected


@pytest.mark.parametrize(
    ("model", "inputs", "outputs", "config", "expected"),
    [
        ("openai/gpt-4o-mini", 1000, 0, {"service_tier": "default"}, 1000 * 0.15),
        ("openai/gpt-4o-mini", 1000, 10, {}, 1000 * 0.25 + 10 * 1.0),  # the account may be set to priority
        ("openai/gpt-5", 1000, 10, {"service_tier": "flex"}, 1000 * 1.25 + 10 * 10.0),  # or be served as ever
        ("openai/gpt-5", 1000, 10, {"extensions": {"service_tier": "priority"}}, 1000 * 2.5 + 10 * 20),
        ("dashscope/qwen-plus-2025-04-28", 0, 10, {}, 10 * 4.0),  # all of it reasoning
        (SONNET, 1000, 10, {}, 1000 * 3.75 + 10 * 15),  # written to the cache
        (SONNET, 1000, 10, {"cache": CacheConfig(retention="long")}, 1000 * 6 + 10 * 15),
        (SONNET, 200_001, 10, {}, 200_001 * 7.5 + 10 * 22.5),
        (SONNET, 200_001, 0, {"cache": CacheConfig(retention="long")}, 200_001 * 12),
    ],
)
def test_dearest_rate_is_the_one_that_can_apply(
    model: str, inputs: int, outputs: int, config: dict[str, Any], expected: float
) -> None:
    assert terms(lm(model)).dearest(inputs, outputs, asking(**config)) == Fraction(str(round(expected, 6))) / 10**6


def test_images_are_priced_at_their_own_rate() -> None:
    picture = Request("m", (Message("user", (ImagePart("image/png", url="https://example.org/a.png"),)),))
    known = terms(lm("gemini/gemini-2.5-flash"))
    plain, with_media = known.dearest(1000, 0, asking()), known.dearest(1000, 0, picture)
    assert plain is not None and with_media is not None and with_media > plain


def test_configured_price_is_the_dearer_of_its_two_for_input() -> None:
    price = {"input": 1.0, "output": 10.0, "cached_input": 0.5}
    assert terms(lm("openai/ours", price=price)).dearest(100, 10) == Fraction(200, 10**6)
    assert terms(lm("openai/ours", price={**price, "cached_input": 3.0})).dearest(100, 10) == Fraction(400, 10**6)


@pytest.mark.parametrize("model", ["perplexity/sonar", "perplexity/sonar-deep-research"])
def test_model_with_fees_beside_tokens_has_no_known_price(model: str) -> None:
    assert find_price(lm(model)) is None
    assert find_price(lm(model, price={"input": 1, "output": 1})) is not None


def test_usd_cap_without_a_price_names_the_line_to_write() -> None:
    line = r'lm = \{ model = "openai/ours", price = \{ input = …, output = … \} \}'
    with pytest.raises(BudgetError, match=line):
        worst_case(asking(max_tokens=5), lm("openai/ours"), budget=USD)
    assert worst_case(asking(max_tokens=5), lm("openai/ours"), budget=Budget(calls=5, input_tokens=9)).usd == 0
    line = r'embedder = \{ model = "openai/ours", price = \{ input = … \} \}'
    with pytest.raises(BudgetError, match=line):
        embedding_worst_case(["a"], embedder("openai/ours"), budget=USD)


# -- the length of a prompt


@given(st.text(), st.text(), st.text())
def test_prompt_has_at_most_as_many_tokens_as_bytes(user: str, system: str, description: str) -> None:
    tool = FunctionTool("look_up", description, {"type": "object", "properties": {description: {"type": "string"}}})
    request = asking(user, system=system or None, tools=(tool,), max_tokens=1)
    bound = worst_case(request, lm("openai/ours"), budget=NO_CAP).input_tokens
    assert bound >= sum(len(text.encode()) for text in (user, system, description, description)) + 100


def test_characters_that_grow_when_they_are_unified_count_grown() -> None:
    text = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 500  # one becomes 18
    bound = worst_case(asking(text, max_tokens=1), lm("openai/ours"), budget=NO_CAP).input_tokens
    assert bound > 500 * 33
    assert embedding_worst_case([text], embedder("openai/ours"), budget=NO_CAP).input_tokens > 500 * 33


@given(st.text())
def test_a_prompt_counts_as_long_as_its_compatible_form(text: str) -> None:
    bound = embedding_worst_case([text], embedder("openai/ours"), budget=NO_CAP).input_tokens
    assert bound >= len(unicodedata.normalize("NFKC", text).encode())


def test_schema_of_the_response_counts() -> None:
    schema = {"type": "json_schema", "schema": {"type": "object", "description": "x" * 5000}}
    plain = worst_case(asking(max_tokens=1), lm(), budget=NO_CAP)
    assert worst_case(asking(max_tokens=1, response_format=schema), lm(), budget=NO_CAP).input_tokens > (
        plain.input_tokens + 5000
    )


def test_prompt_is_no_longer_than_the_window() -> None:
    assert worst_case(asking("x" * 2_000_000, max_tokens=1), lm(), budget=USD).input_tokens == 272_000
    assert worst_case(asking("x" * 9000), lm("local/x", context=2048), budget=USD).input_tokens == 2048


@pytest.mark.parametrize(
    "request_",
    [
        Request(
            "m", (Message("user", (ImagePart("image/png", url="https://example.org/a.png"),)),), None, (), Config(5)
        ),
        Request("m", (Message("user", (ImagePart("image/png", data="aGVsbG8="),)),), None, (), Config(5)),
        asking(max_tokens=5, extensions={"previous_response_id": "r1"}),
        asking(max_tokens=5, cache=CacheConfig(resource="c1")),
    ],
    ids=["image by url", "image", "kept there", "cached there"],
)
def test_what_bytes_do_not_measure_is_the_window(request_: Request) -> None:
    assert worst_case(request_, lm("openai/gpt-4o"), budget=USD).input_tokens == 128_000
    ours = lm("openai/ours", price={"input": 1, "output": 1})
    worst_case(request_, ours, budget=Budget(calls=5, output_tokens=500))
    for budget in (USD, Budget(input_tokens=10**9)):
        with pytest.raises(BudgetError, match="context of openai/ours is not known"):
            worst_case(request_, ours, budget=budget)


def test_canonical_json_at_hand_gives_the_same() -> None:
    from dspy._vendor.lm15.serde import request_to_dict

    from ragc._files import canonical_json

    request = asking("Grüße", max_tokens=5)
    canonical = canonical_json(request_to_dict(request))
    assert worst_case(request, lm(), budget=USD, canonical=canonical) == worst_case(request, lm(), budget=USD)


def test_tokenizer_at_hand_bounds_closer() -> None:
    request = asking("word " * 400, system="word " * 100)
    bytes_ = worst_case(request, lm("local/x"), budget=NO_CAP)
    exact = worst_case(request, lm("local/x"), budget=NO_CAP, count_tokens=lambda text: len(text.split()))
    assert 500 < exact.input_tokens < bytes_.input_tokens - 1500


@pytest.mark.model
@pytest.mark.parametrize("text", ["What is this?", "a b c d e 0123456789 " * 6, "\n\n\t  \n🦄é中<|im_end|>" * 6])
def test_real_model_never_reads_more_than_the_bound(text: str) -> None:
    settings = lm("local/smollm2-135m-instruct", max_tokens=1)
    engine = LocalEngine(settings)
    request = Request(
        settings.model, (Message.user(text), Message.assistant(text), Message.user("?")), None, (), Config(1)
    )
    read = engine.complete(request).usage.input_tokens
    by_bytes = worst_case(request, settings, budget=USD)
    exact = worst_case(request, settings, budget=USD, count_tokens=engine.count_tokens)
    assert read is not None and read <= exact.input_tokens <= by_bytes.input_tokens


# -- the length of a response


@pytest.mark.parametrize(
    ("model", "config", "most"),
    [
        ("openai/gpt-5", {"max_tokens": 300}, 300),
        ("openai/gpt-5", {}, 128_000),
        ("openai/gpt-5", {"max_tokens": 300, "extensions": {"max_completion_tokens": 900}}, 900),
        (
            "gemini/gemini-2.5-pro",
            {"extensions": {"generationConfig": {"maxOutputTokens": 50, "candidateCount": 4}}},
            200,
        ),
        ("openai/gpt-5", {"max_tokens": 300, "extensions": {"n": 3}}, 900),
        ("local/smollm2-135m-instruct", {}, 512),
        ("local/smollm2-135m-instruct", {"max_tokens": 9000}, 4096),
    ],
)
def test_response_is_no_longer_than(model: str, config: dict[str, Any], most: int) -> None:
    assert worst_case(asking(**config), lm(model), budget=USD).output_tokens == most


@pytest.mark.parametrize("effort", ["off", "minimal", "low", "high", "max"])
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-6", "claude-3-5-haiku-latest"])
def test_what_goes_to_anthropic_asks_for_no_more(model: str, effort: Any) -> None:
    for config in (
        Config(500, reasoning=Reasoning(effort)),
        Config(500, reasoning=Reasoning("low", 7000)),
        Config(500),
    ):
        request = Request(model, (Message.user("hello"),), None, (), config)
        sent = AnthropicLM(api_key="none").build_request(request, stream=False)
        asked = json.loads(sent.body or b"")["max_tokens"]
        bound = worst_case(request, lm(f"anthropic/{model}"), budget=NO_CAP).output_tokens
        assert 500 <= asked <= bound


@pytest.mark.parametrize("budget", [USD, Budget(output_tokens=10**9)])
def test_cap_without_a_longest_response_names_the_line_to_write(budget: Budget) -> None:
    ours = lm("openai/ours", price={"input": 1, "output": 1})
    with pytest.raises(BudgetError, match="openai/ours can be is not known: add max_tokens = 512"):
        worst_case(asking(), ours, budget=budget)
    assert worst_case(asking(), ours, budget=Budget(calls=5, input_tokens=10**9)).output_tokens == 131_072


def test_tools_that_the_provider_bills_are_refused_under_a_cap() -> None:
    for request in (
        asking(tools=(BuiltinTool("web_search"),), max_tokens=5),
        asking(max_tokens=5, extensions={"web_search_options": {}}),
    ):
        for budget in (USD, Budget(input_tokens=10**9), Budget(output_tokens=10**9)):
            with pytest.raises(BudgetError, match=r"web_search.*, which its provider bills by itself"):
                worst_case(request, lm(), budget=budget)
        worst = worst_case(request, lm(), budget=Budget(calls=5))
        assert actual(answering(Usage(10, 2)), request, lm(), worst).usd is None


# -- what a response took


def took(usage: Usage, model: str = "openai/gpt-5", text: str = "yes", **values: Any) -> tuple[Counted, Amounts]:
    request, settings = asking("hello", max_tokens=100), lm(model, **values)
    worst = worst_case(request, settings, budget=NO_CAP)
    return actual(answering(usage, text), request, settings, worst), worst


def test_usage_that_makes_sense_is_believed() -> None:
    counted, _ = took(Usage(1000, 20, cache_read_tokens=400))
    cost = Fraction(600 * 125 + 400 * 125 // 10 + 20 * 1000, 10**8)
    assert counted == Counted(Amounts(1, 1000, 20, cost), 400, cost)
    counted, _ = took(Usage(600, 20, cache_read_tokens=400, cache_write_tokens=0), SONNET)
    assert (counted.amounts.input_tokens, counted.cached_input_tokens, counted.doubt) == (1000, 400, None)
    counted, _ = took(Usage(1000, 5, reasoning_tokens=15), "gemini/gemini-2.5-flash")
    assert counted.amounts.output_tokens == 20
    ours = {"input": 0.1, "output": 0.3, "cached_input": 0.05}
    counted, _ = took(Usage(10, 3, cache_read_tokens=4), "openai/ours", price=ours)
    assert counted.usd == Fraction(6 * 10 + 4 * 5 + 3 * 30, 10**8)
    counted, _ = took(Usage(10, 3), "openai/ours")
    assert counted == Counted(Amounts(1, 10, 3), 0, None)
    counted, _ = took(Usage(10, 3), "local/x")
    assert counted.usd == 0
    counted, _ = took(Usage(10, 0), text="")
    assert counted.doubt is None


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(input_tokens=50),
        Usage(output_tokens=5),
        Usage(0, 5),
        Usage(50, 0),
        Usage(10**9, 5),
        Usage(50, 101),
        Usage(50, 10**18),
        Usage(50, 5, cache_read_tokens=51),
        Usage(50, 5, reasoning_tokens=6),
    ],
    ids=str,
)
@pytest.mark.parametrize("price", [None, {"input": 1.0, "output": 2.0}])
def test_usage_that_makes_no_sense_counts_as_the_worst_case(usage: Usage, price: dict[str, float] | None) -> None:
    counted, worst = took(usage, price=price)
    assert counted.amounts == worst
    assert counted.usd == worst.usd > 0
    assert counted.cached_input_tokens == 0
    assert counted.doubt is not None and "the most that it can have taken" in counted.doubt


def test_cost_above_the_bound_counts_as_the_worst_case() -> None:
    request = asking(max_tokens=100, service_tier="flex")
    worst = worst_case(request, lm(), budget=USD)
    response = answering(Usage(worst.input_tokens, 100), provider_data={"service_tier": "priority"})
    counted = actual(response, request, lm(), worst)
    assert counted.amounts == worst
    assert counted.doubt is not None and "cost more than its request can" in counted.doubt


def test_negative_usage_is_refused_where_it_is_read() -> None:
    with pytest.raises(ValueError, match="input_tokens"):
        Usage(-1, 5)
    assert embedding_actual(-1, embedder(), Amounts(1, 50)).amounts == Amounts(1, 50)


@given(
    model=st.sampled_from(["openai/gpt-5", SONNET, "gemini/gemini-2.5-pro", "xai/grok-4.7", "openai/ours", "local/x"]),
    numbers=st.lists(st.none() | st.integers(0, 3000) | st.integers(0, 10**12), min_size=5, max_size=5),
    tier=st.sampled_from([None, "priority", "flex", "ultrafast"]),
)
def test_nothing_takes_more_than_its_worst_case(model: str, numbers: list[int | None], tier: str | None) -> None:
    inputs, outputs, cached, written, reasoning = numbers
    usage = Usage(inputs, outputs, cache_read_tokens=cached, cache_write_tokens=written, reasoning_tokens=reasoning)
    request, settings = asking("hello", max_tokens=2000), lm(model)
    worst = worst_case(request, settings, budget=NO_CAP)
    counted = actual(answering(usage, provider_data={"service_tier": tier}), request, settings, worst)
    assert worst.covers(counted.amounts)
    assert counted.usd in (None, counted.amounts.usd)


# -- embedding


def test_embedding_is_charged_by_the_texts() -> None:
    assert find_price(embedder()) is not None
    worst = embedding_worst_case(["hello", "wörld"], embedder(), budget=USD)
    assert worst == Amounts(1, 5 + 6 + 2 * 32, 0, Fraction(75 * 2, 10**8))
    counted = embedding_actual(7, embedder(), worst)
    assert counted == Counted(Amounts(1, 7, 0, Fraction(14, 10**8)), 0, Fraction(14, 10**8))
    ours = embedder("openai/ours", price={"input": 1.0})
    assert embedding_worst_case(["a"], ours, budget=USD).usd == Fraction(33, 10**6)
    assert embedding_worst_case(["a"], embedder("local/wordllama-256"), budget=USD).usd == 0
    assert embedding_worst_case(["x" * 10**6] * 2, embedder(), budget=USD).input_tokens == 2 * 8191


@pytest.mark.parametrize("said", [None, 0, -5, 10**9])
def test_embedding_without_sensible_usage_counts_as_its_worst_case(said: int | None) -> None:
    worst = embedding_worst_case(["hello"], embedder(), budget=USD)
    counted = embedding_actual(said, embedder(), worst)
    assert counted.amounts == worst and counted.usd == worst.usd and counted.doubt is not None


def test_price_of_an_embedder_is_refused_below_zero() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        embedder(price={"input": -0.1})
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        lm(price={"input": 0.1, "output": -1})
