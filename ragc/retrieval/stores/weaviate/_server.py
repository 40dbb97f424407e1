"""Which server, and how it is reached: the URL's parts and parameters, checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ragc._secrets import hide_variable
from ragc.errors import ConfigError
from ragc.retrieval.stores._address import Address

OLDEST = (1, 32)
"""The first server with aliases."""
EMBEDDED_VERSION = "1.38.11"
"""What `weaviate+embedded://` fetches from Weaviate's releases, once, unless `?version=` says otherwise."""

_COMMON = ("collection", "tenant", "replicas", "shards", "key_env", "timeout")
_KNOWN = {
    "weaviate": ("grpc_port", "grpc_host", "tls", *_COMMON),
    "weaviate+cloud": _COMMON,
    "weaviate+embedded": ("port", "grpc_port", "version", *_COMMON),
}


@dataclass(frozen=True)
class Server:
    """A Weaviate server and how a collection is kept there. Makes no connection."""

    shown: str
    """Its address for messages."""
    host: str
    port: int
    grpc_host: str
    grpc_port: int
    tls: bool
    key_env: str
    """The variable that holds the key; without one in it the server is asked anonymously."""
    timeout: int
    """Seconds that a request may take."""
    collection: str | None = None
    """What stands in place of the project's name."""
    tenant: str | None = None
    replicas: int | None = None
    """The replication factor; None: the server's default."""
    shards: int | None = None
    """How many shards; None: as many as the server has nodes."""
    embedded: tuple[Path, str] | None = None
    """Where an embedded server keeps its data, and its version; None: it runs by itself."""

    @classmethod
    def at(cls, address: Address) -> Server:
        """Read the address. Raises ConfigError, naming the part that is wrong."""
        if "@" in address.rest.partition("?")[0]:
            raise ConfigError(f"store {address.shown}: the key belongs into WEAVIATE_API_KEY, not into the address")
        given = address.parameters(_KNOWN[address.scheme])
        numbers = {
            name: _number(address, name, given[name], most)
            for name, most in (("grpc_port", 65535), ("port", 65535), ("replicas", 99), ("shards", 9999))
            if name in given
        }
        if "tenant" in given and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", given["tenant"]):
            raise ConfigError(f"store {address.shown}: a tenant is called by 1 to 64 letters, digits, - and _")
        key_env = given.get("key_env", "WEAVIATE_API_KEY")
        hide_variable(key_env)
        tls, embedded = address.scheme == "weaviate+cloud", None
        if address.scheme == "weaviate+embedded":
            host = grpc_host = "127.0.0.1"
            port, grpc_port = numbers.get("port", 8079), numbers.get("grpc_port", 50060)
            folder = address.rest.partition("?")[0].removeprefix("/") or ".ragc/weaviate"
            embedded = (address.root / Path(folder).expanduser(), given.get("version", EMBEDDED_VERSION))
        elif tls:
            host, port, grpc_port = address.host, address.port(443), 443
            name, _, domain = host.partition(".")
            # As the client's own `connect_to_weaviate_cloud` has it.
            grpc_host = f"{name}.grpc.{domain}" if host.endswith("weaviate.network") else f"grpc-{host}"
            if not os.environ.get(key_env):
                raise ConfigError(f"store {address.shown}: no key in {key_env}; export it")
        else:
            tls = _flag(address, "tls", given.get("tls", "false"))
            host, port = address.host, address.port(443 if tls else 8080)
            grpc_host, grpc_port = given.get("grpc_host", host), numbers.get("grpc_port", 443 if tls else 50051)
            if (host, port) == (grpc_host, grpc_port) and "grpc_port" in given:
                raise ConfigError(f"store {address.shown}: grpc_port is another port than {port}")
        return cls(
            shown=address.shown,
            host=host,
            port=port,
            grpc_host=grpc_host,
            grpc_port=grpc_port,
            tls=tls,
            key_env=key_env,
            timeout=_number(address, "timeout", given.get("timeout", "60"), 3600),
            collection=given.get("collection"),
            tenant=given.get("tenant"),
            replicas=numbers.get("replicas"),
            shards=numbers.get("shards"),
            embedded=embedded,
        )


def _number(address: Address, name: str, value: str, most: int) -> int:
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= most):
        raise ConfigError(f"store {address.shown}: {name} is a number from 1 to {most}, not {value!r}")
    return int(value)


def _flag(address: Address, name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise ConfigError(f"store {address.shown}: {name} is true or false, not {value!r}")
    return value == "true"
