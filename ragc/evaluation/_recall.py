"""How much of an example's evidence was retrieved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ragc.data import Corpus, Example, Span, gold_spans

Recall = Callable[[Example, Sequence[Any]], float | None]
"""Share of an example's evidence that passages overlap, 0 to 1; None where the example has none."""


def recall_of(corpus: Corpus) -> Recall:
    """The recall of passages against evidence in `corpus`; quotes are looked up once an example."""
    spans: dict[str, tuple[Span, ...]] = {}

    def recall(example: Example, passages: Sequence[Any]) -> float | None:
        gold = spans.get(example.id)
        if gold is None:
            gold = spans[example.id] = gold_spans(example, corpus)
        if not gold:
            return None
        found = sum(any(span.overlaps(one.document, one.start, one.end) for one in passages) for span in gold)
        return found / len(gold)

    return recall
