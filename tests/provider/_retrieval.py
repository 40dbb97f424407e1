"""Cohere's and Voyage's wires: embeddings and rankings."""

from __future__ import annotations

from typing import Any

from . import _openai
from ._values import Answer, Asked, Tokens, vector

DIMENSIONS = 1024


def cohere_embeddings(asked: Asked, answer: Answer, usage: Tokens | None) -> dict[str, Any]:
    """Vectors as floats, of the size that is asked for."""
    size = asked.body.get("output_dimension") or 1536
    return {
        "id": f"embed-{asked.number}",
        "embeddings": {"float": [vector(text, size) for text in asked.texts]},
        "texts": asked.texts,
        "meta": _meta({"input_tokens": usage.input} if usage else None),
        "response_type": "embeddings_by_type",
    }


def voyage_embeddings(asked: Asked, answer: Answer, usage: Tokens | None) -> dict[str, Any]:
    """OpenAI's form, with a name of its own for the size, and one count of tokens."""
    body = {**asked.body, "dimensions": asked.body.get("output_dimension") or DIMENSIONS}
    found = _openai.embeddings(Asked(asked.wire, asked.endpoint, asked.headers, body), answer, None)
    return found | ({"usage": {"total_tokens": usage.input}} if usage else {})


def cohere_ranking(asked: Asked, answer: Answer, usage: Tokens | None) -> dict[str, Any]:
    """The documents, best first; a search is up to a hundred of them."""
    searches = -(-len(asked.documents) // 100)
    results = [{"index": index, "relevance_score": score} for index, score in _ranked(asked)]
    return {
        "id": f"rank-{asked.number}",
        "results": results,
        "meta": _meta({"search_units": searches} if usage else None),
    }


def voyage_ranking(asked: Asked, answer: Answer, usage: Tokens | None) -> dict[str, Any]:
    """The documents, best first."""
    data = [{"relevance_score": score, "index": index} for index, score in _ranked(asked)]
    reported = {"usage": {"total_tokens": usage.input}} if usage else {}
    return {"object": "list", "data": data, "model": answer.model or asked.body.get("model", ""), **reported}


def error(asked: Asked, message: str) -> dict[str, Any]:
    return {"detail": message} if asked.wire == "voyage" else {"id": f"error-{asked.number}", "message": message}


def relevance(query: str, document: str) -> float:
    """From 0 to 1, higher the more words the two have in common."""
    pairs = zip(vector(query, 64), vector(document, 64), strict=True)
    return round((1 + sum(one * other for one, other in pairs)) / 2, 6)


def _ranked(asked: Asked) -> list[tuple[int, float]]:
    scores = [(index, relevance(str(asked.body["query"]), text)) for index, text in enumerate(asked.documents)]
    return sorted(scores, key=lambda one: -one[1])


def _meta(units: dict[str, int] | None) -> dict[str, Any]:
    return {"api_version": {"version": "2"}, **({"billed_units": units} if units else {})}
