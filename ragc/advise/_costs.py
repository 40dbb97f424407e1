"""What questions cost in a month: queries times tokens times prices for each arm, and from where fine-tuning pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ragc.advise._prices import Price, Prices
from ragc.errors import ConfigError

MILLION = 1_000_000
MONTHS = 12
"""Months over which a fine-tuning project is written off by default."""


@dataclass(frozen=True)
class Load:
    """What is asked in a month. All whole numbers, 0 or more."""

    queries: int
    input_tokens: int
    """Of one query's prompts."""
    output_tokens: int
    """Of one query's responses."""
    tuned_input_tokens: int | None = None
    """The same for a fine-tuned model, which needs no demonstrations; None: as many."""
    question_tokens: int | None = None
    """What is embedded of one query; None: no embedding is reckoned."""
    vectors: int | None = None
    """Passages in the store; None: no store is reckoned."""
    corpus_tokens: int | None = None
    """What is embedded once; None: not reckoned."""
    training_tokens: int | None = None
    """Tokens that are trained on, epochs counted; None: the project's cost alone."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value < 0:
                raise ConfigError(f"{name} {value} is negative; it must be 0 or more")

    @property
    def tokens(self) -> int:
        """Tokens in a month."""
        return self.queries * (self.input_tokens + self.output_tokens)


@dataclass(frozen=True)
class Own:
    """A program of one's own at the tokens of a query that were measured of it."""

    price: Price
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Arm:
    """One way to answer, with what it costs. US dollars."""

    name: str
    price: Price
    input_tokens: int
    output_tokens: int
    month: Fraction
    query: Fraction
    once: tuple[Fraction, Fraction] = (Fraction(), Fraction())
    """What is paid before the first query, from and to."""

    def as_json(self) -> dict[str, Any]:
        """The arm for a program to read."""
        return {
            "name": self.name,
            "usd_per_month": float(self.month),
            "usd_per_query": float(self.query),
            "usd_once": [float(usd) for usd in self.once],
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "price": self.price.as_json(),
        }


@dataclass(frozen=True)
class Item:
    """A cost beside the model's: embedding, or a store. US dollars."""

    name: str
    price: Price
    month: Fraction = Fraction()
    once: Fraction = Fraction()

    def as_json(self) -> dict[str, Any]:
        """The item for a program to read."""
        return {
            "name": self.name,
            "usd_per_month": float(self.month),
            "usd_once": float(self.once),
            "price": self.price.as_json(),
        }


@dataclass(frozen=True)
class BreakEven:
    """From how many queries a month what is paid first has paid for itself. None: never, a query is not cheaper."""

    arm: str
    against: str
    months: int
    low: int | None
    high: int | None

    def as_json(self) -> dict[str, Any]:
        """The break-even for a program to read."""
        return {**vars(self)}


@dataclass(frozen=True)
class Costs:
    """What a load costs with each arm."""

    load: Load
    arms: tuple[Arm, ...]
    items: tuple[Item, ...]
    """What retrieval costs beside the model, whichever it is."""
    break_even: tuple[BreakEven, ...]

    def as_json(self) -> dict[str, Any]:
        """The costs for a program to read: amounts are US dollars, unrounded."""
        return {
            "load": {**vars(self.load)},
            "arms": [arm.as_json() for arm in self.arms],
            "retrieval": [item.as_json() for item in self.items],
            "break_even": [one.as_json() for one in self.break_even],
        }


def reckon(
    load: Load,
    prices: Prices,
    models: Sequence[str] = (),
    *,
    own: Sequence[Own] = (),
    months: int = MONTHS,
) -> Costs:
    """Return what `load` costs with each of `models` (default: every one in the list), exactly.

    Programs of one's own come first, each with tokens of its own in place of the load's.

    Raises ConfigError for a model without a price and for `months` below 1.
    """
    if months < 1:
        raise ConfigError(f"months {months}: a project is written off over 1 month or more")
    listed = [price.key for price in prices.entries.values() if price.kind in ("model", "tuned")]
    alike = replace(load, tuned_input_tokens=None)
    ours = [
        _arm(replace(alike, input_tokens=one.input_tokens, output_tokens=one.output_tokens), one.price, prices)
        for one in own
    ]
    others = [_arm(load, price, prices) for price in dict.fromkeys(prices.model(name) for name in models or listed)]
    arms = (*ours, *others)
    return Costs(load, arms, tuple(_items(load, prices)), tuple(_break_even(load, arms, prices, months)))


def queries_to_pay(once: Fraction, dear: Fraction, cheap: Fraction, months: int) -> int | None:
    """Return from how many queries a month `once` is paid back in `months` by a query at `cheap` in place of `dear`.

    None where a query is no cheaper.
    """
    saved = (dear - cheap) * months
    return -(-once.numerator * saved.denominator // (once.denominator * saved.numerator)) if saved > 0 else None


def _arm(load: Load, price: Price, prices: Prices) -> Arm:
    inputs, once = load.input_tokens, (Fraction(), Fraction())
    if price.kind == "tuned":
        inputs = load.input_tokens if load.tuned_input_tokens is None else load.tuned_input_tokens
        low, high = prices.only("project").figures
        trained = (load.training_tokens or 0) * prices.only("training").figures[0] / MILLION
        once = (low + trained, high + trained)
    query = (inputs * price.figures[0] + load.output_tokens * price.figures[1]) / MILLION
    return Arm(price.name, price, inputs, load.output_tokens, load.queries * query, query, once)


def _items(load: Load, prices: Prices) -> list[Item]:
    found: list[Item] = []
    for price in prices.of("embedder"):
        month = (load.queries * (load.question_tokens or 0)) * price.figures[0] / MILLION
        once = (load.corpus_tokens or 0) * price.figures[0] / MILLION
        if load.question_tokens is not None or load.corpus_tokens is not None:
            found.append(Item(f"embedding, {price.name}", price, month, once))
    if load.vectors is None:
        return found
    for price in prices.of("vectors"):
        storage, queries = price.figures
        found.append(Item(price.name, price, (load.vectors * storage + load.queries * queries) / MILLION))
    found += [Item(f"{price.name}, from", price, price.figures[0]) for price in prices.of("server")]
    return found


def _break_even(load: Load, arms: Sequence[Arm], prices: Prices, months: int) -> list[BreakEven]:
    """A fine-tuned arm against each that is not, and a store by the month against one by the query."""
    found = []
    for arm in arms:
        for other in arms:
            if arm.price.kind == "tuned" and other.price.kind != "tuned":
                low, high = (queries_to_pay(usd, other.query, arm.query, months) for usd in arm.once)
                found.append(BreakEven(arm.name, other.name, months, low, high))
    for server in prices.of("server") if load.vectors is not None else ():
        for store in prices.of("vectors"):
            stored = (load.vectors or 0) * store.figures[0] / MILLION
            fixed = max(Fraction(), server.figures[0] - stored)
            one = queries_to_pay(fixed, store.figures[1] / MILLION, Fraction(), 1)
            found.append(BreakEven(server.name, store.name, 1, one, one))
    return found
