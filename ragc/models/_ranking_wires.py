"""What providers of rankings take, send back and bill, a row each; what they have in common is `ragc.models._ranking`.

From their documentation: Cohere's `v2/rerank` (1,000 documents recommended at most; a search is a query with up to 100
documents, one of more than 500 tokens, the query included, counts once for every such part of it), Voyage's page on
rerankers (1,000 documents; billed are the query's tokens times the documents, and the documents' tokens).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ragc.models._embedding_wires import first_count
from ragc.models._hosts import COHERE, VOYAGE, Host

PER_SEARCH = 100
"""Documents of one search, as Cohere bills it."""
PART_TOKENS = 500
"""Tokens of query and document from which on a document counts more than once."""
LEAST_PART = 250
"""Tokens of a document that such a part has at least: a query takes up half of it, at most."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a ranking takes, in its provider's units."""

    searches: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class RankingWire:
    """How a provider is asked to rank documents."""

    host: Host
    billed: Literal["search", "input"]
    """What it bills, as the key of a price."""
    results: str
    """The name of the list of results."""
    path: str = "/rerank"
    always: Mapping[str, Any] = field(default_factory=dict)
    """What every request has."""
    most: int = 1000
    """Documents that one request may hold."""

    def takes(self, query: int, documents: Sequence[int], part: int) -> Taken:
        """What a query takes with documents of so many tokens; `part` is how many of them a search's part holds."""
        if self.billed == "search":
            parts = sum(max(1, -(-tokens // part)) for tokens in documents)
            return Taken(searches=max(1, -(-parts // PER_SEARCH)))
        return Taken(tokens=query * len(documents) + sum(documents))

    def taken(self, reply: Mapping[str, Any]) -> Taken | None:
        """What was taken, as far as it is reported; None: not at all."""
        if self.billed == "search":
            meta = reply.get("meta")
            found = first_count(meta.get("billed_units") if isinstance(meta, dict) else None, "search_units")
            return None if found is None else Taken(searches=found)
        found = first_count(reply.get("usage"), "total_tokens")
        return None if found is None else Taken(tokens=found)


WIRES: Mapping[str, RankingWire] = MappingProxyType(
    {
        "cohere": RankingWire(
            host=COHERE,
            billed="search",
            results="results",
        ),
        "voyage": RankingWire(
            host=VOYAGE,
            billed="input",
            results="data",
            always={"truncation": False},
        ),
    }
)
"""By what a model string begins with."""
