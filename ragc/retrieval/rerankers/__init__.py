"""What puts found passages into a better order: `Retrieve(reranker="cohere/rerank-v3.5")`.

A language model as reranker is a module of a program, and none of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use

if TYPE_CHECKING:
    from ragc.retrieval.rerankers._names import CANDIDATES, KNOWN, candidates, check_reranker_name, named
    from ragc.retrieval.rerankers._reranker import Reranker
    from ragc.retrieval.rerankers._rerankers import Rerankers

_HOME = {
    "CANDIDATES": "_names",
    "KNOWN": "_names",
    "Reranker": "_reranker",
    "Rerankers": "_rerankers",
    "candidates": "_names",
    "check_reranker_name": "_names",
    "named": "_names",
}

__all__ = ["CANDIDATES", "KNOWN", "Reranker", "Rerankers", "candidates", "check_reranker_name", "named"]

__getattr__, __dir__ = on_first_use(__name__, _HOME)
