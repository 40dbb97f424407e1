"""The edge of the process: what goes out to a provider, and what comes back from one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dspy._vendor.lm15.serde import response_from_dict, response_to_dict
from dspy.lm15 import Request, Response

from ragc._secrets import redact_json
from ragc.models._prompt_cache import PromptCache

if TYPE_CHECKING:
    from ragc.models._engine import AsyncInner, Inner


class Edge:
    """An engine for a hosted model.

    Beginnings of prompts go out marked for the provider's cache (`_prompt_cache`). A response comes in without any key
    that a provider echoes in it: no answer, demonstration or record holds one, and a replay sees what the run saw.
    """

    def __init__(self, engine: Inner, cache: PromptCache | None) -> None:
        self._engine = engine
        self._cache = cache

    def complete(self, request: Request) -> Response:
        """One attempt. Raises what the engine raises."""
        return without_secrets(self._engine.complete(request if self._cache is None else self._cache.marked(request)))

    def close(self) -> None:
        """Releases the connections."""
        close = getattr(self._engine, "close", None)
        if close is not None:
            close()


class AsyncEdge:
    """Unlike `Edge`: awaited."""

    def __init__(self, engine: AsyncInner, cache: PromptCache | None) -> None:
        self._engine = engine
        self._cache = cache

    async def complete(self, request: Request) -> Response:
        """One attempt. Raises what the engine raises."""
        sent = request if self._cache is None else self._cache.marked(request)
        return without_secrets(await self._engine.complete(sent))


def without_secrets(response: Response) -> Response:
    """`response` without any secret in what it says; itself where it holds none."""
    whole: dict[str, Any] = response_to_dict(response, include_provider_data=True)
    said = {name: whole[name] for name in ("message", "provider_data") if name in whole}
    cleaned = redact_json(said)
    if cleaned is said:
        return response
    return response_from_dict({**whole, **cleaned})
