"""`number`: a quantity within a tolerance, converted where it has another unit.

Units are pint's; numbers in words are read by text2num; currencies, which pint leaves out because they have no fixed
rates, are units of their own here, none of which is another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ragc.errors import ConfigError, DataError
from ragc.evaluation.metrics._score import Score, answered, expected

if TYPE_CHECKING:
    from ragc.data import Example

_CURRENCIES = {
    "USD": ("$", "us$", "dollar", "dollars"),
    "EUR": ("€", "euro", "euros"),
    "GBP": ("£", "pound", "pounds", "pounds sterling", "sterling", "quid"),
    "JPY": ("¥", "yen"),
    "CHF": ("franc", "francs"),
    "INR": ("₹", "rupee", "rupees"),
    "KRW": ("₩", "won"),
    "AUD": ("a$", "au$"),
    "CAD": ("c$", "ca$"),
    "HKD": ("hk$",),
    "NZD": ("nz$",),
    "PLN": ("zł", "złoty", "zloty"),
    "SGD": ("s$",),
    **dict.fromkeys(("BRL", "CNY", "CZK", "DKK", "HUF", "MXN", "NOK", "SEK", "ZAR"), ()),
}
_BY_NAME = {name: code for code, names in _CURRENCIES.items() for name in (code.lower(), *names)}
_SIGNS = "".join(re.escape(name) for name in _BY_NAME if len(name) == 1 and not name.isalnum())
_TIMES = {"thousand": 1_000, "k": 1_000, "million": 10**6, "m": 10**6, "billion": 10**9, "bn": 10**9}
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
# `£3m` is three million pounds, `3m` three metres.
_SHORTENED = re.compile(
    rf"(?<![\w.,])(?P<number>{_DIGITS})\s*(?P<word>thousand|million|billion|bn)\b"
    rf"|(?<=[{_SIGNS}])(?P<price>{_DIGITS})(?P<letter>[km])\b",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    rf"(?P<before>(?<!\w)(?:us|ca?|au?|hk|nz|s)\$|[{_SIGNS}]|\b(?:zł|{'|'.join(_CURRENCIES)})\b)?\s*(?P<sign>(?<![\w)])[-−])?\s*"
    rf"(?P<number>(?<![\w.,]){_DIGITS}|(?<!\w)\.\d+)(?!(?:st|nd|rd|th)\b)(?!\d|[.,]\d)",
    re.IGNORECASE,
)
_WORD = r"[a-zµμ°%‰℃℉Ω²³]+"
_AFTER = re.compile(
    rf"\s*-?\s*(?P<name>per\s?cent|%|[{_SIGNS}]|(?:(?:square|cubic|pounds)\s)?{_WORD}(?:\^?[23])?)"
    rf"(?P<per>\s?(?:/|\bper\s)\s?{_WORD})?",
    re.IGNORECASE,
)
# Words that pint takes for units (in: inch, a: year, are, at: technical atmosphere) and English for others.
_NO_UNITS = frozenset(
    {"a", "all", "an", "and", "are", "as", "at", "be", "by", "do", "for", "from", "had", "has", "he", "her", "him"}
    | {"his", "if", "in", "is", "it", "may", "me", "my", "no", "not", "of", "on", "or", "our", "per", "so", "that"}
    | {"the", "their", "them", "to", "up", "us", "was", "we", "you"}
)
_SLACK = 1e-9
"""The error of arithmetic on floats, relative."""


@dataclass(frozen=True)
class Quantity:
    """A number as it stands in a text."""

    value: float
    units: tuple[Any, ...] = ()
    """What its unit may be, pint's; several for `pounds`. None: it stands alone."""


def number(
    example: Example,
    prediction: Any,
    *,
    tolerance: float = 0.0,
    relative: float = 0.0,
    unit: str | None = None,
) -> Score:
    """1 when the answer's number is an accepted one: |given − accepted| ≤ tolerance + relative × |accepted|, else 0.

    `tolerance` is in the unit of the comparison: `unit`, and without it the accepted answer's own. The number that
    counts is the first one of the answer in that unit or one that converts to it (`2 weeks` is `14 days`), else the
    first one without a unit. A unit that does not convert (`$5` for `£5`, `5 km` for `5 days`) is wrong. Where neither
    `unit` nor the accepted answer has a unit, the first number counts, whatever stands behind it. Numbers are read as
    English writes them (`1,200.5`, `twenty-five`, `2 million`, `5%`); dates and ordinals are no numbers.
    """
    answer, settled = answered(example, prediction)
    if settled is not None:
        return settled
    given = quantities(answer)
    if not given:
        return Score(0.0, f"No number in the answer. {expected(example)}")
    hit = any(_is_within(given, wanted, tolerance, relative, unit) for wanted in map(_first, example.answers) if wanted)
    return Score(float(hit), None if hit else expected(example))


