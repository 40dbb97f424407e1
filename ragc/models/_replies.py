"""Whether a reply without an error status is an answer at all.

lm15 reads a body of another shape as an empty answer, or fails in it with a TypeError; and a negative count of tokens
makes it refuse an answer that is whole. A proxy's page must not be scored as a wrong answer, and an answer that was
paid for must not be thrown away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragc.models._kinds import BadReply

if TYPE_CHECKING:
    from dspy.lm15 import Response

SHAPE = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What lm15 fails with in a body of an unexpected shape."""
_SHOWN = 200


def whole(response: Response, status: int | None) -> Response:
    """`response`, if it is one. Raises BadReply for one that lm15 made of a body without an answer in it."""
    body = response.provider_data
    if _says_nothing(response) and isinstance(body, Mapping) and not _is_answer(body):
        raise bad_reply(body, status)
    return response


def without_usage(body: bytes) -> bytes | None:
    """A reply's body without the counts of tokens that made it unreadable; None: they are not at fault."""
    try:
        read = json.loads(body)
    except ValueError:
        return None
    if not isinstance(read, dict) or not _is_answer(read):
        return None
    kept = {name: value for name, value in read.items() if name not in ("usage", "usageMetadata")}
    return json.dumps(kept).encode() if len(kept) < len(read) else None


def bad_reply(body: object, status: int | None) -> BadReply:
    """The error of a body without an answer."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    begins = " ".join(text.split())[:_SHOWN]
    return BadReply(f"the reply holds no answer; it begins: {begins}", status=status)


def _says_nothing(response: Response) -> bool:
    return not any(getattr(part, "text", None) != "" for part in response.message.parts)


def _is_answer(body: Mapping[str, Any]) -> bool:
    """Whether the body is an answer, be it an empty one: of OpenAI's two wires, Anthropic's or Gemini's."""
    choices = body.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        message = choices[0].get("message")
        return isinstance(message, Mapping) and isinstance(message.get("content"), str | list | None)
    return any(isinstance(body.get(name), list) for name in ("content", "output", "candidates"))
