"""Where the pages of a document begin: what lets a citation say "page 12" and a label name one.

They are kept as one text of the document's metadata, `page_starts = "0,1520,3011"` (`slide_starts`, `sheet_starts`), so
that every store carries them and a passage's page follows from its span, however documents are cut.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNITS = ("page", "slide", "sheet")
_STARTS = re.compile(r"\d+(,\d+)*")


@dataclass(frozen=True)
class Places:
    """The pages, slides or sheets of a document, counted from 1."""

    unit: str
    """`page`, `slide` or `sheet`."""
    starts: tuple[int, ...]
    """Where each begins in the document's text, in characters, ascending; an empty one begins where the next does."""

    def __len__(self) -> int:
        return len(self.starts)

    def span(self, number: int, length: int) -> tuple[int, int] | None:
        """Return where page `number` of a text of `length` characters begins and ends; None where there is no such."""
        if not 1 <= number <= len(self.starts):
            return None
        return self.starts[number - 1], (self.starts[number] if number < len(self.starts) else length)

    def of(self, start: int, end: int) -> tuple[int, int]:
        """Return the first and the last page that the stretch from `start` to `end` touches."""
        first = max(1, bisect_right(self.starts, start))
        return first, max(first, bisect_right(self.starts, max(start, end - 1)))


def places_metadata(unit: str, starts: Sequence[int]) -> dict[str, str]:
    """Return the metadata that says where pages begin."""
    return {f"{unit}_starts": ",".join(map(str, starts))}


def read_places(metadata: Mapping[str, Any]) -> Places | None:
    """Return where the pages of a document with this metadata begin; None where it has none."""
    for unit in UNITS:
        value = metadata.get(f"{unit}_starts")
        if isinstance(value, str) and _STARTS.fullmatch(value):
            starts = tuple(map(int, value.split(",")))
            if list(starts) == sorted(starts):
                return Places(unit, starts)
    return None


def placed(metadata: Mapping[str, Any], start: int, end: int) -> Mapping[str, Any]:
    """Return the metadata of a passage: its document's, with its own page in place of where all pages begin.

    `page` (or `slide`, `sheet`) is the one that it begins on; `last_page` is there when it ends on another.
    """
    places = read_places(metadata)
    if places is None:
        return metadata
    first, last = places.of(start, end)
    own = {key: value for key, value in metadata.items() if key != f"{places.unit}_starts"}
    own[places.unit] = first
    if last != first:
        own[f"last_{places.unit}"] = last
    return own


def place_in_words(metadata: Mapping[str, Any]) -> str:
    """Return `page 12`, `pages 12–13`, `slide 3`, `sheet 2` for a passage's metadata; empty where it has no page."""
    for unit in UNITS:
        first, last = metadata.get(unit), metadata.get(f"last_{unit}")
        if isinstance(first, int) and not isinstance(first, bool):
            return f"{unit} {first}" if not isinstance(last, int) else f"{unit}s {first}–{last}"
    return ""
