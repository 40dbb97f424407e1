"""What a write to the SQLite store does, inside the transaction of its caller."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import apsw

from ragc.retrieval._passage import indexed_text
from ragc.retrieval._store import Entry
from ragc.retrieval.stores._entries import check_vector
from ragc.retrieval.stores.sqlite._sql import SHIFT


class Deleted(NamedTuple):
    """How many rows went."""

    documents: int
    passages: int


def delete(connection: apsw.Connection, n: int, documents: Sequence[str]) -> Deleted:
    """Delete documents with their passages, and return how many of either there were."""
    ids = json.dumps(list(documents))
    of_documents = f"SELECT number FROM passages_{n} WHERE document IN (SELECT value FROM json_each(?))"
    connection.execute(f"DELETE FROM texts_{n} WHERE rowid IN ({of_documents})", (ids,))
    connection.execute(f"DELETE FROM vectors_{n} WHERE rowid IN ({of_documents})", (ids,))
    connection.execute(f"DELETE FROM passages_{n} WHERE document IN (SELECT value FROM json_each(?))", (ids,))
    passages = connection.changes()
    connection.execute(f"DELETE FROM documents_{n} WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    return Deleted(connection.changes(), passages)


def close_holes(connection: apsw.Connection, n: int) -> None:
    """Write the vectors anew. sqlite-vec keeps the place of a deleted one until its 1,024 neighbours are gone too."""
    connection.execute(f"CREATE TEMP TABLE kept AS SELECT rowid AS number, vector FROM vectors_{n}")
    connection.execute(f"DELETE FROM vectors_{n}")
    connection.execute(f"INSERT INTO vectors_{n} (rowid, vector) SELECT number, vector FROM kept")
    connection.execute("DROP TABLE kept")


def insert(connection: apsw.Connection, n: int, entry: Entry, dimensions: int) -> None:
    """Write one passage to its three tables. Raises StoreError on a vector of another length or with NaN in it."""
    import numpy as np

    check_vector(entry, dimensions)
    passage, vector = entry.passage, entry.vector
    number = int(passage.id, 16) - SHIFT
    connection.execute(
        f"INSERT INTO passages_{n} VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            passage.document,
            passage.start,
            passage.end,
            json.dumps(passage.heading, ensure_ascii=False),
            passage.text,
            entry.key,
        ),
    )
    body = indexed_text(passage.title, passage.heading, passage.text)
    connection.execute(f"INSERT INTO texts_{n} (rowid, body) VALUES (?, ?)", (number, body))
    if vector.any():  # a vector without direction is near to nothing
        blob = vector.astype(np.float32, copy=False).tobytes()
        connection.execute(f"INSERT INTO vectors_{n} (rowid, vector) VALUES (?, ?)", (number, blob))
