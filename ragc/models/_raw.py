"""The mark by which PlainAdapter tells an engine that a prompt is complete as it stands.

DSPy hands an adapter's arguments to the engine only under names that OpenAI's wire knows; `metadata` is one of them.
"""

from __future__ import annotations

from typing import Any

from dspy.lm15 import Request

_MARK = "ragc_raw"


def raw_arguments() -> dict[str, Any]:
    """Arguments of an LM call that mark its one user message as raw text."""
    return {"metadata": {_MARK: "1"}}


def is_raw(request: Request) -> bool:
    """Whether the request carries the mark."""
    metadata = (request.config.extensions or {}).get("metadata")
    return isinstance(metadata, dict) and _MARK in metadata
