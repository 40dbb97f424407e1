"""Retrieval: passages, stores, embedders, and `Retrieve`, by which a program reaches them.

Names are loaded on first use: `ragc search` needs no DSPy, and `ragc --help` none of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use

if TYPE_CHECKING:
    from ragc.retrieval._access import DSPY_KEY, Access, Search, access, access_conditions, in_force
    from ragc.retrieval._chunking import sections
    from ragc.retrieval._cite import CITATION_METHOD, cite, figures_in, without_dates
    from ragc.retrieval._filters import Condition, Filters, holds, parse_filters
    from ragc.retrieval._index import Index, IndexReport, IndexStats, Outstanding
    from ragc.retrieval._open import ensure_index, index, open_index, search
    from ragc.retrieval._passage import Passage, passage_id
    from ragc.retrieval._passages import Passages
    from ragc.retrieval._query import Query
    from ragc.retrieval._reach import Unreached, find_unreached
    from ragc.retrieval._remembered import Remembered
    from ragc.retrieval._retrieve import Retrieve, bind
    from ragc.retrieval._store import CollectionState, Entry, IndexedDocument, MadeWith, Store
    from ragc.retrieval.embedders import Embedder, Unembedded, check_embedder, is_local, make_embedder
    from ragc.retrieval.rerankers import Reranker, Rerankers, candidates
    from ragc.retrieval.stores import open_store

_HOME = {
    "Access": "_access",
    "CITATION_METHOD": "_cite",
    "CollectionState": "_store",
    "Condition": "_filters",
    "DSPY_KEY": "_access",
    "Embedder": "embedders",
    "Entry": "_store",
    "Filters": "_filters",
    "Index": "_index",
    "IndexReport": "_index",
    "IndexStats": "_index",
    "IndexedDocument": "_store",
    "MadeWith": "_store",
    "Outstanding": "_index",
    "Passage": "_passage",
    "Passages": "_passages",
    "Query": "_query",
    "Remembered": "_remembered",
    "Reranker": "rerankers",
    "Rerankers": "rerankers",
    "Retrieve": "_retrieve",
    "Search": "_access",
    "Store": "_store",
    "Unembedded": "embedders",
    "Unreached": "_reach",
    "access": "_access",
    "access_conditions": "_access",
    "bind": "_retrieve",
    "candidates": "rerankers",
    "check_embedder": "embedders",
    "cite": "_cite",
    "ensure_index": "_open",
    "figures_in": "_cite",
    "find_unreached": "_reach",
    "holds": "_filters",
    "in_force": "_access",
    "index": "_open",
    "is_local": "embedders",
    "make_embedder": "embedders",
    "open_index": "_open",
    "open_store": "stores",
    "parse_filters": "_filters",
    "passage_id": "_passage",
    "search": "_open",
    "sections": "_chunking",
    "without_dates": "_cite",
}

__all__ = [
    "Access",
    "CITATION_METHOD",
    "CollectionState",
    "Condition",
    "DSPY_KEY",
    "Embedder",
    "Entry",
    "Filters",
    "Index",
    "IndexReport",
    "IndexStats",
    "IndexedDocument",
    "MadeWith",
    "Outstanding",
    "Passage",
    "Passages",
    "Query",
    "Remembered",
    "Reranker",
    "Rerankers",
    "Retrieve",
    "Search",
    "Store",
    "Unembedded",
    "Unreached",
    "access",
    "access_conditions",
    "bind",
    "candidates",
    "check_embedder",
    "cite",
    "ensure_index",
    "figures_in",
    "find_unreached",
    "holds",
    "in_force",
    "index",
    "is_local",
    "make_embedder",
    "open_index",
    "open_store",
    "parse_filters",
    "passage_id",
    "search",
    "sections",
    "without_dates",
]


__getattr__, __dir__ = on_first_use(__name__, _HOME)
