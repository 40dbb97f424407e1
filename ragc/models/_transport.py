"""The wire below DSPy's engine: what a provider sends along with an answer is heard, and no answer trickles for ever.

lm15 keeps the rate-limit headers of errors and drops those of answers, and its timeout starts anew with each byte.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from dspy._vendor.lm15.rate_limits import capture_rate_limits
from dspy._vendor.lm15.transports import (
    AsyncTransportResponse,
    ReadTimeout,
    StdlibAsyncTransport,
    StdlibTransport,
    TransportRequest,
    TransportResponse,
)

_CONNECT_SECONDS = 10.0
_CONNECTIONS = 1000
"""More than there are ever threads: how many requests are in flight is the limiter's to say."""


@dataclass
class Heard:
    """What came back over the wire in one attempt."""

    status: int | None = None
    """None: no response came, or it came another way (LiteLLM, a model in this process)."""
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The rate-limit headers, names in lower case."""
    body: list[bytes] = field(default_factory=list, repr=False)
    instead: bytes | None = field(default=None, repr=False)
    """A body that the next request is answered with, in place of the network."""

    def reset(self) -> None:
        """A new attempt begins."""
        self.status, self.headers, self.body, self.instead = None, {}, [], None


_HEARD: ContextVar[Heard | None] = ContextVar("ragc_heard", default=None)


@contextmanager
def listening() -> Iterator[Heard]:
    """What comes back over the wire inside, in this thread or task; one that listens already goes on doing so."""
    outer = _HEARD.get()
    if outer is not None:
        yield outer
        return
    token = _HEARD.set(Heard())
    try:
        yield _HEARD.get() or Heard()
    finally:
        _HEARD.reset(token)


def hear(status: int, headers: Iterable[tuple[str, str]]) -> None:
    """What came back over another client's wire, for whoever listens."""
    heard = _HEARD.get()
    if heard is not None:
        heard.status, heard.headers = status, dict(capture_rate_limits(headers))


class Transport:
    """lm15's transport, with ears and a bound on the whole answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._inner = StdlibTransport(**_options(seconds))

    def stream(self, request: TransportRequest) -> TransportResponse:
        """Sends the request. Raises lm15's transport errors."""
        heard = _HEARD.get()
        if heard is not None and heard.instead is not None:
            return _replayed(heard.instead)
        ends = time.monotonic() + self._seconds
        response = self._inner.stream(request)
        hear(response.status, response.headers)
        return TransportResponse(
            status=response.status,
            reason=response.reason,
            headers=response.headers,
            http_version=response.http_version,
            chunks=self._chunks(response, ends, heard),
            release=lambda consumed: response.close(),
        )

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()

    def _chunks(self, response: TransportResponse, ends: float, heard: Heard | None) -> Iterator[bytes]:
        for chunk in response:
            _check(ends, self._seconds)
            if heard is not None:
                heard.body.append(chunk)
            yield chunk


class AsyncTransport:
    """Unlike `Transport`: awaited; its connections belong to one event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._inner = StdlibAsyncTransport(**_options(seconds))

    @asynccontextmanager
    async def stream(self, request: TransportRequest) -> AsyncIterator[AsyncTransportResponse]:
        """Sends the request. Raises lm15's transport errors."""
        heard = _HEARD.get()
        if heard is not None and heard.instead is not None:
            yield _replayed_async(heard.instead)
            return
        ends = time.monotonic() + self._seconds
        async with self._inner.stream(request) as response:
            hear(response.status, response.headers)
            yield AsyncTransportResponse(
                status=response.status,
                reason=response.reason,
                headers=response.headers,
                http_version=response.http_version,
                chunks=self._chunks(response, ends, heard),
                release=_nothing,
            )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._inner.aclose()

    async def _chunks(self, response: AsyncTransportResponse, ends: float, heard: Heard | None) -> AsyncIterator[bytes]:
        async for chunk in response:
            _check(ends, self._seconds)
            if heard is not None:
                heard.body.append(chunk)
            yield chunk


def _options(seconds: float) -> dict[str, float]:
    return {
        "connect_timeout": min(seconds, _CONNECT_SECONDS),
        "read_timeout": seconds,
        "write_timeout": seconds,
        "pool_timeout": seconds,
        "max_connections": _CONNECTIONS,
    }


def _check(ends: float, seconds: float) -> None:
    if time.monotonic() > ends:
        raise ReadTimeout(
            f"the answer was not whole after {seconds:g} s: raise timeout in the model's table if it needs longer"
        )


def _replayed(body: bytes) -> TransportResponse:
    return TransportResponse(
        status=200, reason="OK", headers=[], http_version="HTTP/1.1", chunks=iter([body]), release=lambda consumed: None
    )


def _replayed_async(body: bytes) -> AsyncTransportResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield body

    return AsyncTransportResponse(
        status=200, reason="OK", headers=[], http_version="HTTP/1.1", chunks=chunks(), release=_nothing
    )


async def _nothing(consumed: bool) -> None:
    """The connection is released by who opened it."""
