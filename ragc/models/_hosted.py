"""DSPy's own engine for hosted models, whose answers are whole: lm15 makes something of nearly every reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspy.clients.engines.lm15_engine import AsyncLM15Engine, LM15Engine
from dspy.lm15 import LM15Error, Request, Response

from ragc.models._replies import SHAPE, bad_reply, whole, without_usage
from ragc.models._transport import AsyncTransport, Heard, Transport, listening

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspy.lm15 import RouterConfig

    from ragc.models._routes import Wire


class Hosted:
    """One attempt at one call, within `seconds` in all. Raises lm15's errors, `BadReply` among them."""

    def __init__(self, config: Callable[[Transport], RouterConfig], seconds: float, wire: Wire = "chat") -> None:
        self._transport = Transport(seconds)
        self._engine = LM15Engine(config(self._transport), model_type=wire)

    def complete(self, request: Request) -> Response:
        """One attempt; `ragc.models._transport.listening` hears what comes with the answer."""
        with listening() as heard:
            heard.reset()
            while True:
                try:
                    return whole(self._engine.complete(request), heard.status)
                except LM15Error:
                    raise
                except SHAPE as error:
                    _have_read_again(heard, error)

    def close(self) -> None:
        """Releases the connections."""
        self._engine.close()
        self._transport.close()


class AsyncHosted:
    """Unlike `Hosted`: awaited; its connections belong to one event loop."""

    def __init__(self, config: Callable[[AsyncTransport], RouterConfig], seconds: float, wire: Wire = "chat") -> None:
        self._transport = AsyncTransport(seconds)
        self._engine = AsyncLM15Engine(config(self._transport), model_type=wire)

    async def complete(self, request: Request) -> Response:
        """One attempt."""
        with listening() as heard:
            heard.reset()
            while True:
                try:
                    return whole(await self._engine.complete(request), heard.status)
                except LM15Error:
                    raise
                except SHAPE as error:
                    _have_read_again(heard, error)

    async def aclose(self) -> None:
        """Releases the connections."""
        await self._engine.aclose()
        await self._transport.aclose()


def _have_read_again(heard: Heard, error: Exception) -> None:
    """Have the body that came read once more, without its counts of tokens. Raises if they are not what is wrong."""
    if heard.status is None:
        raise error  # nothing came: a bug, and no reply
    body = b"".join(heard.body)
    kept = without_usage(body) if heard.instead is None else None
    if kept is None:
        raise bad_reply(body.decode("utf-8", errors="replace"), heard.status) from error
    heard.instead = kept
