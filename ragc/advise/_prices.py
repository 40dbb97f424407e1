"""The price list that costs are reckoned with: the package's own, what the user writes over it, DSPy's for the rest."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, get_args

from ragc.errors import ConfigError, RagcError

if TYPE_CHECKING:
    from ragc.project import ModelSettings

Kind = Literal["model", "tuned", "embedder", "vectors", "server", "training", "project"]
FIGURES: Mapping[str, tuple[str, ...]] = {
    "model": ("input", "output"),
    "tuned": ("input", "output"),
    "embedder": ("input",),
    "vectors": ("storage", "queries"),
    "server": ("month",),
    "training": ("tokens",),
    "project": ("from", "to"),
}
"""What the figures of a kind are, in their order; prices.toml has the units."""
_AMOUNT = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Price:
    """One entry of the list."""

    key: str
    """As it is named on the command line."""
    kind: Kind
    name: str
    figures: tuple[Fraction, ...]
    """US dollars; see FIGURES."""
    source: str
    date: str
    """When the source was read, ISO; empty where the user gave it."""
    basis: str
    """`published`, `planning figure`, or `yours`."""

    def as_json(self) -> dict[str, object]:
        """The entry for a program to read."""
        figures = {name: float(usd) for name, usd in zip(FIGURES[self.kind], self.figures, strict=True)}
        return {
            "key": self.key,
            "kind": self.kind,
            "name": self.name,
            "usd": figures,
            "basis": self.basis,
            "source": self.source,
            "date": self.date or None,
        }


@dataclass(frozen=True)
class Prices:
    """All entries, in the order of the list."""

    entries: Mapping[str, Price]

    def of(self, kind: Kind) -> list[Price]:
        """The entries of one kind."""
        return [price for price in self.entries.values() if price.kind == kind]

    def only(self, kind: Kind) -> Price:
        """The first entry of a kind that every list has."""
        return self.of(kind)[0]

    def model(self, name: str) -> Price:
        """The price of a model by its name here, or by its model string from the list that DSPy carries.

        Raises ConfigError with the nearest name and the flag to write where none is known.
        """
        found = self.entries.get(key_of(name))
        if found is not None and found.kind in ("model", "tuned"):
            return found
        listed = _from_dspy(name) if "/" in name else None
        if listed is not None:
            return listed
        from ragc.project import nearest

        known = nearest(key_of(name), [price.key for kind in ("model", "tuned") for price in self.of(kind)])
        raise ConfigError(
            f'no price is known for "{name}", {known} Else write --price {name}=INPUT/OUTPUT '
            "(USD per million tokens), or a line in [tool.ragc.prices]"
        )

    def over(self, given: Mapping[str, str], source: str) -> Prices:
        """The list with what a user gave over it, each as text: `3/15`. `source` says where it was written.

        A name that the list does not have is a model. Raises ConfigError for a text that is no price.
        """
        entries = dict(self.entries)
        for name, text in given.items():
            key = key_of(name)
            known = entries.get(key)
            kind = "model" if known is None else known.kind
            figures = _figures(name, text, kind, source)
            if known is None:
                entries[key] = Price(key, "model", name, figures, source, "", "yours")
            else:
                entries[key] = replace(known, figures=figures, source=source, date="", basis="yours")
        return Prices(entries)


def model_price(model: str, prices: Prices, lm: ModelSettings | None = None) -> Price:
    """The price of a model string: the table's own where `lm` is that model and has one, else as `Prices.model`.

    A model that runs in this process costs nothing.
    """
    if model.startswith("local/"):
        return Price(key_of(model), "model", model, (Fraction(), Fraction()), "runs in this process", "", "yours")
    if lm is not None and lm.model == model and lm.price is not None:
        figures = (Fraction(str(lm.price.input)), Fraction(str(lm.price.output)))
        return Price(key_of(model), "model", model, figures, "[tool.ragc] lm.price", "", "yours")
    return prices.model(model)


def load_prices() -> Prices:
    """The package's own list."""
    text = files("ragc.advise").joinpath("prices.toml").read_text("utf-8")
    entries = {}
    for key, table in tomllib.loads(text, parse_float=Decimal).items():
        date: datetime.date = table["date"]
        figures = tuple(Fraction(amount) for amount in table["price"])
        if table["kind"] not in get_args(Kind) or len(figures) != len(FIGURES[table["kind"]]):
            raise ValueError(f"prices.toml: {key}")
        entries[key] = Price(
            key, table["kind"], table["name"], figures, table["source"], date.isoformat(), table["basis"]
        )
    return Prices(entries)


def parted_prices(given: Iterable[str]) -> dict[str, str]:
    """`NAME=A/B` texts as a mapping. Raises ConfigError for one without a name or a price."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, price = text.rpartition("=")
        if not equals or not name.strip() or not price.strip():
            raise ConfigError(f'--price "{text}": write NAME=INPUT/OUTPUT, such as gpt-5-mini=0.25/2')
        found[name.strip()] = price.strip()
    return found


def key_of(name: str) -> str:
    """A model's name as it is looked up: no provider, lower case, hyphens for what is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", "-", name.rpartition("/")[2].lower()).strip("-")


def _figures(name: str, text: str, kind: str, source: str) -> tuple[Fraction, ...]:
    wanted = FIGURES[kind]
    parts = [part.strip().removeprefix("$") for part in text.split("/")]
    shown = f"{source} {name}={text}"
    if any(part.startswith("-") for part in parts):
        raise ConfigError(f"{shown}: a price is negative; it must be 0 or more")
    if len(parts) != len(wanted) or not all(_AMOUNT.fullmatch(part) for part in parts):
        raise ConfigError(
            f"{shown}: expected {name}={'/'.join(word.upper() for word in wanted)} in USD, such as 0.25/2"
        )
    return tuple(Fraction(part) for part in parts)


def _from_dspy(name: str) -> Price | None:
    from ragc.models import find_price
    from ragc.project import ModelSettings

    try:
        found = find_price(ModelSettings(model=name))
    except (RagcError, ValueError):  # no such provider, or no name at all: the caller says what to write
        return None
    if found is None:
        return None
    figures = (Fraction(str(found.input)), Fraction(str(found.output)))
    return Price(key_of(name), "model", name, figures, "the price list that DSPy carries", "", "published")
