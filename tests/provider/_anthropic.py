"""Anthropic's wire: messages, models, and the count of a request's input tokens.

Unlike OpenAI's, `input_tokens` leaves out what came from the prompt cache and what was written to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._openai import event, pieces_of
from ._values import Answer, Asked, Tokens

REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


def message(asked: Asked, answer: Answer, usage: Tokens | None) -> dict[str, Any]:
    """A message, the thinking before it where the usage has any."""
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": "scripted"}
    return {
        **_begun(asked, answer),
        "content": [*([thought] if usage and usage.reasoning else []), {"type": "text", "text": answer.text}],
        "stop_reason": REASONS[answer.finish],
        **({"usage": _usage(usage)} if usage else {}),
    }


def message_events(asked: Asked, answer: Answer, usage: Tokens | None) -> Iterator[bytes]:
    """The same in pieces, the thinking left out."""

    def named(name: str, **values: Any) -> bytes:
        return event(name, {"type": name, **values})

    reported = {"usage": _usage(usage)} if usage else {}
    start = {"usage": {**_usage(usage), "output_tokens": 1}} if usage else {}
    yield named("message_start", message={**_begun(asked, answer), **start})
    yield named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield named("ping")
    for piece in pieces_of(answer.text):
        yield named("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    yield named("content_block_stop", index=0)
    reason = REASONS[answer.finish]
    yield named("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, **reported)
    yield named("message_stop")


def count(asked: Asked) -> dict[str, Any]:
    return {"input_tokens": asked.tokens}


def model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2025-06-15T00:00:00Z",
        "lifecycle": "active",
    }


def models(names: tuple[str, ...]) -> dict[str, Any]:
    data = [model(name) for name in names]
    ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
    return {"data": data, "has_more": False, **ends}


def error(answer: Answer, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": answer.code, "message": message}}


def _begun(asked: Asked, answer: Answer) -> dict[str, Any]:
    return {
        "id": f"msg_{asked.number}",
        "type": "message",
        "role": "assistant",
        "model": answer.model or asked.body.get("model", ""),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _usage(usage: Tokens) -> dict[str, Any]:
    details = {"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning else {}
    return {
        "input_tokens": usage.input - usage.cached - usage.written,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
        "service_tier": "standard",
        **details,
    }
