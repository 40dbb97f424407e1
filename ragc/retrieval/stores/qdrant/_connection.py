"""A client of Qdrant a process, for a server or for the local mode; nothing crosses a fork."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator

from qdrant_client import QdrantClient

from ragc.errors import StoreError
from ragc.retrieval.stores.qdrant._folder import folder_at
from ragc.retrieval.stores.qdrant._server import OLDEST, Server
from ragc.retrieval.stores.qdrant._told import told

# What a fork left in the child: neither used nor closed there.
_inherited: list[object] = []


class Connection:
    """Opens a client when one is needed. May be shared by threads, and used after a fork."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._folder = folder_at(server.folder) if server.folder else None
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._client: QdrantClient | None = None

    @property
    def exists(self) -> bool:
        """False where a local mode's folder was never made; a server has to be asked."""
        return self.server.folder is None or (self.server.folder / "meta.json").exists()

    @contextlib.contextmanager
    def lent(self, *, writing: bool = False) -> Iterator[QdrantClient]:
        """Lend the client. Raises StoreError on whatever Qdrant or the network object to inside the block."""
        with told(self.server):
            if self._folder is not None:
                with self._folder.lent(writing=writing) as client:
                    yield client
            else:
                yield self._remote()

    def close(self) -> None:
        """Close the client."""
        if self._folder is not None:
            self._folder.close()
            return
        self._leave_other_process()
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _remote(self) -> QdrantClient:
        self._leave_other_process()
        with self._lock:
            if self._client is None:
                self._client = self._connected()
            return self._client

    def _connected(self) -> QdrantClient:
        server, key = self.server, os.environ.get(self.server.key_env, "").strip()
        client = QdrantClient(
            host=server.host,
            port=server.port,
            https=server.tls,
            api_key=key or None,
            timeout=server.timeout,
            check_compatibility=False,  # is made here, as an error and not as a warning
        )
        try:
            self._check_version(client.info().version)
            client.collection_exists("ragc")  # which unlike the version is refused to whom has no key
        except BaseException:
            client.close()
            raise
        return client

    def _check_version(self, version: str) -> None:
        found = re.match(r"(\d+)\.(\d+)", version)
        if found is None or (int(found[1]), int(found[2])) < OLDEST:
            raise StoreError(
                f"{self.server.shown} is Qdrant {version}; {'.'.join(map(str, OLDEST))} or newer is needed"
            )

    def _leave_other_process(self) -> None:
        if self._process != os.getpid():
            _inherited.append(self._client)
            self._lock = threading.Lock()
            self._client, self._process = None, os.getpid()
