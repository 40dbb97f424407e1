"""A lock that processes on different machines share: a point in a collection of locks that its holder goes on renewing.

Qdrant inserts a point only where there is none with its id (an upsert whose filter no other holder's point fulfils), so
of several who try one has it. Who takes the holder for dead deletes that very point.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

from qdrant_client import QdrantClient, models

from ragc.retrieval.stores._lease import LEASE, POLL
from ragc.retrieval.stores._lease import Lease as Signs
from ragc.retrieval.stores.qdrant._connection import Connection
from ragc.retrieval.stores.qdrant._told import told

LOCKS = "ragc_locks"
"""The collection that all locks of a server are in."""


class Lease(Signs):
    """A lock that is held. `check` says whether it still is."""

    def __init__(self, connection: Connection, name: str) -> None:
        super().__init__(connection.server.shown)
        self._connection = connection
        self._id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"ragc:lock:{name}"))
        self._token = uuid.uuid4().hex

    def acquire(self) -> None:
        """Wait until it is ours, and go on renewing it."""
        seen: tuple[object, float] = (None, 0.0)
        while True:
            with self._connection.lent() as client:
                _ensure(client)
                self._upsert(client)
                found = client.retrieve(LOCKS, [self._id], with_payload=True)
                held: dict[str, Any] = (found[0].payload or {}) if found else {}
                if held.get("token") == self._token:
                    self._begin()
                    return
                if seen[0] != held:
                    seen = (held, time.monotonic())
                elif held and time.monotonic() - seen[1] > LEASE:
                    client.delete(LOCKS, _that(self._id, held), wait=True)
                    continue
            time.sleep(POLL)

    def release(self) -> None:
        """Let others have it."""
        self._end()
        with self._connection.lent() as client:
            client.delete(LOCKS, _that(self._id, {"token": self._token}), wait=True)

    def _beat(self) -> None:
        with self._connection.lent() as client:
            self._upsert(client)

    def _upsert(self, client: QdrantClient) -> None:
        begun = time.monotonic()
        client.upsert(
            LOCKS,
            [models.PointStruct(id=self._id, vector={}, payload={"token": self._token, "beat": uuid.uuid4().hex})],
            wait=True,
            ordering=models.WriteOrdering.STRONG,
            update_filter=models.Filter(must=[_is("token", self._token)]),
        )
        self._renewed = begun


@contextlib.contextmanager
def leased(connection: Connection, name: str) -> Iterator[Lease]:
    """Hold the lock `name` until the end of the block."""
    lease = Lease(connection, name)
    lease.acquire()
    try:
        yield lease
    finally:
        with told(connection.server):
            lease.release()


def _ensure(client: QdrantClient) -> None:
    if not client.collection_exists(LOCKS):
        with contextlib.suppress(Exception):  # another process was first; if not, the next request says what is wrong
            client.create_collection(LOCKS, vectors_config={})


def _is(field: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def _that(id_: str, held: dict[str, Any]) -> models.FilterSelector:
    same = [_is(field, str(value)) for field, value in held.items()]
    return models.FilterSelector(filter=models.Filter(must=[models.HasIdCondition(has_id=[id_]), *same]))
