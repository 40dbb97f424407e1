"""Clients of databases that ragc does not bring along."""

from __future__ import annotations

from ragc._extras import Extra
from ragc.errors import ConfigError
from ragc.retrieval.stores._address import Address


def need(extra: Extra, address: Address) -> None:
    """Raise ConfigError when the client that an extra brings is not installed."""
    if extra.lacking:
        raise ConfigError(f"store {address.shown} needs the library {extra.lacking[0]}: {extra.install}")
