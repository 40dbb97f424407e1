"""From the URL of a store to the store."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from ragc._extras import Extra
from ragc._secrets import hide_password
from ragc.errors import ConfigError
from ragc.retrieval.stores._address import Address

if TYPE_CHECKING:
    from ragc.retrieval._store import Store

STORES = {
    "sqlite": "sqlite",
    "pinecone": "pinecone",
    "postgresql": "postgres",
    "qdrant": "qdrant",
    "qdrant+local": "qdrant",
    "weaviate": "weaviate",
    "weaviate+cloud": "weaviate",
    "weaviate+embedded": "weaviate",
}
"""Scheme → the module of this package whose `open_(address: Address) -> Store` opens it."""

SCHEMES = ", ".join(f"{scheme}://" for scheme in STORES)
"""What `open_store` takes, for messages."""


def extras() -> list[Extra]:
    """Return the extras that stores declare (`EXTRA` in their package), by name. No client is imported."""
    modules = {name: importlib.import_module(f"{__package__}.{name}") for name in STORES.values()}
    return sorted((module.EXTRA for module in modules.values() if hasattr(module, "EXTRA")), key=lambda one: one.name)


def open_store(url: str, *, root: Path, collection: str, read_only: bool = False) -> Store:
    """Return the collection of that name in the store at `url`. Nothing is opened or created before it is used.

    `sqlite://path` is relative to `root`, `sqlite:////path` absolute. On a server, the collection's name is made of
    the project's at `root` (or `?collection=`) and this one. Raises ConfigError on an address that is none.
    """
    hide_password(url)
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in STORES:
        shown = f"{scheme}://…" if separator else repr(url)
        raise ConfigError(f"unknown store {shown}; known are {SCHEMES}")
    module = importlib.import_module(f"ragc.retrieval.stores.{STORES[scheme]}")
    store: Store = module.open_(Address(url, root, collection, read_only))
    return store
