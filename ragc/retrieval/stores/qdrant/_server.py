"""Which Qdrant, and how it is reached: the URL's parts and parameters, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ragc._secrets import hide_variable
from ragc.errors import ConfigError
from ragc.retrieval.stores._address import Address

OLDEST = (1, 20)
"""The first server that ranks by BM25 over a text index."""
_KNOWN = {
    "qdrant": ("collection", "tls", "key_env", "timeout", "replicas", "shards"),
    "qdrant+local": ("collection",),
}


@dataclass(frozen=True)
class Server:
    """A Qdrant server, or a folder for its local mode. Makes no connection."""

    shown: str
    """Its address for messages."""
    owner: str | None
    """What stands in place of the project's name."""
    folder: Path | None = None
    """Where the local mode keeps its files; None: a server."""
    host: str = ""
    port: int = 0
    tls: bool = False
    key_env: str = "QDRANT_API_KEY"
    """The variable that holds the key; without one in it the server is asked anonymously."""
    timeout: int = 60
    """Seconds that a request may take."""
    replicas: int | None = None
    """The replication factor; None: the server's default."""
    shards: int | None = None
    """How many shards; None: the server's default."""

    @classmethod
    def at(cls, address: Address) -> Server:
        """Read the address. Raises ConfigError, naming the part that is wrong."""
        if "@" in address.rest.partition("?")[0]:
            raise ConfigError(f"store {address.shown}: the key belongs into QDRANT_API_KEY, not into the address")
        given = address.parameters(_KNOWN[address.scheme])
        owner = given.get("collection")
        if address.scheme == "qdrant+local":
            # Three slashes are relative, four absolute, as in `sqlite://`.
            place = address.rest.partition("?")[0].removeprefix("/")
            if not place:
                raise ConfigError(f"store {address.shown} names no folder; write qdrant+local://.ragc/qdrant")
            return cls(address.shown, owner, folder=address.root / Path(place).expanduser())
        key_env = given.get("key_env", "QDRANT_API_KEY")
        hide_variable(key_env)
        tls = given.get("tls", "false")
        if tls not in ("true", "false"):
            raise ConfigError(f"store {address.shown}: tls is true or false, not {tls!r}")
        return cls(
            address.shown,
            owner,
            host=address.host,
            port=address.port(6333),
            tls=tls == "true",
            key_env=key_env,
            timeout=_number(address, "timeout", given.get("timeout", "60"), 3600),
            replicas=_number(address, "replicas", given["replicas"], 99) if "replicas" in given else None,
            shards=_number(address, "shards", given["shards"], 9999) if "shards" in given else None,
        )


def _number(address: Address, name: str, value: str, most: int) -> int:
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= most):
        raise ConfigError(f"store {address.shown}: {name} is a number from 1 to {most}, not {value!r}")
    return int(value)
