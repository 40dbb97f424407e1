"""Numbers as people write them on a command line, and dollars as they read them: exact, without a float."""

from __future__ import annotations

import re
from fractions import Fraction

from ragc.errors import ConfigError

_NUMBER = re.compile(r"(-?\d[\d_,]*(?:\.\d+)?)\s*([kmb]?)", re.IGNORECASE)
_TIMES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_SHOWN = 4
"""Significant digits of an amount below a dollar."""


def count(text: str, what: str) -> int:
    """Return `10M`, `2.5k`, `10,000` or `10_000` as a whole number; `what` is the flag's name, for messages.

    Raises ConfigError for what is no number, has a fraction or is negative.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f'{what}: "{text}" is no number; write 10000000, 10_000_000 or 10M')
    value = Fraction(re.sub(r"[_,]", "", found[1])) * _TIMES[found[2].lower()]
    if value < 0:
        raise ConfigError(f"{what}: {text} is negative; it must be 0 or more")
    if value.denominator != 1:
        raise ConfigError(f"{what}: {text} is no whole number")
    return int(value)


def dollars(amount: Fraction) -> str:
    """Return an amount as text: to the dollar from $1 on (halves go up), below with four significant digits."""
    if amount >= 1 or amount == 0:
        return f"${int(amount + Fraction(1, 2)):,}"
    places = 0
    while amount * 10**places < 10 ** (_SHOWN - 1):
        places += 1
    digits = str(int(amount * 10**places + Fraction(1, 2))).rjust(places + 1, "0")
    return "$" + f"{digits[:-places]}.{digits[-places:]}".rstrip("0")
