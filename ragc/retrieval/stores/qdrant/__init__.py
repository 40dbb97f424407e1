"""Qdrant: a server of it, or its local mode in this process. See `_store.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc.retrieval.stores._extra import needed

if TYPE_CHECKING:
    from ragc.retrieval._store import Store
    from ragc.retrieval.stores._address import Address


def open_(address: Address) -> Store:
    """Return the collection at `qdrant://host:port` or `qdrant+local://path`; see `Server` for the parameters."""
    needed("qdrant_client", "qdrant", address)
    from ragc.retrieval.stores.qdrant._server import Server
    from ragc.retrieval.stores.qdrant._store import QdrantStore

    return QdrantStore(Server.at(address), address)