def check_numbers(examples: Sequence[Example], settings: Mapping[str, Any]) -> None:
    """Raises ConfigError for a unit that is none or a tolerance below 0, DataError for labels without a number."""
    for name in ("tolerance", "relative"):
        if not settings[name] >= 0:
            raise ConfigError(f"metric number: {name}={settings[name]:g}: expected 0 or more")
    unit = settings["unit"]
    if unit is not None and not _units(unit):
        raise ConfigError(f'metric number: unit="{unit}": no unit of pint\'s and no currency; write days, kg, EUR, %')
    lost = [one.named for one in examples if one.answers and not any(map(_first, one.answers))]
    if lost:
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        raise DataError(f"metric number: no number in the answers of {', '.join(lost[:3])}{more}")


def quantities(text: str) -> list[Quantity]:
    """The numbers in `text`, in their order, with what their units may be. Dates and ordinals are left out."""
    return list(_read(_digits(text)))


def _read(text: str) -> Iterator[Quantity]:
    for match in _QUANTITY.finditer(text):
        value = float(match["number"].replace(",", ""))
        if match["sign"]:
            value = -value
        if match["before"]:
            yield Quantity(value, _units(match["before"]))
        else:
            after = _AFTER.match(text, match.end())
            yield Quantity(value, () if after is None else _unit_after(after["name"], after["per"]))


def _digits(text: str) -> str:
    """`text` with its numbers in digits, and without its dates."""
    from text_to_num import alpha2digit

    from ragc.retrieval import without_dates

    whole = _SHORTENED.sub(_in_full, without_dates(unicodedata.normalize("NFKC", text)))
    return str(alpha2digit(whole, "en", 0))


def _in_full(match: re.Match[str]) -> str:
    number = match["number"] or match["price"]
    times = _TIMES[(match["word"] or match["letter"]).lower()]
    return f"{Decimal(number.replace(',', '')) * times:f}"


def _first(accepted: str) -> Quantity | None:
    """The number that an accepted answer means: its first with a unit, else its first."""
    found = quantities(accepted)
    return next((one for one in found if one.units), found[0] if found else None)


def _is_within(
    given: Sequence[Quantity], wanted: Quantity, tolerance: float, relative: float, unit: str | None
) -> bool:
    named = _units(unit) if unit is not None else ()
    for target in named or wanted.units or (None,):
        value = wanted.value if target is None or not named else _in(wanted, target)
        said = given[0].value if target is None else _said(given, target)
        if value is not None and said is not None:
            slack = _SLACK * max(abs(said), abs(value))
            if abs(said - value) <= tolerance + relative * abs(value) + slack:
                return True
    return False


def _said(given: Sequence[Quantity], target: Any) -> float | None:
    """The first number that is in `target` or converts to it, else the first without a unit; None: there is neither."""
    converted = (_in(one, target) for one in given if one.units)
    found = next((value for value in converted if value is not None), None)
    return next((one.value for one in given if not one.units), None) if found is None else found


def _in(one: Quantity, target: Any) -> float | None:
    """The value in `target`; as it is without a unit, None where it does not convert."""
    if not one.units:
        return one.value
    for unit in one.units:
        if unit.is_compatible_with(target):
            return float(_registry().Quantity(one.value, unit).to(target).magnitude)
    return None


def _unit_after(name: str, per: str | None) -> tuple[Any, ...]:
    if name.lower() in _NO_UNITS:
        return ()
    below = re.sub(r"^\s*(?:/|per\s)\s*", "", per or "", flags=re.IGNORECASE)
    rate = _units(f"{name}/{below}") if below else ()
    # "5 days per year" has no dimension: five days are what is meant.
    return tuple(one for one in rate if not one.dimensionless) or _units(name)


@lru_cache(maxsize=1024)
def _units(name: str) -> tuple[Any, ...]:
    """The units that `name` may mean; none where it is no unit."""
    plain = " ".join(name.split())
    if re.fullmatch(r"per\s?cent", plain, re.IGNORECASE):
        plain = "percent"
    found = []
    if (code := _BY_NAME.get(plain.lower())) is not None:
        found.append(_registry().Unit(code))
        if plain.lower() not in ("pound", "pounds"):
            return tuple(found)
    for spelling in dict.fromkeys((plain, plain.lower())):
        try:
            unit = _registry().parse_units(spelling)
        except Exception:  # noqa: BLE001  pint's parser raises a dozen kinds of error on words that are no units
            continue
        if str(unit) != "dimensionless":
            found.append(unit)
            break
    return tuple(found)


@lru_cache(maxsize=1)
def _registry() -> Any:
    """Pint's units and the currencies; half a second to make."""
    import pint

    registry: Any = pint.UnitRegistry()
    for code in _CURRENCIES:
        registry.define(f"{code} = [currency_{code}]")
    return registry
