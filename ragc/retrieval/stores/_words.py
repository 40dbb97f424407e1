"""A text as words, the same for every text leg: those of the embedded store, by SQLite's own tokenizer.

A database with a tokenizer of its own gets the words one by one, with spaces between them, so that case, accents,
hyphens and scripts mean the same in all.
"""

from __future__ import annotations

import threading
from typing import Any

import apsw

from ragc.retrieval.stores.sqlite._search import MOST_WORDS
from ragc.retrieval.stores.sqlite._sql import TOKENIZER


class _Local(threading.local):
    """A tokenizer a thread: it belongs to a connection, and that to nobody else while it is used."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.tokenizer: Any = self.connection.fts5_tokenizer(TOKENIZER[0], list(TOKENIZER[1:]))


_local = _Local()


def words(text: str) -> list[str]:
    """Return the words of `text` in order, case and accents folded."""
    data = text.encode("utf-8", "replace")
    return list(
        _local.tokenizer(data, apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False, include_colocated=False)
    )


def asked_words(text: str) -> list[str]:
    """Return the words of a question that are searched for: the first MOST_WORDS."""
    return words(text)[:MOST_WORDS]
