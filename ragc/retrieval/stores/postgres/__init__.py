"""PostgreSQL with pgvector: the store for those who have that database already. See `_store.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._extras import Extra
from ragc.retrieval.stores._extra import need

if TYPE_CHECKING:
    from ragc.retrieval._store import Store
    from ragc.retrieval.stores._address import Address

EXTRA = Extra("postgres", ("psycopg",), "store postgresql://")


def open_(address: Address) -> Store:
    """Return the collection at `postgresql://user@host:port/database`; see `Server` for the parameters."""
    need(EXTRA, address)
    from ragc.retrieval.stores.postgres._server import Server
    from ragc.retrieval.stores.postgres._store import PostgresStore

    return PostgresStore(Server.at(address), address)
