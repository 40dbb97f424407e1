"""A client of Pinecone a process; nothing crosses a fork."""

from __future__ import annotations

import os
import threading
from typing import Any

from pinecone import Index, Pinecone
from pinecone.errors.exceptions import NotFoundError

from ragc.errors import StoreError
from ragc.retrieval.stores.pinecone._server import Server

VECTOR, BODY = "dense", "body"

# What a fork left in the child: neither used nor closed there.
_inherited: list[object] = []


class Connection:
    """Opens the index when it is needed. May be shared by threads, and used after a fork."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._client: Pinecone | None = None
        self._index: Index | None = None

    def index(self) -> Index | None:
        """The index; None where there is none. Raises what the client does."""
        self._leave_other_process()
        with self._lock:
            if self._index is None:
                try:
                    host = self._opened().indexes.describe(self.server.index).host
                except NotFoundError:
                    return None
                self._index = self._opened().index(host=host or "")
            return self._index

    def ensure(self, dimensions: int) -> Index:
        """The index for vectors of this length, made if it may be. StoreError when there is none, or another."""
        server = self.server
        if self.index() is None:
            if server.where is None:
                raise StoreError(
                    f"{server.shown}: there is no such index; add ?cloud=aws&region=us-east-1, where it then is made"
                )
            cloud, region = server.where
            with self._lock:
                self._opened().indexes.create(
                    name=server.index,
                    schema=schema(dimensions),
                    deployment={"deployment_type": "managed", "cloud": cloud, "region": region},
                )
        found = self._opened().indexes.describe(server.index)
        fields: dict[str, Any] = dict(getattr(found.schema, "fields", None) or {})
        vector, body = fields.get(VECTOR), fields.get(BODY)
        search = getattr(body, "full_text_search", None)
        if (
            getattr(vector, "metric", None) not in ("dotproduct", "cosine")
            or search is None
            or search.stemming
            or search.stop_words
        ):
            raise StoreError(
                f"{server.shown}: the schema of the index does not match what ragc makes (a dense vector {VECTOR!r} by "
                f"dotproduct, a string {BODY!r} with full-text search, no stemming); name another index in `store`"
            )
        if getattr(vector, "dimension", None) != dimensions:
            raise StoreError(
                f"{server.shown}: the index takes vectors of {getattr(vector, 'dimension', None)} numbers, the "
                f"embedder gives {dimensions}; name another index in `store`"
            )
        index = self.index()
        if index is None:
            raise StoreError(f"{server.shown}: the index went away; run the command again")
        return index

    def close(self) -> None:
        """Close the client."""
        self._leave_other_process()
        with self._lock:
            held, self._client, self._index = (self._index, self._client), None, None
        for each in held:
            if each is not None:
                each.close()

    def _opened(self) -> Pinecone:
        if self._client is None:
            key = os.environ.get(self.server.key_env, "").strip()
            self._client = Pinecone(api_key=key, host=self.server.host, timeout=self.server.timeout)
        return self._client

    def _leave_other_process(self) -> None:
        if self._process != os.getpid():
            _inherited.extend([self._client, self._index])
            self._lock = threading.Lock()
            self._client, self._index, self._process = None, None, os.getpid()


def schema(dimensions: int) -> dict[str, Any]:
    """What an index of ragc's is made with: words as they are, vectors that come normalised."""
    return {
        "fields": {
            VECTOR: {"type": "dense_vector", "dimension": dimensions, "metric": "dotproduct"},
            BODY: {"type": "string", "full_text_search": {"stemming": False, "stop_words": False}},
        }
    }
