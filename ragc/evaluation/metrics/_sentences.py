"""The sentences of an answer."""

from __future__ import annotations

import re

# An abbreviation's full stop is followed by a small letter or a digit; what begins a sentence is neither.
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[^a-z0-9\s])|(?<=[。！？])|\n+")
_BULLET = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.)])\s+")


def sentences(text: str) -> list[str]:
    """The sentences of `text`, and its lines: a list's items are one each. An answer in two words is one."""
    parts = (_BULLET.sub("", part).strip() for part in _END.split(text))
    return [part for part in parts if any(character.isalnum() for character in part)]
