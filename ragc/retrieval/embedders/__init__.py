"""What turns texts into vectors: a module each, behind the protocol of `_embedder`.

Names are loaded on first use: `ragc --help` imports no model library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use

if TYPE_CHECKING:
    from ragc.retrieval.embedders._embedder import Embedder, NotEmbedded, check_embedder, is_local, make_embedder
    from ragc.retrieval.embedders._unembedded import Unembedded
    from ragc.retrieval.embedders._weights import EXTRAS

_HOME = {
    "EXTRAS": "_weights",
    "Embedder": "_embedder",
    "NotEmbedded": "_embedder",
    "Unembedded": "_unembedded",
    "check_embedder": "_embedder",
    "is_local": "_embedder",
    "make_embedder": "_embedder",
}

__all__ = ["EXTRAS", "Embedder", "NotEmbedded", "Unembedded", "check_embedder", "is_local", "make_embedder"]

__getattr__, __dir__ = on_first_use(__name__, _HOME)
