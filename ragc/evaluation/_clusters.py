"""Questions on the same evidence: they are won and lost together, so that they count for less than as many apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from ragc.data import Corpus, Example, gold_spans

Clusters: TypeAlias = Mapping[str, str]
"""Example id → the smallest id among the examples of its cluster. An example that is not in it stands alone."""


def clusters_of(examples: Sequence[Example], corpus: Corpus) -> dict[str, str]:
    """Return the clusters of `examples`: two are in one when their evidence overlaps, directly or over others.

    Evidence is what `gold_spans` finds in `corpus`; an example without any is a cluster of its own.
    """
    parent = {example.id: example.id for example in examples}

    def root(id_: str) -> str:
        while parent[id_] != id_:
            parent[id_] = parent[parent[id_]]
            id_ = parent[id_]
        return id_

    def join(one: str, other: str) -> None:
        first, second = sorted((root(one), root(other)))
        parent[second] = first

    spans = sorted(
        (span.document, span.start, span.end, example.id)
        for example in examples
        for span in gold_spans(example, corpus)
    )
    furthest = 0
    for (document, _, end, id_), (next_document, start, _, next_id) in pairwise(spans):
        furthest = max(furthest, end)
        if document != next_document:
            furthest = 0
        elif start < furthest:
            join(id_, next_id)
    return {id_: root(id_) for id_ in parent}


def cluster_places(examples: Sequence[str], clusters: Clusters | None) -> list[int]:
    """Return the number of each example's cluster, from 0 in the order in which they come up."""
    number: dict[str, int] = {}
    return [number.setdefault((clusters or {}).get(example, example), len(number)) for example in examples]
