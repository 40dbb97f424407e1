"""Markdown tables that are cut: a passage that begins amid one says its header again, before its own text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


class Table(NamedTuple):
    """A table of a text: its header with the line of dashes below it, and where its rows stand."""

    header: str
    start: int
    """Where the first row begins."""
    end: int


def tables(text: str) -> Iterator[Table]:
    """Yield the tables of a Markdown text that have a row, in order; those in fenced code are none."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    fence = ""
    number = 0
    while number < len(lines):
        if found := _FENCE.match(lines[number]):
            marker = found[1]
            fence = "" if fence and marker.startswith(fence) else fence or marker
        elif not fence and number and _is_rule(lines[number]) and "|" in lines[number - 1]:
            end = number + 1
            while end < len(lines) and "|" in lines[end]:
                end += 1
            if end > number + 1:
                header = text[starts[number - 1] : starts[number + 1]].rstrip("\r\n")
                yield Table(header, starts[number + 1], starts[end])
            number = end
            continue
        number += 1


def stands(shown: str, holds: Callable[[str], bool]) -> bool:
    """Whether what a passage shows is held: whole, or the table's header that it may repeat and its own text each."""
    if holds(shown):
        return True
    first, _, rest = shown.partition("\n")
    second, _, own = rest.partition("\n")
    return bool(own) and _is_rule(second) and holds(f"{first}\n{second}") and holds(own)


def _is_rule(line: str) -> bool:
    return "|" in line and _RULE.fullmatch(line.rstrip("\r\n")) is not None
