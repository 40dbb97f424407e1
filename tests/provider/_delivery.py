"""How a response reaches the client: whole, or in one of the ways in which networks and servers fail."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from collections.abc import Callable, Sequence

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

PIECES = 20
"""Into how many a slow body is cut."""


class Delivery(enum.StrEnum):
    """Named by what the client sees."""

    WHOLE = "whole"
    SLOW = "slow"
    """In pieces, with a pause before each."""
    HANG = "hang"
    """Nothing, and the connection stays open."""
    HANG_UP = "hang up"
    """The connection is closed before the first byte."""
    RESET = "reset"
    """The connection is reset before the first byte."""
    HALF = "half"
    """Half of the body, or of a stream's events, then the connection is closed."""
    CUT = "cut"
    """Half of the body, or of a stream's events, and the response says that this was all."""


class Connection(H11Protocol):
    """Unlike uvicorn's own, it tells the application over which transport a request came, so that it can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


async def deliver(
    scope: Scope,
    receive: Receive,
    send: Send,
    pieces: Sequence[bytes],
    *,
    status: int,
    headers: dict[str, str],
    delivery: Delivery,
    seconds: float,
    done: Callable[[bool], None],
) -> None:
    """Send a body: one piece, or a stream's events.

    `done` is called once before the client can know that it was all: True when a client that is still there is about
    to have the whole of it.
    """
    transport: asyncio.Transport = scope["state"]["transport"]
    if delivery in (Delivery.HANG, Delivery.HANG_UP, Delivery.RESET):
        if delivery == Delivery.HANG:
            await _gone(receive)
        done(False)
        if delivery == Delivery.HANG_UP:
            transport.close()
        elif delivery == Delivery.RESET:
            _reset(transport)
        await _gone(receive)
        return

    sent, length = _cut(pieces, delivery)
    given = headers if length is None else {**headers, "content-length": str(length)}
    fields = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    for number, piece in enumerate(sent, start=1):
        if delivery == Delivery.SLOW:
            await asyncio.sleep(seconds / len(sent))
        last = number == len(sent)
        if last:
            done(delivery in (Delivery.WHOLE, Delivery.SLOW) and not transport.is_closing())
        more = not last or delivery == Delivery.HALF
        await send({"type": "http.response.body", "body": piece, "more_body": more})
    if delivery == Delivery.HALF:
        transport.close()
        await _gone(receive)


def _cut(pieces: Sequence[bytes], delivery: Delivery) -> tuple[Sequence[bytes], int | None]:
    """What is sent, in which pieces, and the length that the headers give; None: a stream."""
    if len(pieces) > 1:
        return (pieces[: len(pieces) // 2] if delivery in (Delivery.HALF, Delivery.CUT) else pieces), None
    body = pieces[0]
    if delivery == Delivery.SLOW:
        step = max(1, -(-len(body) // PIECES))
        return [body[start : start + step] for start in range(0, len(body), step)], len(body)
    if delivery in (Delivery.HALF, Delivery.CUT):
        half = body[: len(body) // 2]
        return [half], len(body) if delivery == Delivery.HALF else len(half)
    return [body], len(body)


def _reset(transport: asyncio.Transport) -> None:
    with contextlib.suppress(OSError):  # a client that has gone needs no reset
        found: socket.socket = transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
