"""Citations are found and checked by the program: which passages does an answer stand in?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragc._text import normalise, tokens
from ragc.retrieval._passage import Passage

CITATION_METHOD = "string-match"
"""How `cite` checks, as `provenance` names it."""

_MONTHS = [
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
]
_MONTH = rf"(?P<month>{'|'.join(f'{name}|{name[:3]}' for name in _MONTHS)}|sept)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_DATES = [
    re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b", re.IGNORECASE),
    re.compile(rf"\b{_DAY}(?: of)? {_MONTH}(?:,? (?P<year>\d{{4}}))?\b", re.IGNORECASE),
    re.compile(rf"\b{_MONTH} {_DAY}(?:,? (?P<year>\d{{4}}))?\b", re.IGNORECASE),
    re.compile(rf"\b{_MONTH} (?P<year>\d{{4}})\b", re.IGNORECASE),
]
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+:\d{2}|\d+(?:\.\d+)?")
_SMALL = [
    *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
]
_TENS = ["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# "one" is left out: it is a pronoun more often than a number.
_WORDS = {word: str(value) for value, word in enumerate(_SMALL, 2)} | {
    word: str(value) for value, word in zip(range(30, 100, 10), _TENS, strict=True)
}


def cite(answer: str, passages: Sequence[Passage]) -> tuple[str, ...]:
    """Return the ids of the passages that support `answer`, in their order; none for an empty answer.

    A passage supports it when the answer is found in it, word by word as answers are compared (case, punctuation and
    articles aside). Where no passage does, those support it in which all of its numbers and dates are found, however
    they are written (`1,200` and `1200`, `five` and `5`, `1 May 2026` and `2026-05-01`).
    """
    wanted = _spaced(answer)
    if not wanted.strip():
        return ()
    verbatim = tuple(passage.id for passage in passages if wanted in _spaced(_shown(passage)))
    if verbatim:
        return verbatim
    figures = figures_in(answer)
    if not figures:
        return ()
    return tuple(passage.id for passage in passages if figures <= figures_in(_shown(passage)))


def _shown(passage: Passage) -> str:
    return f"{passage.source}\n{passage.text}"


def _spaced(text: str) -> str:
    return f" {' '.join(tokens(text))} "


def without_dates(text: str) -> str:
    """Return `text` without its dates, so that no day or year in it passes for a number."""
    for pattern in _DATES:
        text = pattern.sub(" ", text)
    return text


def figures_in(text: str) -> set[str]:
    """Return the numbers and dates in a text, each written in one way: `1200` of `1,200`, `5` of `five`."""
    text = normalise(text)
    figures: set[str] = set()
    for pattern in _DATES:
        for match in pattern.finditer(text):
            figures |= _date(match.groupdict())
        text = pattern.sub(" ", text)
    figures.update(_WORDS[word] for word in re.findall(r"[a-z]+", text) if word in _WORDS)
    figures.update(_number(found) for found in _NUMBER.findall(text))
    return figures


def _date(parts: dict[str, str | None]) -> set[str]:
    """Day and month are one figure, the month and the year others: a date without a year is found in one with it."""
    name = parts["month"] or ""
    month = int(name) if name.isdigit() else 1 + next(i for i, full in enumerate(_MONTHS) if full[:3] == name[:3])
    figures = {f"month {month}"}
    if day := parts.get("day"):
        figures.add(f"day {month}-{int(day)}")
    if year := parts.get("year"):
        figures.add(year)
    return figures


def _number(found: str) -> str:
    if ":" in found:
        hours, minutes = found.split(":")
        return f"{int(hours)}:{minutes}"
    whole, _, fraction = found.replace(",", "").partition(".")
    fraction = fraction.rstrip("0")
    return f"{int(whole)}.{fraction}" if fraction else str(int(whole))
