"""Text out of bytes: UTF-8, what a byte order mark says, or the encoding that the text itself gives away."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIKELY = (
    *("cp1252", "cp1250", "cp1251", "iso8859_2", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "mac_roman"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
"""What old programs still write, the likelier first: it wins where two explain a text as well."""
_MOST_CHAOS = 0.1
_LEAST_COHERENCE = 0.1
_AS_GOOD = 0.03


class UnknownEncodingError(ValueError):
    """The bytes are not UTF-8, and their encoding cannot be told."""


@dataclass(frozen=True)
class Decoded:
    """A text, and how it was found."""

    text: str
    encoding: str | None = None
    """The encoding that was detected or that a mark named; None: UTF-8."""


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """Return the text of `data`: a byte order mark, UTF-8, `declared` (an HTML page says so itself), then detection.

    Detected is only what reads as a language (charset-normalizer's coherence) and has no chaos in it. Raises
    UnknownEncodingError when it cannot be told, which is so for a few words with one accent.
    """
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    try:
        text = data.decode(mark or "utf-8")
        return Decoded(text, None if mark in (None, "utf-8-sig") else mark)
    except UnicodeDecodeError as error:
        place = error.start + 1
    if declared is not None:
        try:
            return Decoded(data.decode(declared), codecs.lookup(declared).name)
        except (UnicodeDecodeError, LookupError):
            pass
    found = None if mark or b"\0" in data else _detected(data)
    if found is None:
        raise UnknownEncodingError(f"not UTF-8 (byte {place}), and its encoding cannot be told; save it as UTF-8")
    return found


def _detected(data: bytes) -> Decoded | None:
    from charset_normalizer import from_bytes

    matches = [
        match
        for match in from_bytes(data, cp_isolation=list(_LIKELY))
        if match.chaos <= _MOST_CHAOS and match.coherence >= _LEAST_COHERENCE
    ]
    if not matches:
        return None
    best = max(match.coherence - match.chaos for match in matches)
    names = {
        name
        for match in matches
        if match.coherence - match.chaos >= best - _AS_GOOD
        for name in (match.encoding, *match.could_be_from_charset)
    }
    chosen = next((name for name in _LIKELY if name in names), None)
    try:
        return None if chosen is None else Decoded(data.decode(chosen), chosen)
    except UnicodeDecodeError:  # the detector looks at samples of a long text
        return None
