"""A lock that processes on different machines share: a lease that its holder goes on renewing.

Making an alias is the one thing of which a Weaviate cluster lets exactly one caller succeed. So whoever makes the alias
has the lock; an object that is called as the alias is written again every second while it is held. One who waits and
takes the holder for dead makes the alias of the next number: of several who do that, again one succeeds.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

from ragc.retrieval.stores._lease import LEASE, POLL
from ragc.retrieval.stores._lease import Lease as Signs
from ragc.retrieval.stores.weaviate._connection import Connections
from ragc.retrieval.stores.weaviate._schema import LOCKS, MARK
from ragc.retrieval.stores.weaviate._told import told


class Lease(Signs):
    """A lock that is held. `check` says whether it still is."""

    def __init__(self, connections: Connections, alias: str) -> None:
        super().__init__(connections.server.shown)
        self._connections = connections
        self._alias = alias
        self._id = uuid.uuid5(uuid.NAMESPACE_URL, f"ragc:lock:{alias}")

    def begin(self) -> None:
        """Give the first sign of life, and go on."""
        try:
            self._beat()
        except BaseException:
            self._connections.client.alias.delete(alias_name=self._alias)  # else others wait for one that never began
            raise
        self._begin()

    def end(self) -> None:
        """Let others have it."""
        self._end()
        client = self._connections.client
        client.alias.delete(alias_name=self._alias)
        client.collections.use(LOCKS).data.delete_by_id(self._id)

    def _beat(self) -> None:
        put(self._connections.client.collections.use(LOCKS), self._id, {"beat": str(uuid.uuid4())})


@contextlib.contextmanager
def locked(connections: Connections, name: str) -> Iterator[Lease]:
    """Hold the lock `name` until the end of the block. Raises StoreError when the server cannot be reached."""
    with told(connections.server):
        lease = _acquired(connections, name)
    try:
        yield lease
    finally:
        with told(connections.server):
            lease.end()


def put(collection: Any, id_: uuid.UUID, properties: dict[str, Any]) -> None:
    """Write an object, in place of one with the same id."""
    from weaviate.exceptions import UnexpectedStatusCodeError

    try:
        collection.data.replace(uuid=id_, properties=properties)
    except UnexpectedStatusCodeError as error:
        if error.status_code not in (404, 422, 500):
            raise
        try:
            collection.data.insert(uuid=id_, properties=properties)
        except UnexpectedStatusCodeError as other:
            raise error if "already exists" in str(other) else other from None


def _acquired(connections: Connections, name: str) -> Lease:
    client = connections.client
    if not client.collections.exists(LOCKS):
        _create(client)
    seen: dict[str, tuple[str | None, float]] = {}
    while True:
        held = _held(client, name)
        now = time.monotonic()
        seen = {alias: seen[alias] if seen.get(alias, (0,))[0] == beat else (beat, now) for alias, beat in held.items()}
        dead = {alias for alias, (_, since) in seen.items() if now - since > LEASE}
        if dead == set(held):
            alias = f"{name}_lock{1 + max((_number(one) for one in dead), default=0)}"
            if _made(client, alias):
                lease = Lease(connections, alias)
                lease.begin()
                # Another one may have found nothing as well, under another number: then both go back.
                if set(_held(client, name)) <= {alias, *dead}:
                    for one in dead:
                        client.alias.delete(alias_name=one)
                    return lease
                lease.end()
                time.sleep(POLL * (1 + uuid.uuid4().int % 5))
                continue
        time.sleep(POLL)


def _held(client: Any, name: str) -> dict[str, str | None]:
    """The aliases that stand for this lock, and the last sign of life of each holder."""
    prefix = f"{name}_lock"
    aliases = [alias for alias in client.alias.list_all(collection=LOCKS) if alias.startswith(prefix)]
    locks = client.collections.use(LOCKS)
    found: dict[str, str | None] = {}
    for alias in aliases:
        object_ = locks.query.fetch_object_by_id(uuid.uuid5(uuid.NAMESPACE_URL, f"ragc:lock:{alias}"))
        found[alias] = None if object_ is None else str(object_.properties.get("beat"))
    return found


def _number(alias: str) -> int:
    return int(alias.rpartition("_lock")[2])


def _made(client: Any, alias: str) -> bool:
    from weaviate.exceptions import UnexpectedStatusCodeError

    try:
        client.alias.create(alias_name=alias, target_collection=LOCKS)
    except UnexpectedStatusCodeError as error:
        if error.status_code in (401, 403):
            raise
        return False
    return True


def _create(client: Any) -> None:
    from weaviate.classes.config import Configure, DataType, Property
    from weaviate.exceptions import UnexpectedStatusCodeError

    try:
        client.collections.create(
            LOCKS,
            description=MARK,
            properties=[Property(name="beat", data_type=DataType.TEXT, index_filterable=False, index_searchable=False)],
            vector_config=Configure.Vectors.self_provided(vector_index_config=Configure.VectorIndex.none()),
        )
    except UnexpectedStatusCodeError:
        if not client.collections.exists(LOCKS):  # else another process was first
            raise
