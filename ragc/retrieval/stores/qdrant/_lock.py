"""A lock that processes on different machines share: a point in a collection of locks that its holder goes on renewing.

Qdrant inserts a point only where there is none with its id (an upsert whose filter no other holder's point fulfils), so
of several who try one has it. Who waits and has seen the same sign of life for LEASE seconds takes the holder for dead
and deletes that very point. No clocks are compared.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from qdrant_client import QdrantClient, models

from ragc.errors import StoreError
from ragc.retrieval.stores.qdrant._connection import Connection
from ragc.retrieval.stores.qdrant._told import told

LOCKS = "ragc_locks"
"""The collection that all locks of a server are in."""
BEAT = 1.0
"""Seconds between two signs of life."""
LEASE = 8.0
"""Seconds without one after which a holder is dead."""
POLL = 0.2
"""Seconds between two looks at a lock that another one holds."""


class Lease:
    """A lock that is held. `check` says whether it still is."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"ragc:lock:{name}"))
        self._token = uuid.uuid4().hex
        self._renewed = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="ragc-lease", daemon=True)

    def acquire(self) -> None:
        """Wait until it is ours, and go on renewing it."""
        seen: tuple[object, float] = (None, 0.0)
        while True:
            with self._connection.lent() as client:
                _ensure(client)
                self._beat(client)
                found = client.retrieve(LOCKS, [self._id], with_payload=True)
                held: dict[str, Any] = (found[0].payload or {}) if found else {}
                if held.get("token") == self._token:
                    self._thread.start()
                    return
                if seen[0] != held:
                    seen = (held, time.monotonic())
                elif held and time.monotonic() - seen[1] > LEASE:
                    client.delete(LOCKS, _that(self._id, held), wait=True)
                    continue
            time.sleep(POLL)

    def check(self) -> None:
        """Raise StoreError when the lease may have been given to another one."""
        if time.monotonic() - self._renewed > LEASE * 0.6:
            raise StoreError(
                f"{self._connection.server.shown} was out of reach for so long that another update may have begun; "
                "run the command again"
            )

    def release(self) -> None:
        """Let others have it."""
        self._ended.set()
        self._thread.join()
        with self._connection.lent() as client:
            client.delete(LOCKS, _that(self._id, {"token": self._token}), wait=True)

    def _beat(self, client: QdrantClient) -> None:
        begun = time.monotonic()
        client.upsert(
            LOCKS,
            [models.PointStruct(id=self._id, vector={}, payload={"token": self._token, "beat": uuid.uuid4().hex})],
            wait=True,
            ordering=models.WriteOrdering.STRONG,
            update_filter=models.Filter(must=[_is("token", self._token)]),
        )
        self._renewed = begun

    def _renew(self) -> None:
        while not self._ended.wait(BEAT):
            # A beat that fails is no reason to end: the next one may not, and `check` knows how long it has been.
            with contextlib.suppress(StoreError), self._connection.lent() as client:
                self._beat(client)


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
