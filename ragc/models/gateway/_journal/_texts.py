"""How requests become small: what stands in many of them is stored once.

A run asks thousands of times with the same instructions and demonstrations, and about the same passages with each
candidate. So the long strings of a request are taken out of it and cut after blank lines and after passages; each piece
is stored once as a *text*, as is what remains, the request's shape, and the request is the list of their numbers.
Nothing else is known about a request, and what is put together again is what was taken apart.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import apsw

from ragc.models.gateway._journal._schema import Damaged

LONG = 64
"""Characters from which a string is taken out."""
_CUT = ("\n\n", "</passage>\n")
"""A piece ends with one of these."""
_REMEMBERED = 20_000
"""Characters up to which it is remembered how a string is cut: demonstrations come again with every question."""
_SMALL = 4096
"""Up to so many bytes zlib gets a window of that size: it takes a tenth of the time that it takes to set up 32 KB."""
_HOLE = "\0"
"""`{_HOLE: n}` in a shape stands for a string of the next n pieces, `{_HOLE: [[name, value], …]}` for an object that
has this name itself."""
KEPT_BYTES = 32 * 2**20
"""How much text is kept in memory, for writing and for reading each."""


class Texts:
    """The texts of one journal. `numbers` belongs to the writer's thread; `read` may be called from any."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._numbers_size = 0
        self._texts: dict[int, str] = {}
        self._texts_size = 0

    def numbers(self, connection: apsw.Connection, texts: Sequence[str]) -> list[int]:
        """Return the number of each text, storing those that are new inside the caller's transaction."""
        known = self._numbers
        return [known.get(text) or self._stored(connection, text) for text in texts]

    def forget(self) -> None:
        """A transaction was rolled back: the numbers given inside it are not taken."""
        self._numbers.clear()
        self._numbers_size = 0

    def clear(self) -> None:
        """Texts were taken out of the journal: their numbers may come again."""
        self.forget()
        self._texts, self._texts_size = {}, 0

    def read(self, connection: apsw.Connection, numbers: Sequence[int]) -> list[str]:
        """Return the texts of these numbers. Raises Damaged when one is missing or not what was stored."""
        texts = self._texts
        missing = {number for number in numbers if number not in texts}
        if missing:
            found = read_texts(connection, missing)
            self._keep(found)
            return [found[number] if number in found else texts[number] for number in numbers]
        return [texts[number] for number in numbers]

    def _stored(self, connection: apsw.Connection, text: str) -> int:
        data = encoded(text)
        digest = digest_of(data)
        # What is not known here is new, nearly always.
        connection.execute(
            "INSERT INTO texts (digest, body) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", (digest, deflated(data))
        )
        if connection.changes():
            number = connection.last_insert_rowid()
        else:
            number = connection.execute("SELECT id FROM texts WHERE digest = ?", (digest,)).get
        if self._numbers_size > KEPT_BYTES:
            self.forget()
        self._numbers[text] = number
        self._numbers_size += len(text)
        return number

    def _keep(self, found: dict[int, str]) -> None:
        size = sum(map(len, found.values()))
        if self._texts_size + size > KEPT_BYTES:
            self._texts, self._texts_size = {}, 0
        self._texts.update(found)
        self._texts_size += size


def taken_apart(request: Mapping[str, Any]) -> list[str]:
    """Return a request as texts: its shape, then the pieces of its long strings. Raises ValueError: no JSON."""
    pieces: list[str] = []
    shape = as_json(_shape(request, pieces))
    return [shape, *pieces]


def put_together(texts: Sequence[str]) -> dict[str, Any]:
    """Return the request that was taken apart. Raises Damaged when that cannot be what the texts are."""
    taken = 1

    def filled(value: dict[str, Any]) -> Any:
        nonlocal taken
        hole = value.get(_HOLE)
        if hole is None:
            return value
        if isinstance(hole, list):
            return dict(hole)
        taken += hole
        return "".join(texts[taken - hole : taken])

    try:
        request: dict[str, Any] = json.loads(texts[0], object_hook=filled)
    except (ValueError, TypeError, IndexError) as error:
        raise Damaged(f"a request cannot be put together ({error})") from error
    if taken != len(texts):
        raise Damaged("a request has more texts than it is made of")
    return request


