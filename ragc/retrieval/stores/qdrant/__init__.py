"""Qdrant: a server of it, or its local mode in this process. See `_store.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._extras import Extra
from ragc.retrieval.stores._extra import need

if TYPE_CHECKING:
    from ragc.retrieval._store import Store
    from ragc.retrieval.stores._address import Address

EXTRA = Extra("qdrant", ("qdrant_client",), "stores qdrant:// and qdrant+local://")


def open_(address: Address) -> Store:
    """Return the collection at `qdrant://host:port` or `qdrant+local://path`; see `Server` for the parameters."""
    need(EXTRA, address)
    from ragc.retrieval.stores.qdrant._server import Server
    from ragc.retrieval.stores.qdrant._store import QdrantStore

    return QdrantStore(Server.at(address), address)
