"""Clients of databases that ragc does not bring along."""

from __future__ import annotations

import importlib.util

from ragc.errors import ConfigError
from ragc.retrieval.stores._address import Address


def needed(library: str, extra: str, address: Address) -> None:
    """Raise ConfigError when `library`, which the extra of that name brings, is not installed."""
    if importlib.util.find_spec(library) is None:
        raise ConfigError(f"store {address.shown} needs the library {library}: pip install 'ragc[{extra}]'")
