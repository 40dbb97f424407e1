"""From the URL of a store to the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ragc._secrets import hide_password
from ragc.errors import ConfigError

if TYPE_CHECKING:
    from ragc.retrieval._store import Store

SCHEMES = "sqlite://PATH"
"""What `open_store` takes, for messages."""


def open_store(url: str, *, root: Path, collection: str, read_only: bool = False) -> Store:
    """Return the collection of that name in the store at `url`. Nothing is opened or created before it is used.

    `sqlite://path` is relative to `root`, `sqlite:////path` absolute. Raises ConfigError on any other scheme.
    """
    hide_password(url)
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "sqlite":
        if not rest.strip("/"):
            raise ConfigError(f"store {url!r} names no file; write {SCHEMES}, such as sqlite://.ragc/index.db")
        from ragc.retrieval.stores.sqlite._store import SQLiteStore

        # Three slashes are relative as in SQLAlchemy's (and `tracking`'s) form, four are absolute.
        path = Path(rest.removeprefix("/")).expanduser()
        return SQLiteStore(root / path, collection, read_only=read_only)
    shown = f"{scheme}://…" if separator else repr(url)
    raise ConfigError(f"unknown store {shown}; known is {SCHEMES}")
