"""An entry as a row of the journal, and back. What is read is what was written, or Damaged is raised.

Names in requests and responses keep their order: who asks again gets the very same as who asked first.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import apsw

from ragc.models.gateway._journal import _vectors
from ragc.models.gateway._journal._records import Entry
from ragc.models.gateway._journal._schema import Damaged
from ragc.models.gateway._journal._texts import Texts, as_json, deflated, encoded, inflated, taken_apart

SELECT = (
    "SELECT e.key, e.origin, e.input_tokens, e.cached_input_tokens, e.output_tokens, e.usd, e.seconds, e.created,"
    " e.body, e.crc, o.kind, o.model, o.provider, o.run, o.task FROM entries AS e JOIN origins AS o ON o.id = e.origin"
)
"""What `entry_of` reads."""

_WORDS = (
    b'"adaptations":[],"cache_write_tokens":0,"reasoning_tokens":0,"id":"chatcmpl-","type":"tool_call","finish_reason":'
    b'"length","finish_reason":"stop","id":"msg_","message":{"parts":[{"text":"[[ ## reasoning ## ]]\\n'
    b'[[ ## answer ## ]]\\n\\n\\n[[ ## completed ## ]]","type":"text"}],"role":"assistant"},"model":"gpt-claude-",'
    b'"usage":{"cache_read_tokens":0,"input_tokens":1,"output_tokens":1,"total_tokens":1}}'
)
"""What responses have in common, for zlib; part of the schema, because what was compressed with it needs it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Kept(Mapping[str, Any]):
    """A request that is decoded when it is looked at: who asks again for a response already knows the request."""

    def __init__(self, decode: Callable[[], dict[str, Any]]) -> None:
        self._decode = decode
        self._decoded: dict[str, Any] | None = None

    def _value(self) -> dict[str, Any]:
        if self._decoded is None:
            self._decoded = self._decode()
        return self._decoded

    def __getitem__(self, name: str) -> Any:
        return self._value()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._value())

    def __len__(self) -> int:
        return len(self._value())

    def __repr__(self) -> str:
        return f"Kept({self._value()!r})"


@dataclass(frozen=True)
class Row:
    """An entry, ready to be stored: what can be done outside of the writer's thread is done."""

    key: bytes
    origin: tuple[str, str, str, str, str]
    """Kind, model, provider, task, run."""
    figures: tuple[int, int, int, str | None, float, int]
    """Tokens in, of these cached, tokens out, US dollars, seconds, microseconds since 1970."""
    texts: list[str]
    response: bytes
    embedded: list[str | None]
    """The keys of the texts whose vectors it holds, see `_vectors.text_keys`."""

    @classmethod
    def of(cls, entry: Entry) -> Row:
        """Raises ValueError for a key that is no SHA-256 and for what JSON has no form for."""
        return cls(
            key_bytes(entry.key),
            (entry.kind, entry.model, entry.provider, entry.task, entry.run),
            (
                entry.input_tokens,
                entry.cached_input_tokens,
                entry.output_tokens,
                None if entry.usd is None else str(entry.usd),
                entry.seconds,
                microseconds(entry.created),
            ),
            taken_apart(entry.request),
            encoded(as_json(dict(entry.response))),
            _vectors.text_keys(entry.request) if entry.kind == "embedding" else [],
        )

    def insert(self, connection: apsw.Connection, texts: Texts, origin: int) -> bool:
        """Store the entry, inside the caller's transaction; False: there is one of this key, which stands."""
        numbers = texts.numbers(connection, self.texts)
        body = packed(numbers, self.response)
        connection.execute(
            "INSERT INTO entries (key, origin, input_tokens, cached_input_tokens, output_tokens, usd, seconds, created,"
            " body, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
            (self.key, origin, *self.figures, body, checksum((self.key, origin, *self.figures), body)),
        )
        stored = connection.changes() > 0
        if stored and self.embedded:
            _vectors.insert(connection, self.key, self.embedded)
        return stored


def entry_of(row: Sequence[Any], request: Callable[[list[int]], dict[str, Any]]) -> Entry:
    """Return the entry in a row of `SELECT`; `request` decodes the numbers of texts. Raises Damaged."""
    key, _, tokens, cached, output, usd, seconds, created, body, crc, kind, model, provider, run, task = row
    if checksum(row[:8], body) != crc:
        raise Damaged(f"the entry {key.hex()[:12]} is not what was stored")
    numbers, response = opened(body)
    return Entry(
        key=key.hex(),
        kind=kind,
        model=model,
        provider=provider,
        request=Kept(lambda: request(numbers)),
        response=json.loads(response),
        input_tokens=tokens,
        cached_input_tokens=cached,
        output_tokens=output,
        usd=None if usd is None else Fraction(usd),
        seconds=seconds,
        run=run,
        task=task,
        created=iso(created),
    )


def packed(numbers: Sequence[int], response: bytes) -> bytes:
    """Return the body of an entry. Numbers as differences, most of which are 1: texts that were new together."""
    steps = " ".join([str(number - before) for before, number in zip([0, *numbers], numbers, strict=False)])
    return deflated(steps.encode() + b"\n" + response, _WORDS)


def opened(body: bytes) -> tuple[list[int], bytes]:
    """Return what `packed` was given: the numbers of a request's texts, and the response as JSON. Raises Damaged."""
    steps, _, response = inflated(body, _WORDS).partition(b"\n")
    numbers, last = [], 0
    for step in steps.split():
        last += int(step)
        numbers.append(last)
    return numbers, response


def checksum(figures: Sequence[object], body: bytes) -> int:
    """Return the checksum of an entry: of the first columns of `SELECT`, and the body."""
    return zlib.crc32(repr(tuple(figures)).encode(), zlib.crc32(body))


def price(usd: str) -> Fraction:
    """Return US dollars as they are stored. Raises Damaged when they are not."""
    try:
        return Fraction(usd)
    except (ValueError, ZeroDivisionError) as error:
        raise Damaged(f"{usd!r} is no price") from error


def key_bytes(key: str) -> bytes:
    """Return a key as it is stored. Raises ValueError when it is not 64 hexadecimal digits."""
    found = bytes.fromhex(key)
    if len(found) != 32:
        raise ValueError(f"a key is 64 hexadecimal digits, not {key!r}")
    return found


def microseconds(iso: str) -> int:
    """Return a time in microseconds since 1970; without a zone it is UTC. Raises ValueError."""
    found = datetime.fromisoformat(iso)
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def now() -> int:
    """Return the time in microseconds since 1970."""
    return (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)


def iso(created: int) -> str:
    """Return a time in ISO 8601, UTC to the microsecond."""
    return (_EPOCH + timedelta(microseconds=created)).isoformat(timespec="microseconds")
