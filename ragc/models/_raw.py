"""The mark by which PlainAdapter tells an engine that a prompt is complete as it stands, and what may follow it.

DSPy hands an adapter's arguments to the engine only under names that OpenAI's wire knows; `metadata` is one of them.
"""

from __future__ import annotations

from typing import Any

from dspy.lm15 import Request

_MARK = "ragc_grammar"


def raw_arguments(grammar: str) -> dict[str, Any]:
    """Arguments of an LM call that mark its one user message as raw text, to be continued as the GBNF grammar says."""
    return {"metadata": {_MARK: grammar}}


def raw_grammar(request: Request) -> str | None:
    """The grammar of a request that is marked as raw text; None: it is not."""
    metadata = (request.config.extensions or {}).get("metadata")
    return str(metadata[_MARK]) if isinstance(metadata, dict) and _MARK in metadata else None
