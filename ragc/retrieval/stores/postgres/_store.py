"""PostgreSQL: a schema of tables, a tsvector for text, pgvector for vectors, and the database's own transactions.

The text leg is BM25 as the embedded store computes it, from the same words; `ts_rank` is another thing. Vectors are
compared one by one up to `EXACT` passages, and found by an HNSW index beyond. That index is made when a corpus is
whole, which is many times as fast as to add each vector to it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from ragc.errors import StoreError
from ragc.retrieval._fusion import fuse
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import Query
from ragc.retrieval._store import CollectionState, IndexedDocument, MadeWith
from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores._entries import made_anew
from ragc.retrieval.stores.postgres import _search
from ragc.retrieval.stores.postgres._connections import Connection, Connections, run
from ragc.retrieval.stores.postgres._search import read_documents, read_passages, text_leg, vector_leg
from ragc.retrieval.stores.postgres._server import Server
from ragc.retrieval.stores.postgres._sql import TABLE_NAMES, TABLES, allowed, is_index, prepare
from ragc.retrieval.stores.postgres._write import delete, insert

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_INDEXED, MOST_HALVED = 2000, 4000
"""Dimensions that an HNSW index takes, of vectors and of vectors of half precision."""


class _Row(NamedTuple):
    """A row of `collections`."""

    number: int
    made_with: str
    corpus_version: str | None
    complete: bool
    documents: int
    passages: int
    words: int
    nearby: bool

    @property
    def dimensions(self) -> int:
        return MadeWith(**json.loads(self.made_with)).dimensions


class PostgresStore:
    """A collection in a PostgreSQL database; see `Store` for the contract. Collections share a schema."""

    def __init__(self, server: Server, address: Address) -> None:
        self._server = server
        self._connections = Connections(server, read_only=address.read_only)
        self._task = address.collection
        self._name = address.name_on_server(server.owner)

    @property
    def location(self) -> str:
        """The database's address, and the collection's name in it."""
        return f"{self._server.shown} ({self._name})"

    def state(self) -> CollectionState | None:
        """See Store."""
        row = self._connections.read(self._row)
        if row is None:
            return None
        made_with = MadeWith(**json.loads(row.made_with))
        return CollectionState(made_with, row.corpus_version, row.complete, row.documents, row.passages)

    def reset(self, made_with: MadeWith) -> None:
        """See Store."""
        with self._connections.writing(self._lock("write")) as connection:
            prepare(connection, self._server)
            schema = self._server.schema
            row = self._row(connection)
            if row is not None:
                tables = ", ".join(self._table(row).format(name) for name in TABLE_NAMES)
                run(connection, f"DELETE FROM {schema}.collections WHERE number = %s", [row.number])
                run(connection, f"DROP TABLE {tables}")
            made = run(
                connection,
                f"INSERT INTO {schema}.collections (name, made_with) VALUES (%s, %s) RETURNING number",
                [self._name, _json(made_with)],
            ).fetchone()
            for table in TABLES:
                run(connection, table.format(schema=schema, n=(made or (0,))[0], dimensions=made_with.dimensions))

    def documents(self) -> dict[str, str]:
        """See Store."""

        def read(connection: Connection) -> dict[str, str]:
            row = self._row(connection)
            if row is None:
                return {}
            return dict(run(connection, f"SELECT id, digest FROM {self._table(row).format('documents')}").fetchall())

        return self._connections.read(read)

    def passages(self, documents: Sequence[str]) -> list[Passage]:
        """See Store."""

        def read(connection: Connection) -> list[Passage]:
            row = self._row(connection)
            return [] if row is None else read_documents(connection, self._table(row), documents)

        return self._connections.read(read)

    def vectors(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """See Store."""
        import numpy as np

        def read(connection: Connection) -> dict[str, NDArray[np.float32]]:
            row = self._row(connection)
            if row is None:
                return {}
            table = self._table(row).format("passages")
            sql = f"SELECT key, vector_send(vector) FROM {table} WHERE key = ANY(%s) AND vector IS NOT NULL"
            found = run(connection, sql, [list(keys)], binary=True)
            # Behind two numbers of 16 bits.
            return {key: np.frombuffer(data, ">f4", offset=4).astype(np.float32) for key, data in found}

        return self._connections.read(read)

    def write(
        self, documents: Sequence[IndexedDocument], removed: Sequence[str] = (), corpus_version: str | None = None
    ) -> None:
        """See Store."""
        with self._connections.writing(self._lock("write")) as connection:
            row = self._row(connection)
            if row is None:
                raise self._missing()
            table = self._table(row)
            gone = delete(connection, table, [*removed, *(document.id for document in documents)])
            come = insert(connection, table, documents, row.dimensions)
            passages = row.passages + gone.passages + come.passages
            nearby = row.nearby or (corpus_version is not None and self._make_nearby(connection, row, passages))
            run(
                connection,
                f"UPDATE {self._server.schema}.collections SET corpus_version = %s, complete = complete OR %s,"
                " documents = %s, passages = %s, words = %s, nearby = %s WHERE number = %s",
                [
                    corpus_version,
                    corpus_version is not None,
                    row.documents + gone.documents + come.documents,
                    passages,
                    row.words + gone.words + come.words,
                    nearby,
                    row.number,
                ],
            )

    def search(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """See Store."""

        def read(connection: Connection) -> list[Passage]:
            row = self._row(connection)
            if row is None:
                raise self._missing()
            if row.made_with != _json(made_with):
                raise made_anew(self.location, self._task)
            only, table, text, vector = allowed(query.conditions), self._table(row), {}, {}
            if query.alpha < 1:
                text = text_leg(connection, table, row.passages, row.words, query, only)
            if query.alpha > 0:
                nearby = _nearby(row.dimensions, "%s") if row.nearby else ""
                vector = vector_leg(connection, table, row.passages, nearby, query, only)
            fused = fuse(text, vector, query.alpha, query.k)
            if not fused and query.conditions and row.documents:
                self._check_fields(connection, table, query)
            return read_passages(connection, table, fused)

        return self._connections.read(read)

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """See Store. An advisory lock of a session of its own."""
        with self._connections.locked(self._lock("update")):
            yield

    def close(self) -> None:
        """See Store."""
        self._connections.close()

    def _row(self, connection: Connection) -> _Row | None:
        if not is_index(connection, self._server):
            return None
        found = run(
            connection,
            "SELECT number, made_with, corpus_version, complete, documents, passages, words, nearby"
            f" FROM {self._server.schema}.collections WHERE name = %s",
            [self._name],
        ).fetchone()
        return _Row(*found) if found else None

    def _table(self, row: _Row) -> str:
        """The name of the collection's tables, with a place for which of them."""
        return f"{self._server.schema}.{{}}_{row.number}"

    def _lock(self, purpose: str) -> str:
        return f"ragc {purpose} {self._server.schema}.{self._name}"

    def _make_nearby(self, connection: Connection, row: _Row, passages: int) -> bool:
        if passages <= _search.EXACT or row.dimensions > MOST_HALVED:
            return False
        run(connection, "SELECT set_config('maintenance_work_mem', '256MB', TRUE)")
        indexed, kind = (
            ("vector", "vector")
            if row.dimensions <= MOST_INDEXED
            else (f"(vector::halfvec({row.dimensions}))", "halfvec")
        )
        run(
            connection,
            f"CREATE INDEX ON {self._table(row).format('passages')} USING hnsw ({indexed} {kind}_cosine_ops)",
        )
        return True

    def _check_fields(self, connection: Connection, table: str, query: Query) -> None:
        for field in {condition.field for condition in query.conditions} - {"document"}:
            sql = f"SELECT 1 FROM {table.format('documents')} WHERE metadata ? %s LIMIT 1"
            if "\0" in field or not run(connection, sql, [field]).fetchone():
                raise StoreError(f"filters: no document of {self._task} has a field {field!r}")

    def _missing(self) -> StoreError:
        return StoreError(f"{self.location} holds no index of {self._task}; run `ragc index {self._task}`")


def _nearby(dimensions: int, vector: str) -> str:
    """What the HNSW index orders by."""
    if dimensions <= MOST_INDEXED:
        return f"p.vector <=> {vector}::vector"
    return f"p.vector::halfvec({dimensions}) <=> {vector}::halfvec({dimensions})"


def _json(made_with: MadeWith) -> str:
    return json.dumps(asdict(made_with), sort_keys=True, ensure_ascii=False)
