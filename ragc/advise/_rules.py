"""The rules of the field: data, with a source and a reason each, from rules.toml or a file of the same form."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from ragc._messages import shown_path
from ragc.advise._facts import Facts
from ragc.errors import ConfigError

Says = Literal["label", "compile", "mixed", "rag", "fine-tune", "neither", "both"]
_CONDITIONS = ("below", "at_least", "above", "at_most", "is")
_TEXTS = ("id", "fact", "says", "text", "reason", "basis", "source")


@dataclass(frozen=True)
class Rule:
    """One rule of the field. It fires when every condition that it has holds."""

    id: str
    fact: str
    """Name of a field of Facts, or `both`."""
    says: Says
    text: str
    reason: str
    basis: str
    """`measured`, or `rule of thumb` where the figure is a habit of the field."""
    source: str
    published: str
    """ISO date of the source."""
    below: float | None = None
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    equals: str | bool | None = None

    def fires(self, value: Any) -> bool:
        """Whether the rule holds for a fact's value; never for one that nobody said."""
        if value is None:
            return False
        if self.equals is not None:
            return bool(value == self.equals)
        return (
            (self.below is None or value < self.below)
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
        )

    @property
    def edge(self) -> Any:
        """The first value for which it fires, coming from the side where it does not."""
        if self.equals is not None:
            return self.equals
        if self.at_least is not None:
            return self.at_least
        if self.above is not None:
            return self.above + 1
        return self.at_most if self.at_most is not None else (self.below or 1) - 1

    @property
    def outside(self) -> Any:
        """The nearest value for which it no longer fires, upwards where it has an upper end; None: there is none."""
        if self.equals is not None:
            return not self.equals if isinstance(self.equals, bool) else None
        if self.below is not None:
            return self.below
        if self.at_most is not None:
            return self.at_most + 1
        return self.above if self.above is not None else (self.at_least or 0) - 1

    def as_json(self) -> dict[str, Any]:
        """The rule for a program to read."""
        return {key: value for key, value in vars(self).items() if value is not None}


def load_rules(path: Path | None = None) -> tuple[Rule, ...]:
    """The package's rules, or those of a TOML file of the same form.

    Raises ConfigError, naming the file and the rule, for what is no such file.
    """
    place = "rules.toml" if path is None else shown_path(path)
    try:
        source = files("ragc.advise").joinpath("rules.toml") if path is None else path
        document = tomllib.loads(source.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read rules from {place}: {str(error) or type(error).__name__}") from error
    tables = document.get("rule")
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f"{place}: no [[rule]] in it; copy ragc's own rules.toml and edit it")
    return tuple(_rule(table, f"{place}: rule {number}") for number, table in enumerate(tables, start=1))


def _rule(table: Mapping[str, Any], place: str) -> Rule:
    known = {field.name for field in fields(Facts)} | {"both"}
    for name in _TEXTS:
        if not isinstance(table.get(name), str):
            raise ConfigError(f'{place}: key "{name}" is missing or no text')
    if table["fact"] not in known:
        raise ConfigError(f'{place}: unknown fact "{table["fact"]}"; known are {", ".join(sorted(known))}')
    if table["says"] not in get_args(Says):
        raise ConfigError(f'{place}: says "{table["says"]}"; expected one of {", ".join(get_args(Says))}')
    if not any(name in table for name in _CONDITIONS):
        raise ConfigError(f"{place}: no condition; write one of {', '.join(_CONDITIONS)}")
    unknown = sorted(set(table) - {*_TEXTS, *_CONDITIONS, "published"})
    if unknown:
        raise ConfigError(f'{place}: unknown key "{unknown[0]}"')
    published = table.get("published")
    given: dict[str, Any] = {name: table[name] for name in _TEXTS}
    given |= {name: table.get(name) for name in _CONDITIONS if name != "is"}
    date = published.isoformat() if isinstance(published, datetime.date) else ""
    return Rule(**given, equals=table.get("is"), published=date)
