"""PostgreSQL with pgvector: the store for those who have that database already. See `_store.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc.retrieval.stores._extra import needed

if TYPE_CHECKING:
    from ragc.retrieval._store import Store
    from ragc.retrieval.stores._address import Address


def open_(address: Address) -> Store:
    """Return the collection at `postgresql://user@host:port/database`; see `Server` for the parameters."""
    needed("psycopg", "postgres", address)
    from ragc.retrieval.stores.postgres._server import Server
    from ragc.retrieval.stores.postgres._store import PostgresStore

    return PostgresStore(Server.at(address), address)
