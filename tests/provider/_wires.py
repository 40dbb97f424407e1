"""From an answer to the bytes of a response on its wire."""

from __future__ import annotations

import json

from . import _anthropic, _openai, _retrieval
from ._values import Answer, Asked, Tokens


def pieces(asked: Asked, answer: Answer) -> list[bytes]:
    """The body in one piece, or a stream's events."""
    if answer.raw is not None:
        return [answer.raw]
    if answer.status >= 400:
        said = answer.message if answer.message is not None else f"refused for {asked.key}"
        if asked.wire in ("cohere", "voyage"):
            return [json.dumps(_retrieval.error(asked, said)).encode()]
        wire = _anthropic if asked.wire == "anthropic" else _openai
        return [json.dumps(wire.error(answer, said)).encode()]
    usage = _usage(asked, answer)
    if asked.stream and asked.endpoint in _EVENTS:
        return list(_EVENTS[asked.endpoint](asked, answer, usage))
    if asked.endpoint == "count":
        counted = _anthropic.count(asked) if asked.wire == "anthropic" else _openai.count(asked)
        return [json.dumps(counted).encode()]
    whole = _RETRIEVAL.get((asked.wire, asked.endpoint)) or _WHOLE[asked.endpoint]
    return [json.dumps(whole(asked, answer, usage)).encode()]


_WHOLE = {
    "chat": _openai.chat,
    "responses": _openai.response,
    "messages": _anthropic.message,
    "embeddings": _openai.embeddings,
}
_RETRIEVAL = {
    ("cohere", "embeddings"): _retrieval.cohere_embeddings,
    ("cohere", "rerank"): _retrieval.cohere_ranking,
    ("voyage", "embeddings"): _retrieval.voyage_embeddings,
    ("voyage", "rerank"): _retrieval.voyage_ranking,
}
_EVENTS = {
    "chat": _openai.chat_events,
    "responses": _openai.response_events,
    "messages": _anthropic.message_events,
}


def _usage(asked: Asked, answer: Answer) -> Tokens | None:
    if answer.usage != "counted":
        return answer.usage
    most = next((asked.body[name] for name in _MAXIMA if asked.body.get(name)), None)
    written = len(answer.text) // 4 + 1
    return Tokens(asked.tokens, min(written, most) if most else written)


_MAXIMA = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def content_type(asked: Asked, answer: Answer) -> str:
    streamed = asked.stream and answer.status < 400 and answer.raw is None
    return "text/event-stream; charset=utf-8" if streamed else "application/json"
