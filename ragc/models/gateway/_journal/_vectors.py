"""Which entry holds the vector of which text, so that a text is paid for once, whatever batch it stands in.

A text is known by the key that its request would have if it stood alone. The table says in which entry to look; what an
entry holds is read from the entry itself, whose checksum is that of all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from ragc._files import canonical_json, digest
from ragc._secrets import MASK

COLUMNS = "text BLOB PRIMARY KEY, key BLOB NOT NULL"
"""Of the table `vectors`: the key of a text alone, and the entry that holds its vector among others."""


def text_keys(asked: Mapping[str, Any]) -> list[str | None]:
    """Return the keys that the texts of a request for vectors would have alone, in their order.

    None: of a text from which a secret was taken out nobody knows what it was. A request for one text has none: its
    key is the entry's own; nor has one that is no request for vectors.
    """
    request = asked.get("request")
    if not isinstance(request, Mapping):
        return []
    lists = [(name, value) for name, value in request.items() if isinstance(value, list)]
    if len(lists) != 1 or len(lists[0][1]) < 2:
        return []
    ((name, texts),) = lists
    return [
        None if MASK in text else digest(canonical_json({**asked, "request": {**request, name: [text]}}))
        for text in texts
    ]


def insert(connection: apsw.Connection, key: bytes, texts: Iterable[str | None]) -> None:
    """Say that an entry holds the vectors of these texts, inside the caller's transaction; the first one stands."""
    rows = [(bytes.fromhex(text), key) for text in texts if text is not None]
    connection.executemany("INSERT OR IGNORE INTO vectors (text, key) VALUES (?, ?)", rows)


def holders(connection: apsw.Connection, texts: Sequence[str]) -> list[bytes]:
    """Return the keys of the entries that hold vectors of these texts, the oldest first."""
    found = connection.execute(
        "WITH wanted AS (SELECT unhex(value) AS text FROM json_each(?))"
        " SELECT key FROM entries WHERE key IN (SELECT text FROM wanted)"
        " OR key IN (SELECT v.key FROM vectors AS v JOIN wanted AS w ON w.text = v.text) ORDER BY id",
        (json.dumps(list(texts)),),
    )
    return [key for (key,) in found]


def held(connection: apsw.Connection, texts: Sequence[str]) -> set[str]:
    """Return which of these texts are said to be embedded; unlike `holders`, no entry is read for it."""
    found = connection.execute(
        "WITH wanted AS (SELECT value, unhex(value) AS text FROM json_each(?))"
        " SELECT value FROM wanted WHERE EXISTS (SELECT 1 FROM entries AS e WHERE e.key = wanted.text) OR EXISTS"
        " (SELECT 1 FROM vectors AS v JOIN entries AS e ON e.key = v.key WHERE v.text = wanted.text)",
        (json.dumps(list(texts)),),
    )
    return {value for (value,) in found}


def remove_lost(connection: apsw.Connection) -> None:
    """Take out the texts whose entry is gone, inside the caller's transaction."""
    connection.execute("DELETE FROM vectors WHERE key NOT IN (SELECT key FROM entries)")
