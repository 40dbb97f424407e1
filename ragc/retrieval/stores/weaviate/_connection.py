"""Connections to Weaviate: a client a process, one more for each event loop; nothing crosses a fork.

The client's own checks at the start are skipped: one of them asks the package registry for the client's newest version.
Both that matter (is it there, is it new enough) are made here.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import re
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ragc.retrieval.stores.weaviate._server import OLDEST, Server
from ragc.retrieval.stores.weaviate._told import Unreachable, met, outdated

if TYPE_CHECKING:
    from weaviate import WeaviateAsyncClient, WeaviateClient

RETRIES = (0.2, 0.6)
"""Seconds to wait before a request is sent again that never reached the server; the client itself takes a minute."""

BACK = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
"""How soon a server that was gone is looked for again; gRPC itself lets up to two minutes pass."""

# What a fork left in the child: neither used nor closed there.
_inherited: list[object] = []
# An artifact is used until its process ends, and nobody closes it.
_opened: weakref.WeakSet[Connections] = weakref.WeakSet()


class Connections:
    """Opens clients as they are needed. May be shared by threads, and used after a fork."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._client: WeaviateClient | None = None
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, WeaviateAsyncClient] = WeakKeyDictionary()
        _opened.add(self)

    @property
    def client(self) -> WeaviateClient:
        """The client of this process, connected. Raises StoreError: unreachable, too old, a key that is refused."""
        self._leave_other_process()
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._connected()
        return self._client

    async def aclient(self) -> WeaviateAsyncClient:
        """Return the client of the running event loop, connected. Raises StoreError as `client` does."""
        from weaviate import WeaviateAsyncClient

        self._leave_other_process()
        loop = asyncio.get_running_loop()
        held = self._loops.get(loop)
        if held is None:
            if self.server.embedded:
                await asyncio.to_thread(lambda: self.client)  # which starts the server
            held = WeaviateAsyncClient(**self._options())
            with met(self.server):
                try:
                    await held.connect()
                    self._check_version(held._connection.server_version)
                except BaseException:
                    await held.close()
                    raise
            _watch_async(held)
            if (other := self._loops.get(loop)) is not None:  # opened while this one was waiting
                await held.close()
                return other
            self._loops[loop] = held
        return held

    def close(self) -> None:
        """Close all clients. One that belongs to a loop that runs elsewhere is closed there, soon."""
        self._leave_other_process()
        with self._lock:
            client, self._client = self._client, None
            loops, self._loops = dict(self._loops), WeakKeyDictionary()
        if client is not None:
            client.close()
        for loop, held in loops.items():
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(held.close(), loop)
            elif not loop.is_closed():
                loop.run_until_complete(held.close())
            else:
                _inherited.append(held)

    def _leave_other_process(self) -> None:
        if self._process != os.getpid():
            _inherited.extend([self._client, self._loops])
            self._lock = threading.Lock()
            self._client, self._loops, self._process = None, WeakKeyDictionary(), os.getpid()

    def _connected(self) -> WeaviateClient:
        from weaviate import WeaviateClient

        _quieten()
        with met(self.server):
            client = WeaviateClient(**self._options())
            try:
                try:
                    client.connect()
                except Exception:
                    if self.server.embedded is None:
                        raise
                    client = self._started()
                self._check_version(client._connection.server_version)
                # A server answers by HTTP before it is asked for a passage: its gRPC port may be another's.
                client._connection._ping_grpc("sync")
            except BaseException:
                client.close()
                raise
        _watch(client)
        return client

    def _started(self) -> WeaviateClient:
        """A client with a server of its own, which ends with it."""
        from weaviate import WeaviateClient
        from weaviate.embedded import EmbeddedOptions

        if self.server.embedded is None:
            raise ValueError("not an embedded server")
        folder, version = self.server.embedded
        options = EmbeddedOptions(
            persistence_data_path=str(folder),
            version=version,
            port=self.server.port,
            grpc_port=self.server.grpc_port,
            additional_env_vars={
                "DISABLE_TELEMETRY": "true",
                "LOG_LEVEL": "error",
                "DEFAULT_VECTORIZER_MODULE": "none",
            },
        )
        given = self._options()
        del given["connection_params"]
        client = WeaviateClient(embedded_options=options, **given)
        client.connect()
        return client

    def _check_version(self, version: str) -> None:
        found = re.match(r"(\d+)\.(\d+)", version)
        if found is None or (int(found[1]), int(found[2])) < OLDEST:
            raise outdated(self.server, version)

    def _options(self) -> dict[str, Any]:
        from weaviate.auth import AuthApiKey
        from weaviate.config import AdditionalConfig, GrpcConfig, Timeout
        from weaviate.connect import ConnectionParams

        server, key = self.server, os.environ.get(self.server.key_env, "").strip()
        return {
            "connection_params": ConnectionParams.from_params(
                server.host, server.port, server.tls, server.grpc_host, server.grpc_port, server.tls
            ),
            "auth_client_secret": AuthApiKey(key) if key else None,
            "additional_config": AdditionalConfig(
                timeout=Timeout(init=min(10, server.timeout), query=server.timeout, insert=server.timeout),
                grpc_config=GrpcConfig(channel_options=BACK),
            ),
            "skip_init_checks": True,
        }


def _quieten() -> None:
    """What the client logs about single objects is in our errors; without any handler it would go to stderr."""
    log = logging.getLogger("weaviate-client")
    if not log.handlers:
        log.addHandler(logging.NullHandler())


def _watch(client: WeaviateClient) -> None:
    """Have requests that did not reach the server end in Unreachable, soon."""
    stub: Any = client._connection._grpc_stub
    for name in ("Search", "BatchObjects", "BatchDelete"):
        setattr(stub, name, _soon(getattr(stub, name), client._connection._grpc_channel))


def _watch_async(client: WeaviateAsyncClient) -> None:
    stub: Any = client._connection._grpc_stub
    stub.Search = _soon_async(stub.Search, client._connection._grpc_channel)


def _soon(call: Any, channel: Any) -> Any:
    import grpc

    def again(*args: Any, **kwargs: Any) -> Any:
        for wait in (*RETRIES, None):
            try:
                return call(*args, **kwargs)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                if wait is None:
                    raise Unreachable(error.details()) from error
                ends = time.monotonic() + wait
                # Nothing but a wait for it makes a channel that nobody uses look for its server.
                with contextlib.suppress(grpc.FutureTimeoutError):
                    grpc.channel_ready_future(channel).result(timeout=wait)
                time.sleep(max(0.0, ends - time.monotonic()))
        return None

    return again


def _soon_async(call: Any, channel: Any) -> Any:
    import grpc

    async def again(*args: Any, **kwargs: Any) -> Any:
        for wait in (*RETRIES, None):
            try:
                return await call(*args, **kwargs)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                if wait is None:
                    raise Unreachable(error.details()) from error
                ends = time.monotonic() + wait
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(channel.channel_ready(), wait)
                await asyncio.sleep(max(0.0, ends - time.monotonic()))
        return None

    return again


@atexit.register
def _close_all() -> None:
    for connections in list(_opened):
        connections.close()
