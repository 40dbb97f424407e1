"""Pinecone, experimental: tried against a double of its interface and not the service. See `_store.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._extras import Extra
from ragc.retrieval.stores._extra import need

if TYPE_CHECKING:
    from ragc.retrieval._store import Store
    from ragc.retrieval.stores._address import Address

EXTRA = Extra("pinecone", ("pinecone",), "store pinecone://", is_experimental=True)


def open_(address: Address) -> Store:
    """Return the collection at `pinecone://index`, a namespace in that index; see `Server` for the parameters."""
    need(EXTRA, address)
    from ragc.retrieval.stores.pinecone._server import Server
    from ragc.retrieval.stores.pinecone._store import PineconeStore

    return PineconeStore(Server.at(address), address)
