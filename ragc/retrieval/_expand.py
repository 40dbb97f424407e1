"""Context at query time: the passages around a hit, or the whole document that it is from.

What is added comes as passages of its own and not as one wider passage: each keeps the id and the span under which the
index knows it, so that a citation names the passage that holds the answer, recall counts what was really passed on, a
demonstration that quotes one can still be compared with its document, and a token budget drops whole passages.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ragc.errors import ConfigError
from ragc.retrieval._passage import Passage

Expand = int | Literal["document"]
"""How much is added to a hit: so many passages on either side of it, or all of its document."""

MOST_NEIGHBOURS = 100
"""The most passages on either side; who wants more wants the document."""


_CONTENT = ("id", "document", "title", "heading", "text", "metadata", "start", "end")


@dataclass(frozen=True)
class Expanded:
    """Hits with what was added to them."""

    passages: tuple[Passage, ...]
    """Hits in their order, each in its place among its neighbours as they are read; none twice."""
    worth: tuple[int, ...]
    """Positions in `passages`: the hits, best first, then what was added, nearest first."""
    added: tuple[str, ...] = ()
    """Ids of what was added."""


def check_expand(value: object) -> None:
    """Raise ConfigError unless `value` is a number of neighbours or "document"."""
    if value == "document" or (
        isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_NEIGHBOURS
    ):
        return
    raise ConfigError(f'expand is a whole number from 0 to {MOST_NEIGHBOURS}, or "document", not {value!r}')


def expanded(
    hits: Sequence[Passage], expand: Expand, passages_of: Callable[[Sequence[str]], Iterable[Passage]]
) -> Expanded:
    """Add to each hit what `expand` asks for, from the same document. `passages_of`: see `Store.passages`.

    A passage that is near to several hits stands with the best of them. A document that changed since the hits were
    found adds nothing: its passages may not be what the search was allowed to find.
    """
    if not expand or not hits:
        return Expanded(tuple(hits), tuple(range(len(hits))))
    documents: dict[str, list[Passage]] = {}
    for passage in passages_of(sorted({hit.document for hit in hits})):
        documents.setdefault(passage.document, []).append(passage)
    taken = {hit.id for hit in hits}
    found: list[tuple[tuple[int, int], Passage]] = []
    for rank, hit in enumerate(hits):
        around = _around(hit, documents.get(hit.document, ()), expand)
        added = [(distance, one) for distance, one in around if one.id not in taken]
        taken.update(one.id for _, one in added)
        group = [((0, rank), hit), *(((abs(distance), rank), one) for distance, one in added)]
        found += sorted(group, key=lambda one: (one[1].start, one[1].end))
    ids = {hit.id for hit in hits}
    return Expanded(
        tuple(passage for _, passage in found),
        tuple(sorted(range(len(found)), key=lambda position: found[position][0])),
        tuple(passage.id for _, passage in found if passage.id not in ids),
    )


def joined(passages: Sequence[Passage], added: Sequence[str]) -> tuple[Passage, ...]:
    """Return the passages, those that were `added` without what the passage beside them, as they are read, says too.

    A hit says all that is its own, and a passage keeps its id and its span: what is left out of one stands in the next.
    """
    read = list(passages)
    for number, (one, other) in enumerate(itertools.pairwise(passages)):
        shared = one.end - other.own
        if one.document != other.document or not one.own < other.own < one.end < other.end:
            continue
        if other.id in added and (one.id not in added or _is_after_hit(passages, number, added)):
            read[number + 1] = replace(other, text=other.text[len(other.text) - (other.end - one.end) :].lstrip())
        elif one.id in added:
            read[number] = replace(read[number], text=read[number].text[:-shared].rstrip())
    return tuple(read)


def _is_after_hit(passages: Sequence[Passage], number: int, added: Sequence[str]) -> bool:
    """Whether the nearest hit of the same document stands before the passage at `number`, and not behind it."""
    document = passages[number].document
    before = itertools.takewhile(lambda one: one.document == document, reversed(passages[:number]))
    return any(one.id not in added for one in before)


def _around(hit: Passage, document: Sequence[Passage], expand: Expand) -> list[tuple[int, Passage]]:
    """The neighbours of a hit with how many places they stand from it, before it below 0."""
    place = next((number for number, one in enumerate(document) if _is_same(one, hit)), None)
    if place is None:
        return []
    reach = len(document) if expand == "document" else expand
    window = range(max(0, place - reach), min(len(document), place + reach + 1))
    return [(number - place, document[number]) for number in window if number != place]


def _is_same(stored: Passage, hit: Passage) -> bool:
    """Whether what is stored is what was found, scores aside."""
    return all(getattr(stored, name) == getattr(hit, name) for name in _CONTENT)
