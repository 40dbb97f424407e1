"""Fits passages into a token budget: whole passages go, near-duplicates first, then from the tail."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ragc._fence import fenced
from ragc._text import tokens
from ragc.retrieval._passage import Passage

NEAR = 0.85
"""The share of common words (Jaccard) from which two passages count as nearly the same."""


def estimated_tokens(text: str) -> int:
    """Return bytes divided by four, rounded up: for models whose tokenizer is not at hand."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def fitted(
    passages: Sequence[Passage],
    max_tokens: int,
    count_tokens: Callable[[str], int],
    worth: Sequence[int] | None = None,
) -> tuple[tuple[Passage, ...], tuple[str, ...]]:
    """Return the passages that fit `max_tokens` as rendered, and the ids of those that do not, both in their order.

    `worth` has their positions from what goes last to what goes first; None: best first as they stand. While they are
    too many, the least near-duplicate of a better passage goes; when there is none, the least of all.
    """
    costs = [count_tokens(fenced(passage.id, passage.source, passage.text) + "\n") for passage in passages]
    total = sum(costs)
    kept = list(range(len(passages)) if worth is None else worth)
    if total > max_tokens:
        for position in reversed(_near_duplicates([passages[i] for i in kept], kept)):
            if total <= max_tokens:
                break
            kept.remove(position)
            total -= costs[position]
    while kept and total > max_tokens:
        total -= costs[kept.pop()]
    staying = set(kept)
    gone = tuple(passage.id for i, passage in enumerate(passages) if i not in staying)
    return tuple(passage for i, passage in enumerate(passages) if i in staying), gone


def _near_duplicates(passages: Sequence[Passage], positions: Sequence[int]) -> list[int]:
    words = [set(tokens(passage.text)) for passage in passages]
    return [
        positions[later]
        for later in range(1, len(passages))
        if any(_jaccard(words[earlier], words[later]) >= NEAR for earlier in range(later))
    ]


def _jaccard(left: set[str], right: set[str]) -> float:
    return len(left & right) / len(left | right) if left and right else float(left == right)
