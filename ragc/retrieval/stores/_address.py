"""The URL of a store, taken apart once for all stores: `scheme://[user:password@]host[:port][/path][?name=value&…]`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

from ragc.errors import ConfigError


@dataclass(frozen=True)
class Address:
    """Where one collection is: what `open_store` hands to the module of a store."""

    url: str
    """As it was written; may hold a password, so it stands in no message."""
    root: Path
    """The project's folder, from which relative paths are meant."""
    collection: str
    """The task's name."""
    read_only: bool = False

    @property
    def scheme(self) -> str:
        """What stands before `://`."""
        return self.url.partition("://")[0]

    @property
    def rest(self) -> str:
        """What stands after `://`, parameters included."""
        return self.url.partition("://")[2]

    @property
    def shown(self) -> str:
        """Scheme, host and path, for messages: without credentials and parameters."""
        parts = self._parts
        return f"{self.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def host(self) -> str:
        """The host. Raises ConfigError when there is none."""
        try:
            host = self._parts.hostname
        except ValueError:
            host = None
        if not host:
            raise ConfigError(f"store {self.shown} names no host; write {self.scheme}://host:port")
        return host

    def port(self, default: int) -> int:
        """The port, or `default`. Raises ConfigError when it is no number from 1 to 65535."""
        try:
            port = self._parts.port
        except ValueError as error:
            raise ConfigError(f"store {self.shown}: the port is a number from 1 to 65535") from error
        return port or default

    def parameters(self, known: Collection[str]) -> dict[str, str]:
        """The parameters after `?`. Raises ConfigError on one that is not `known`, or stands there twice."""
        found: dict[str, str] = {}
        for name, value in parse_qsl(self._parts.query, keep_blank_values=True):
            if name not in known:
                raise ConfigError(f"store {self.shown}: unknown parameter {name!r}; known are {', '.join(known)}")
            if name in found or not value:
                raise ConfigError(f"store {self.shown}: {name} takes one value")
            found[name] = value
        return found

    def name_on_server(self, owner: str | None = None, *, longest: int = 60) -> str:
        """A name for the collection where many projects share a database: letters, digits and underscores.

        `owner` (the parameter `collection` of the URL) takes the place of the project's name. It ends in a digest of
        both names, so that two pairs that look alike never meet, and begins with a letter.
        """
        from ragc.project import project_name

        owner = owner or project_name(self.root)
        words = re.sub(r"[^0-9A-Za-z]+", "_", f"{owner}_{self.collection}").strip("_")
        words = words if words[:1].isalpha() else f"ragc_{words}"
        digest = hashlib.sha256(f"{owner}\0{self.collection}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{words[: longest - 9].rstrip('_')}_{digest}"

    @property
    def _parts(self) -> SplitResult:
        # An unbalanced bracket in the host is all that urlsplit refuses.
        try:
            return urlsplit(f"//{self.rest}")
        except ValueError as error:
            raise ConfigError(f"store {self.scheme}://… is no address; write {self.scheme}://host:port") from error
