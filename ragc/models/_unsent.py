"""What a program would send, without sending it."""

from __future__ import annotations

from typing import Any

import dspy
from dspy.clients.backend_selection import CLIENT_KEYS
from dspy.lm15 import Request, Response
from dspy.utils.exceptions import LMError


class NotSent(LMError):  # type: ignore[misc]  # dspy ships no types
    """Raised in place of every answer."""


class Unsent:
    """An engine that keeps every request and answers none; it can what the engine can whose place it takes."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.requests: list[Request] = []

    def __deepcopy__(self, memo: object) -> Unsent:
        return self

    def __getattr__(self, name: str) -> Any:
        # Of the real engine only what adapters plan a prompt by; never a way to send one.
        if not name.startswith("support"):
            raise AttributeError(name)
        return getattr(self._engine, name)

    def complete(self, request: Request) -> Response:
        """Keep `request`. Raises NotSent."""
        self.requests.append(request)
        raise NotSent("kept, not sent")


def unsent(lm: dspy.BaseLM) -> dspy.LM:
    """An LM like `lm` whose engine is an `Unsent`: every call of it raises NotSent."""
    arguments = {name: value for name, value in lm.kwargs.items() if name not in CLIENT_KEYS}
    return dspy.LM(lm.model, engine=Unsent(getattr(lm, "engine", None)), cache=False, num_retries=0, **arguments)


def text_of(request: Request) -> str:
    """The text of a request, its parts in their order, without what a provider adds around them."""
    system = request.system if isinstance(request.system, str) else ""
    return "\n".join(filter(None, [system, *(message.text for message in request.messages)]))