def _shape(value: Any, pieces: list[str]) -> Any:
    kind = type(value)  # nearly all are one of these: the others, such as a frozen mapping, are looked at more closely
    if kind is dict:
        if _HOLE in value:
            return {_HOLE: [[name, _shape(each, pieces)] for name, each in value.items()]}
        return {
            name: each if type(each) is str and len(each) < LONG else _shape(each, pieces)
            for name, each in value.items()
        }
    if kind is list:
        return [_shape(each, pieces) for each in value]
    if isinstance(value, str):
        if len(value) < LONG:
            return value
        cut = _cut(value) if len(value) <= _REMEMBERED else _cut.__wrapped__(value)
        pieces += cut
        return {_HOLE: len(cut)}
    if isinstance(value, tuple | list):
        return _shape(list(value), pieces)
    if not isinstance(value, int | float) and isinstance(value, Mapping):
        return _shape(dict(value), pieces)
    return value


@functools.lru_cache(maxsize=512)
def _cut(text: str) -> tuple[str, ...]:
    pieces = [text]
    for end in _CUT:
        if end in text:
            pieces = [part for piece in pieces for part in _cut_after(piece, end)]
    return tuple(pieces)


def _cut_after(text: str, end: str) -> list[str]:
    *parts, last = text.split(end)
    pieces = [part + end for part in parts]
    return [*pieces, last] if last else pieces


def read_texts(connection: apsw.Connection, numbers: set[int]) -> dict[int, str]:
    """Return the texts of these numbers. Raises Damaged when one is missing or not what was stored."""
    rows = connection.execute(
        "SELECT id, digest, body FROM texts WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(numbers)),)
    )
    found = {number: checked(digest, body) for number, digest, body in rows}
    if len(found) < len(numbers):
        raise Damaged(f"text {min(numbers - set(found))} is missing")
    return found


def checked(digest: bytes, body: bytes) -> str:
    """Return a stored text. Raises Damaged when it is not what was stored."""
    data = inflated(body)
    if digest_of(data) != digest:
        raise Damaged("a text is not what was stored")
    return data.decode("utf-8", "surrogatepass")


def digest_of(data: bytes) -> bytes:
    """Return what two texts that differ do not share: the first half of the SHA-256."""
    return hashlib.sha256(data).digest()[:16]


as_json: Callable[[object], str] = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
"""JSON without spaces; names keep their order. Raises ValueError for what JSON has no form for."""


def encoded(text: str) -> bytes:
    """Return UTF-8. A lone surrogate, which a provider's JSON can hold, stays: nothing is lost for its sake."""
    return text.encode("utf-8", "surrogatepass")


def deflated(data: bytes, words: bytes = b"") -> bytes:
    """Return `data` compressed; `words` is what it is likely to hold, and must be at hand to `inflated`."""
    window, memory = (12, 5) if len(data) <= _SMALL else (15, 8)
    packer = (
        zlib.compressobj(6, zlib.DEFLATED, window, memory, zdict=words)
        if words
        else zlib.compressobj(6, zlib.DEFLATED, window, memory)
    )
    return packer.compress(data) + packer.flush()


def inflated(data: bytes, words: bytes = b"") -> bytes:
    """Return what was compressed. Raises Damaged when it cannot be what `deflated` wrote."""
    unpacker = zlib.decompressobj(zdict=words) if words else zlib.decompressobj()
    try:
        text = unpacker.decompress(data)
    except zlib.error as error:
        raise Damaged(f"compressed data is broken: {error}") from error
    if not unpacker.eof:
        raise Damaged("compressed data breaks off")
    return text
