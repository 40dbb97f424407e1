"""The embedded store: one SQLite file, FTS5 for text, an exact scan by sqlite-vec for vectors.

The text leg leaves out words that stand in more than half of the passages while enough passages match the others:
FTS5 weighs such words with 1e-6, so that they decide nothing, and over 6,119 passages a question then takes 0.9 ms
and not 3.4.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import apsw

from ragc.errors import StoreError
from ragc.retrieval._fusion import fuse
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import Query
from ragc.retrieval._store import CollectionState, IndexedDocument, MadeWith
from ragc.retrieval.stores._entries import as_json, made_anew
from ragc.retrieval.stores.sqlite._connections import Connections, told
from ragc.retrieval.stores.sqlite._search import any_of, read_documents, read_passages, text_leg, vector_leg, words_of
from ragc.retrieval.stores.sqlite._sql import (
    TABLE_NAMES,
    TABLES,
    Allowed,
    allowed,
    begin,
    is_index,
)
from ragc.retrieval.stores.sqlite._write import close_holes, delete, insert

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_HOLES = 4096
"""How many vectors, beyond as many as there are passages, may have been deleted before their space is taken back."""


class _Row(NamedTuple):
    """A row of `collections`."""

    number: int
    made_with: str
    corpus_version: str | None
    complete: int
    generation: int
    documents: int
    passages: int
    holes: int


class SQLiteStore:
    """A collection in an SQLite file; see `Store` for the contract. Several collections share a file."""

    def __init__(self, path: Path, collection: str, *, read_only: bool = False) -> None:
        self._connections = Connections(path, read_only=read_only)
        self._path = path
        self._collection = collection
        self._frequent: tuple[object, dict[str, bool]] = (None, {})

    @property
    def location(self) -> str:
        """The path of the file."""
        return str(self._path)

    def state(self) -> CollectionState | None:
        """See Store."""
        with self._connections.reading() as connection:
            row = self._row(connection) if connection else None
        if row is None:
            return None
        made_with = MadeWith(**json.loads(row.made_with))
        return CollectionState(made_with, row.corpus_version, bool(row.complete), row.documents, row.passages)

    def reset(self, made_with: MadeWith) -> None:
        """See Store."""
        with self._connections.writing() as connection:
            if not is_index(connection, self._path):
                begin(connection)
            elif row := self._row(connection):
                for table in TABLE_NAMES:
                    connection.execute(f"DROP TABLE {table.format(n=row.number)}")
                connection.execute("DELETE FROM collections WHERE number = ?", (row.number,))
            connection.execute(
                "INSERT INTO collections (name, made_with) VALUES (?, ?)", (self._collection, _json(made_with))
            )
            number = connection.last_insert_rowid()
            for table in TABLES:
                connection.execute(table.format(n=number, dimensions=made_with.dimensions))

    def documents(self) -> dict[str, str]:
        """See Store."""
        with self._connections.reading() as connection:
            row = self._row(connection) if connection else None
            if connection is None or row is None:
                return {}
            return dict(connection.execute(f"SELECT id, digest FROM documents_{row.number}"))

    def passages(self, documents: Sequence[str]) -> list[Passage]:
        """See Store."""
        with self._connections.reading() as connection:
            row = self._row(connection) if connection else None
            return read_documents(connection, row.number, documents) if connection and row else []

    def vectors(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """See Store."""
        import numpy as np

        with self._connections.reading() as connection:
            row = self._row(connection) if connection else None
            if connection is None or row is None:
                return {}
            found = connection.execute(
                f"SELECT p.key, v.vector FROM passages_{row.number} AS p"
                f" CROSS JOIN vectors_{row.number} AS v ON v.rowid = p.number"  # CROSS: SQLite keeps this order
                " WHERE p.key IN (SELECT value FROM json_each(?))",
                (json.dumps(list(keys)),),
            )
            return {key: np.frombuffer(vector, dtype=np.float32) for key, vector in found}

    def write(
        self, documents: Sequence[IndexedDocument], removed: Sequence[str] = (), corpus_version: str | None = None
    ) -> None:
        """See Store."""
        with self._connections.writing() as connection:
            row = self._row(connection) if is_index(connection, self._path) else None
            if row is None:
                raise self._missing()
            n = row.number
            dimensions = MadeWith(**json.loads(row.made_with)).dimensions
            gone = delete(connection, n, [*removed, *(document.id for document in documents)])
            holes = row.holes + gone.passages
            connection.executemany(
                f"INSERT INTO documents_{n} VALUES (?, ?, ?, ?)",
                [(each.id, each.digest, each.title, as_json(each, dict(each.metadata))) for each in documents],
            )
            entries = [entry for document in documents for entry in document.entries]
            # FTS5 flushes what it has gathered whenever a number is smaller than the one before.
            for entry in sorted(entries, key=lambda entry: entry.passage.id):
                insert(connection, n, entry, dimensions)
            if holes > row.passages + MOST_HOLES:
                close_holes(connection, n)
                holes = 0
            connection.execute(
                "UPDATE collections SET corpus_version = ?1, complete = complete OR ?1 IS NOT NULL, holes = ?2,"
                " generation = generation + 1, documents = documents + ?3, passages = passages + ?4 WHERE number = ?5",
                (corpus_version, holes, len(documents) - gone.documents, len(entries) - gone.passages, n),
            )

    def search(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """See Store."""
        with self._connections.reading() as connection:
            row = self._row(connection) if connection else None
            if connection is None or row is None:
                raise self._missing()
            if row.made_with != _json(made_with):
                raise made_anew(str(self._path), self._collection)
            only = allowed(row.number, query.conditions)
            text = self._text_leg(connection, row, query, only) if query.alpha < 1 else {}
            vector = vector_leg(connection, row.number, query, only) if query.alpha > 0 else {}
            fused = fuse(text, vector, query.alpha, query.k)
            if not fused and query.conditions:
                self._check_fields(connection, row, query)
            return read_passages(connection, row.number, fused)

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """See Store. A lock file beside the index, which the system frees when its process ends, however it ends."""
        lock = self._path.with_name(self._path.name + ".lock")
        with told(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = lock.open("wb")
        with file:
            with told(self._path):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
            self._connections.checkpoint()

    def close(self) -> None:
        """See Store."""
        self._connections.close()

    def _row(self, connection: apsw.Connection) -> _Row | None:
        found = connection.execute(
            "SELECT number, made_with, corpus_version, complete, generation, documents, passages, holes"
            " FROM collections WHERE name = ?",
            (self._collection,),
        ).fetchone()
        return _Row(*found) if found else None

    def _missing(self) -> StoreError:
        return StoreError(f"{self._path} holds no index of {self._collection}; run `ragc index {self._collection}`")

    def _text_leg(self, connection: apsw.Connection, row: _Row, query: Query, only: Allowed) -> dict[int, float]:
        words = words_of(connection, query.text)
        if not words:
            return {}
        rare = [word for word in words if not self._is_frequent(connection, row, word)]
        found: dict[int, float] = {}
        if rare:
            found = text_leg(connection, row.number, rare, query.depth, only)
        if len(found) < query.depth and len(rare) < len(words):
            found = text_leg(connection, row.number, words, query.depth, only)
        return found

    def _is_frequent(self, connection: apsw.Connection, row: _Row, word: str) -> bool:
        """Whether the word stands in more than half of the passages; counted once for each state of the index."""
        version = (row.number, row.made_with, row.generation)
        if self._frequent[0] != version:
            self._frequent = (version, {})
        known = self._frequent[1]
        if word not in known:
            table = f"texts_{row.number}"
            count = connection.execute(f"SELECT count(*) FROM {table} WHERE {table} MATCH ?", (any_of([word]),)).get
            known[word] = 2 * count > row.passages
        return known[word]

    def _check_fields(self, connection: apsw.Connection, row: _Row, query: Query) -> None:
        for field in {condition.field for condition in query.conditions} - {"document"}:
            documents = f"documents_{row.number}"
            sql = f"SELECT 1 FROM {documents} AS d, json_each(d.metadata) AS m WHERE m.key = ? LIMIT 1"
            if row.documents and not connection.execute(sql, (field,)).get:
                raise StoreError(f"filters: no document of {self._collection} has a field {field!r}")


def _json(made_with: MadeWith) -> str:
    return json.dumps(asdict(made_with), sort_keys=True, ensure_ascii=False)
