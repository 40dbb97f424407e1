"""Costs are exact to the dollar, prices can be overridden, and what cannot be reckoned is one line."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest

from ragc.advise import Load, Own, count, dollars, load_prices, model_price, parted_prices, queries_to_pay, reckon
from ragc.errors import ConfigError
from ragc.project import ModelSettings

LOAD = Load(queries=10_000_000, input_tokens=5_000, output_tokens=500)


def test_ten_million_queries_cost_to_the_dollar() -> None:
    costs = reckon(LOAD, load_prices())
    assert {arm.name: dollars(arm.month) for arm in costs.arms} == {
        "Claude Sonnet 4.6": "$225,000",
        "GPT-4o-mini, fine-tuned": "$21,000",
        "Llama 4 70B at Fireworks": "$27,500",
    }
    assert [arm.month for arm in costs.arms] == [225_000, 21_000, 27_500]


def test_retrieval_is_reckoned_beside_the_arms() -> None:
    load = Load(10_000_000, 5_000, 500, question_tokens=100, vectors=2_000_000, corpus_tokens=50_000_000)
    items = {item.name: (item.month, item.once) for item in reckon(load, load_prices()).items}
    assert items == {
        "embedding, text-embedding-3-large": (130, Fraction("6.5")),
        "Pinecone": (Fraction("5.2"), 0),
        "Qdrant Cloud, from": (50, 0),
    }
    assert reckon(LOAD, load_prices()).items == ()


def test_fine_tuning_pays_from_the_queries_that_bring_its_cost_back() -> None:
    costs = reckon(Load(10_000_000, 5_000, 500, training_tokens=5_000_000), load_prices(), months=12)
    tuned = next(arm for arm in costs.arms if arm.price.kind == "tuned")
    assert list(tuned.once) == [5_015, 50_015]
    against = {one.against: (one.low, one.high) for one in costs.break_even}
    low, high = against["Claude Sonnet 4.6"]
    assert low is not None and high is not None
    saved = Fraction("0.0225") - Fraction("0.0021")
    assert low * 12 * saved >= 5_015 > (low - 1) * 12 * saved
    assert high * 12 * saved >= 50_015 > (high - 1) * 12 * saved


def test_what_is_no_cheaper_never_pays() -> None:
    assert queries_to_pay(Fraction(100), Fraction(1), Fraction(1), 12) is None
    assert queries_to_pay(Fraction(100), Fraction(1), Fraction(2), 12) is None
    assert queries_to_pay(Fraction(100), Fraction(3), Fraction(1), 1) == 50


def test_a_fine_tuned_model_may_need_fewer_tokens() -> None:
    costs = reckon(Load(1_000_000, 5_000, 0, tuned_input_tokens=1_000), load_prices())
    assert {arm.name: arm.month for arm in costs.arms}["GPT-4o-mini, fine-tuned"] == 300


def test_a_price_of_ones_own_goes_over_the_list() -> None:
    prices = (
        load_prices()
        .over({"claude-sonnet-4-6": "2/10"}, "[tool.ragc.prices]")
        .over({"our-llama": "0.2/0.4"}, "--price")
    )
    costs = reckon(LOAD, prices, ["anthropic/claude-sonnet-4.6", "Our Llama"])
    assert [arm.month for arm in costs.arms] == [150_000, 12_000]
    assert {arm.price.basis for arm in costs.arms} == {"yours"}
    assert list(prices.over({"pinecone": "0.2/1"}, "--price").entries["pinecone"].figures) == [Fraction("0.2"), 1]


def test_programs_of_ones_own_come_first_at_tokens_of_their_own() -> None:
    price = dataclasses.replace(load_prices().model("claude-sonnet-4-6"), name="leave, as compiled")
    costs = reckon(Load(1_000_000, 10, 10), load_prices(), ["llama-4-70b"], own=[Own(price, 1_000, 100)])
    assert [arm.name for arm in costs.arms] == ["leave, as compiled", "Llama 4 70B at Fireworks"]
    assert [arm.month for arm in costs.arms] == [4_500, 10]


def test_every_price_has_a_date_and_a_source() -> None:
    for price in load_prices().entries.values():
        assert price.source and price.date.startswith("20") and price.basis in ("published", "planning figure")


def test_a_model_without_a_price_names_the_nearest_and_the_line_to_write() -> None:
    with pytest.raises(ConfigError, match=r'claude-sonet".*"claude-sonnet-4-6".*--price claude-sonet=INPUT/OUTPUT'):
        load_prices().model("claude-sonet")


def test_the_list_that_dspy_carries_is_asked_for_other_models() -> None:
    assert load_prices().model("openai/gpt-4o-mini").figures == (Fraction("0.15"), Fraction("0.6"))


def test_the_price_of_an_artifacts_model() -> None:
    table = ModelSettings.model_validate({"model": "openai/our", "price": {"input": 0.1, "output": 0.3}})
    assert model_price("openai/our", load_prices(), table).figures == (Fraction("0.1"), Fraction("0.3"))
    assert list(model_price("local/any", load_prices()).figures) == [0, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x", "write NAME="),
        ("x=", "write NAME="),
        ("x=1", "expected x=INPUT/OUTPUT"),
        ("x=a/b", "expected"),
        ("x=-1/2", "negative"),
    ],
)
def test_a_text_that_is_no_price_is_one_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_prices().over(parted_prices([text]), "--price")


@pytest.mark.parametrize(
    ("text", "value"), [("10M", 10_000_000), ("2.5k", 2_500), ("10,000", 10_000), ("1_000", 1_000)]
)
def test_numbers_as_people_write_them(text: str, value: int) -> None:
    assert count(text, "--queries") == value


@pytest.mark.parametrize(("text", "says"), [("-5", "negative"), ("many", "no number"), ("1.5", "no whole number")])
def test_what_is_no_count_is_one_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        count(text, "--queries")


def test_a_negative_load_is_refused() -> None:
    with pytest.raises(ConfigError, match="output_tokens -1 is negative"):
        Load(1, 1, -1)
    with pytest.raises(ConfigError, match="months 0"):
        reckon(LOAD, load_prices(), months=0)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0"),
        ("224999.5", "$225,000"),
        ("1", "$1"),
        ("0.0225", "$0.0225"),
        ("0.00275", "$0.00275"),
        ("0.5", "$0.5"),
    ],
)
def test_dollars_to_the_dollar_and_small_amounts_in_four_digits(amount: str, text: str) -> None:
    assert dollars(Fraction(amount)) == text
