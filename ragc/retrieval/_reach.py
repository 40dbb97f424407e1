"""Evidence that retrieval never reaches: no program can answer from what it is never given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragc.data import gold_spans
from ragc.retrieval._index import Index

if TYPE_CHECKING:
    from ragc.data import Corpus, Evidence, Example

DEPTH = 10
"""Passages that are looked through, as deep as `ragc eval --retrieval` looks by default."""
ALPHAS = (0.0, 0.5, 1.0)
"""Text alone, both, vectors alone: what neither finds, no weight between them does."""


@dataclass(frozen=True)
class Unreached:
    """An example of whose evidence a part is never found for its question."""

    example: Example
    evidence: tuple[Evidence, ...]
    """The parts that are not."""


def find_unreached(
    index: Index,
    examples: Sequence[Example],
    corpus: Corpus,
    *,
    alphas: Sequence[float] = ALPHAS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Unreached, ...]:
    """Return the examples whose evidence is not all among the first 10 passages at any of `alphas`, in their order.

    With alpha 0 alone no embedder is asked. Labels that name no evidence, or whose evidence is gone, are left out;
    `index` must mirror `corpus`. Raises StoreError as a search does.
    """
    asked = [(example, gold_spans(example, corpus)) for example in examples]
    asked = [(example, gold) for example, gold in asked if gold and len(gold) == len(example.evidence)]
    found = []
    for number, (example, gold) in enumerate(asked, 1):
        lists = index.rankings(example.question, alphas, k=DEPTH)
        passages = [passage for ranking in lists for passage in ranking]
        missed = tuple(
            evidence
            for evidence, span in zip(example.evidence, gold, strict=True)
            if not any(span.overlaps(passage.document, passage.start, passage.end) for passage in passages)
        )
        if missed:
            found.append(Unreached(example, missed))
        progress(number, len(asked))
    return tuple(found)
