"""Weaviate: the store for what is more than one machine's. See `_store.py` for what is kept how, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragc.retrieval._store import Store
    from ragc.retrieval.stores._address import Address


def open_(address: Address) -> Store:
    """Return the collection at `weaviate://…`, `weaviate+embedded://…` or `weaviate+cloud://…`; see `Server`."""
    from ragc.retrieval.stores.weaviate._server import Server
    from ragc.retrieval.stores.weaviate._store import WeaviateStore

    return WeaviateStore(Server.at(address), address)
