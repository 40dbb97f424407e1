"""The embedded store: one SQLite file. See `_store.py`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ragc.errors import ConfigError

if TYPE_CHECKING:
    from ragc.retrieval._store import Store
    from ragc.retrieval.stores._address import Address


def open_(address: Address) -> Store:
    """Return the collection in the file of `sqlite://path` or `sqlite:////path`. Raises ConfigError without a file."""
    if not address.rest.strip("/"):
        raise ConfigError(f"store {address.url!r} names no file; write sqlite://PATH, such as sqlite://.ragc/index.db")
    from ragc.retrieval.stores.sqlite._store import SQLiteStore

    # Three slashes are relative as in SQLAlchemy's (and `tracking`'s) form, four are absolute.
    path = Path(address.rest.removeprefix("/")).expanduser()
    return SQLiteStore(address.root / path, address.collection, read_only=address.read_only)
