"""How a response reaches the client: whole, or in one of the ways in which networks and servers fail."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from collections.abc import Sequence

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

PIECES = 20
"""Into how many a slow body is cut."""


class Delivery(enum.StrEnum):
    """Named by what the client sees."""

    WHOLE = "whole"
    SLOW = "slow"
    """In pieces, with a pause after each."""
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
    status: int = 200,
    headers: dict[str, str],
    delivery: Delivery = Delivery.WHOLE,
    seconds: float = 0.0,
) -> bool:
    """Send a body: one piece, or a stream's events. True when all of it was handed to a client that was still there."""
    transport: asyncio.Transport = scope["state"]["transport"]
    if delivery in (Delivery.HANG, Delivery.HANG_UP, Delivery.RESET):
        if delivery == Delivery.HANG_UP:
            transport.close()
        elif delivery == Delivery.RESET:
            _reset(transport)
        await _gone(receive)
        return False

    streamed = len(pieces) > 1
    sent = list(pieces)
    length = len(pieces[0])
    if delivery in (Delivery.HALF, Delivery.CUT):
        sent = list(pieces[: len(pieces) // 2]) if streamed else [pieces[0][: length // 2]]
        length = length if delivery == Delivery.HALF else len(sent[0])
    elif delivery == Delivery.SLOW and not streamed:
        step = max(1, -(-length // PIECES))
        sent = [pieces[0][start : start + step] for start in range(0, length, step)]
    given = headers if streamed else {**headers, "content-length": str(length)}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        }
    )
    for piece in sent:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if delivery == Delivery.SLOW:
            await asyncio.sleep(seconds / len(sent))
    if delivery == Delivery.HALF:
        transport.close()
        await _gone(receive)
        return False
    there = not transport.is_closing()
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return there and delivery != Delivery.CUT


def _reset(transport: asyncio.Transport) -> None:
    with contextlib.suppress(OSError):  # a client that has gone needs no reset
        found: socket.socket = transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
