"""One search: what Weaviate is asked, and what its answer says.

One request does it all: the server's hybrid search with relative score fusion, at either end of alpha as well, because
that is where scores are those of `ragc.retrieval._fusion`. Its legs are as deep as the limit, and never less than 100.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ragc.retrieval._passage import Passage
from ragc.retrieval._query import LEG_DEPTH, Query
from ragc.retrieval.stores._words import asked_words
from ragc.retrieval.stores.weaviate._filters import all_of, where
from ragc.retrieval.stores.weaviate._schema import READ, passage_of
from ragc.retrieval.stores.weaviate._state import State

DEEPEST = 10_000
"""The largest limit that a server takes, as it is set up by default."""

_PART = re.compile(r"Result Set (keyword|vector)[^)]*\) Document \S+: original score (\S+),")


class Asked(NamedTuple):
    """A search, ready to be sent."""

    arguments: dict[str, Any]
    """For the client's `hybrid`."""
    weight: float
    """What scores are multiplied with: the weight of the one leg, where the other has nothing to look for."""
    k: int
    shortened: bool
    """Whether frequent words were left out."""

    def found(self, objects: Sequence[Any]) -> list[Passage]:
        """Return the passages of the answer, best first."""
        return [self._passage(each) for each in objects[: self.k]]

    def _passage(self, found: Any) -> Passage:
        parts = {leg: float(score) for leg, score in _PART.findall(found.metadata.explain_score or "")}
        return passage_of(
            found.uuid,
            found.properties,
            score=min(1.0, max(0.0, found.metadata.score or 0.0)) * self.weight,
            text_score=parts.get("keyword"),
            vector_score=parts.get("vector"),
        )


def asked(query: Query, state: State, *, every_word: bool = False) -> Asked | None:
    """Return what to send for `query` as long as `state` holds; None: there is nothing to look for.

    Frequent words are left out where there are others, unless `every_word`.
    """
    from weaviate.classes.query import HybridFusion, MetadataQuery

    words = asked_words(query.text) if query.alpha < 1 else []
    rare = [] if every_word else [word for word in words if word not in state.frequent]
    text = " ".join(rare or words)
    vector = query.vector.tolist() if query.alpha > 0 and query.vector is not None else None
    if vector is not None and not any(vector):
        vector = None
    if not text and vector is None:
        return None
    alpha, weight = float(query.alpha), 1.0
    if vector is None and alpha > 0:
        alpha, weight = 0.0, 1 - alpha
    elif not text and alpha < 1:
        alpha, weight = 1.0, alpha
    arguments = {
        "query": text,
        "alpha": alpha,
        "vector": vector,
        "query_properties": ["body"],
        "fusion_type": HybridFusion.RELATIVE_SCORE,
        "limit": min(query.k if query.depth == LEG_DEPTH else query.depth, DEEPEST),
        "filters": all_of([where(query.conditions), state.where]),
        "return_metadata": MetadataQuery(score=True, explain_score=True),
        "return_properties": READ,
    }
    return Asked(arguments, weight, query.k, 0 < len(rare) < len(words))
