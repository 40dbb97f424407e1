"""OpenAI's wire: chat completions, responses, embeddings, models, and the count of a request's input tokens."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

from ._values import Answer, Asked, Tokens, vector

CREATED = 1_750_000_000
DIMENSIONS = 64


def chat(asked: Asked, answer: Answer, usage: Tokens | None) -> dict[str, Any]:
    """A chat completion; `n` choices with the same text."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": answer.finish}
        for index in range(asked.body.get("n") or 1)
    ]
    return _completion(asked, answer, "chat.completion", choices) | ({"usage": _chat_usage(usage)} if usage else {})


def chat_events(asked: Asked, answer: Answer, usage: Tokens | None) -> Iterator[bytes]:
    """The same in pieces; usage only where `stream_options` asks for it, as the real one does."""

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data(_completion(asked, answer, "chat.completion.chunk", [choice]))

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces_of(answer.text):
        yield chunk({"content": piece})
    yield chunk({}, answer.finish)
    if usage and (asked.body.get("stream_options") or {}).get("include_usage"):
        yield _data(_completion(asked, answer, "chat.completion.chunk", []) | {"usage": _chat_usage(usage)})
    yield b"data: [DONE]\n\n"


def response(asked: Asked, answer: Answer, usage: Tokens | None) -> dict[str, Any]:
    """An object of the Responses API."""
    done = answer.finish == "stop"
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(answer.finish)
    thought = {"type": "reasoning", "id": f"rs_{asked.number}", "summary": []}
    found = {
        **_begun(asked, answer),
        "status": "completed" if done else "incomplete",
        "incomplete_details": None if done else {"reason": reason},
        "output": [*([thought] if usage and usage.reasoning else []), _message(asked, answer.text)],
    }
    if usage:
        found["usage"] = {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        }
    return found


def response_events(asked: Asked, answer: Answer, usage: Tokens | None) -> Iterator[bytes]:
    """The same in pieces."""
    whole = response(asked, answer, usage)
    index = len(whole["output"]) - 1
    place = {"output_index": index, "content_index": 0, "item_id": f"msg_{asked.number}"}
    empty, part = _message(asked, None), _message(asked, answer.text)["content"][0]
    events: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": _begun(asked, answer)}),
        ("response.in_progress", {"response": _begun(asked, answer)}),
        ("response.output_item.added", {"output_index": index, "item": empty}),
        ("response.content_part.added", {**place, "part": {**part, "text": ""}}),
        *(
            ("response.output_text.delta", {**place, "delta": piece, "logprobs": []})
            for piece in pieces_of(answer.text)
        ),
        ("response.output_text.done", {**place, "text": answer.text, "logprobs": []}),
        ("response.content_part.done", {**place, "part": part}),
        ("response.output_item.done", {"output_index": index, "item": whole["output"][index]}),
        (f"response.{whole['status']}", {"response": whole}),
    ]
    for number, (name, values) in enumerate(events):
        yield event(name, {"type": name, "sequence_number": number, **values})


def embeddings(asked: Asked, answer: Answer, usage: Tokens | None) -> dict[str, Any]:
    """Vectors in the encoding and size that are asked for."""
    size = asked.body.get("dimensions") or DIMENSIONS
    packed = asked.body.get("encoding_format") == "base64"

    def encoded(text: str) -> str | list[float]:
        found = vector(text, size)
        return base64.b64encode(struct.pack(f"<{size}f", *found)).decode() if packed else found

    data = [
        {"object": "embedding", "index": index, "embedding": encoded(text)} for index, text in enumerate(asked.texts)
    ]
    reported = {"usage": {"prompt_tokens": usage.input, "total_tokens": usage.input}} if usage else {}
    return {"object": "list", "data": data, "model": answer.model or asked.body.get("model", ""), **reported}


def count(asked: Asked) -> dict[str, Any]:
    return {"object": "response.input_tokens", "input_tokens": asked.tokens}


def model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "tests"}


def models(names: tuple[str, ...]) -> dict[str, Any]:
    return {"object": "list", "data": [model(name) for name in names]}


def error(answer: Answer, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": answer.code, "param": None, "code": answer.code}}


def pieces_of(text: str, size: int = 12) -> list[str]:
    """A text as a stream gives it."""
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]


def event(name: str, values: dict[str, Any]) -> bytes:
    """A named server-sent event."""
    return f"event: {name}\n".encode() + _data(values)


def _data(values: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(values)}\n\n".encode()


def _completion(asked: Asked, answer: Answer, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{asked.number}",
        "object": kind,
        "created": CREATED,
        "model": answer.model or asked.body.get("model", ""),
        "choices": choices,
    }


def _chat_usage(usage: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def _begun(asked: Asked, answer: Answer) -> dict[str, Any]:
    return {
        "id": f"resp_{asked.number}",
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": asked.body.get("instructions"),
        "metadata": {},
        "model": answer.model or asked.body.get("model", ""),
        "output": [],
        "parallel_tool_calls": True,
        "temperature": asked.body.get("temperature"),
        "tool_choice": "auto",
        "tools": [],
        "top_p": asked.body.get("top_p"),
    }


def _message(asked: Asked, text: str | None) -> dict[str, Any]:
    content = [] if text is None else [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    status = "in_progress" if text is None else "completed"
    return {"id": f"msg_{asked.number}", "type": "message", "status": status, "role": "assistant", "content": content}
