"""How a reranker is named, and how many passages it is given; light, because every `Retrieve` checks it."""

from __future__ import annotations

from ragc.errors import ConfigError

KNOWN = ("cohere/rerank-v3.5", "voyage/rerank-2.5", "none")
"""The rerankers there are, for messages; other models of these providers are taken by their names."""
CANDIDATES = 50
"""Passages that are reranked where `fetch_k` does not say it: the usual depth, and one search as Cohere bills it."""
_PROVIDERS = ("cohere", "voyage")


def named(name: object) -> str | None:
    """The reranker that is meant by a setting; None: none. Raises ConfigError for what names no reranker."""
    if name is None or name == "none":
        return None
    provider, _, model = name.partition("/") if isinstance(name, str) else ("", "", "")
    if provider not in _PROVIDERS or not model.strip():
        raise ConfigError(f"unknown reranker {name!r}; known: {', '.join(KNOWN)}")
    return str(name)


def check_reranker_name(name: object) -> None:
    """Raise ConfigError unless `name` is a reranker's, "none" or None."""
    named(name)


def candidates(k: int, fetch_k: int | None) -> int:
    """How many passages are reranked, so that k of them remain."""
    return max(k, fetch_k or CANDIDATES)
