"""Which index of Pinecone, and how it is reached: the URL's parts and parameters, checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ragc._secrets import hide_variable
from ragc.errors import ConfigError
from ragc.retrieval.stores._address import Address

_KNOWN = ("collection", "cloud", "region", "key_env", "host", "timeout")


@dataclass(frozen=True)
class Server:
    """An index in Pinecone. Makes no connection."""

    shown: str
    """Its address for messages."""
    index: str
    owner: str | None
    """What stands in place of the project's name."""
    key_env: str
    """The variable that holds the key."""
    where: tuple[str, str] | None
    """Cloud and region in which the index is made when it is not there; None: it has to be."""
    host: str | None
    """Of the control plane; None: Pinecone's own."""
    timeout: int
    """Seconds that a request may take."""

    @classmethod
    def at(cls, address: Address) -> Server:
        """Read the address. Raises ConfigError, naming the part that is wrong."""
        if "@" in address.rest.partition("?")[0]:
            raise ConfigError(f"store {address.shown}: the key belongs into PINECONE_API_KEY, not into the address")
        given = address.parameters(_KNOWN)
        index = address.host
        if not re.fullmatch(r"[a-z0-9-]{1,45}", index) or address.shown != f"pinecone://{index}":
            raise ConfigError(
                f"store {address.shown}: write pinecone://INDEX, a name of small letters, digits and hyphens"
            )
        if ("cloud" in given) != ("region" in given):
            raise ConfigError(
                f"store {address.shown}: cloud and region belong together, such as cloud=aws&region=us-east-1"
            )
        key_env, timeout = given.get("key_env", "PINECONE_API_KEY"), given.get("timeout", "30")
        hide_variable(key_env)
        if not os.environ.get(key_env, "").strip():
            raise ConfigError(f"store {address.shown}: no key in {key_env}; export it")
        if not (timeout.isascii() and timeout.isdecimal() and 1 <= int(timeout) <= 3600):
            raise ConfigError(f"store {address.shown}: timeout is a number from 1 to 3600, not {timeout!r}")
        where = (given["cloud"], given["region"]) if "cloud" in given else None
        return cls(address.shown, index, given.get("collection"), key_env, where, given.get("host"), int(timeout))
