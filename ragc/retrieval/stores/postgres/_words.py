"""A text's words as a tsvector has them. PostgreSQL's own parser and dictionaries are not asked: words are ragc's."""

from __future__ import annotations

import hashlib

MOST_TIMES = 255
"""Positions that a tsvector keeps of a word. One that stands more often in a passage counts as often as that, which
takes less than a hundredth from its BM25."""
_LONGEST = 500
"""Bytes of a word; a tsvector takes 2,046, an index fewer. A longer one (a base64 text) stands by its digest."""


def lexeme(word: str) -> str:
    """Return what stands in a tsvector for a word."""
    data = word.encode("utf-8", "replace")
    return hashlib.sha256(data).hexdigest() if len(data) > _LONGEST else word


def quoted(word: str) -> str:
    """Return a lexeme as a tsvector and a tsquery read it: whatever is in it, it is one word."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
