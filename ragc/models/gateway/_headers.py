"""What a provider's rate-limit headers say: how long nothing is left.

Their names are lm15's closed set: `x-ratelimit-…` (OpenAI and most others: a duration such as `6m0s`, seconds, or a
Unix time) and `anthropic-ratelimit-…` (a time in RFC 3339).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Headers = Mapping[str, Sequence[str]]
"""The rate-limit headers of a response, names in lower case."""

_REMAINING = re.compile(r"x-ratelimit-remaining-(?P<unit>.+)|anthropic-ratelimit-(?P<theirs>.+)-remaining")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|[smhd]))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|[smhd])")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_UNIX_TIME = 1e9
"""A plain number from here on is a point in time, in seconds; a thousand times as much, in milliseconds."""


@dataclass(frozen=True)
class Spent:
    """A limit of which nothing is left."""

    unit: str
    """`requests`, `tokens`, `input tokens` or `output tokens`."""
    seconds: float
    """Until it is reset."""


def spent(headers: Headers, now: float) -> Spent | None:
    """The limit of which nothing is left for longest, by a Unix time of `now`; None: of each something is.

    What cannot be read says nothing.
    """
    found = None
    for name, values in headers.items():
        match = _REMAINING.fullmatch(name)
        if match is None or not values or _number(values[0]) != 0:
            continue
        unit = match["unit"] or match["theirs"]
        reset = headers.get(f"x-ratelimit-reset-{unit}" if match["unit"] else f"anthropic-ratelimit-{unit}-reset")
        seconds = seconds_until(reset[0], now) if reset else None
        if seconds is not None and (found is None or seconds > found.seconds):
            found = Spent(unit.replace("-", " "), seconds)
    return found


def seconds_until(reset: str, now: float) -> float | None:
    """Seconds until what a reset header says, by a Unix time of `now`; None: it is past, or cannot be read."""
    text = reset.strip()
    number = _number(text)
    if number is not None:
        at = number / 1000 if number >= 1000 * _UNIX_TIME else number
        seconds = at - now if at >= _UNIX_TIME else at
    elif _DURATION.fullmatch(text):
        seconds = sum(float(value) * _SECONDS[unit] for value, unit in _PART.findall(text))
    else:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            return None
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    return seconds if seconds > 0 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
