"""Pinecone, experimental: tried against a double of its interface and not the service. See `_store.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc.retrieval.stores._extra import needed

if TYPE_CHECKING:
    from ragc.retrieval._store import Store
    from ragc.retrieval.stores._address import Address


def open_(address: Address) -> Store:
    """Return the collection at `pinecone://index`, a namespace in that index; see `Server` for the parameters."""
    needed("pinecone", "pinecone", address)
    from ragc.retrieval.stores.pinecone._server import Server
    from ragc.retrieval.stores.pinecone._store import PineconeStore

    return PineconeStore(Server.at(address), address)
