"""What is written to the PostgreSQL store's tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ragc.errors import StoreError
from ragc.retrieval._passage import indexed_text
from ragc.retrieval._store import Entry, IndexedDocument
from ragc.retrieval.stores._entries import as_json, check_vector
from ragc.retrieval.stores._words import words
from ragc.retrieval.stores.postgres._connections import Connection, run
from ragc.retrieval.stores.postgres._sql import SHIFT, hashed
from ragc.retrieval.stores.postgres._words import MOST_TIMES, lexeme, quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Change(NamedTuple):
    """By how much a collection grew."""

    documents: int
    passages: int
    words: int


def delete(connection: Connection, table: str, documents: Sequence[str]) -> Change:
    """Delete documents with their passages. `table` is a name with a place for `documents`, `passages` or `words`."""
    hashes = [hashed(id_) for id_ in documents]
    gone = run(connection, f"DELETE FROM {table.format('documents')} WHERE hash = ANY(%s)", [hashes]).rowcount
    if not gone:
        return Change(0, 0, 0)
    passages = table.format("passages")
    run(
        connection,
        f"UPDATE {table.format('words')} AS w SET passages = w.passages - gone.times"
        f" FROM (SELECT lexeme, count(*) AS times FROM {passages} AS p, unnest(p.body)"
        " WHERE p.document = ANY(%s) GROUP BY lexeme) AS gone"
        " WHERE w.word = gone.lexeme",
        [hashes],
    )
    run(connection, f"DELETE FROM {table.format('words')} WHERE passages <= 0")
    held = run(
        connection,
        f"WITH gone AS (DELETE FROM {passages} WHERE document = ANY(%s) RETURNING length)"
        " SELECT count(*), coalesce(sum(length), 0) FROM gone",
        [hashes],
    ).fetchone()
    count, length = held or (0, 0)
    return Change(-gone, -count, -int(length))


def insert(connection: Connection, table: str, documents: Sequence[IndexedDocument], dimensions: int) -> Change:
    """Write documents with their passages. Raises StoreError on a vector of another length or with NaN in it."""
    rows = [(hashed(each.id), each.id, each.digest, _metadata(each), len(each.entries)) for each in documents]
    with connection.cursor().copy(f"COPY {table.format('documents')} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)
    spread: Counter[str] = Counter()
    passages = total = 0
    columns = 'number, document, "start", key, content, length, body, vector'
    with connection.cursor().copy(f"COPY {table.format('passages')} ({columns}) FROM STDIN".encode()) as copy:
        for document in documents:
            for entry in document.entries:
                check_vector(entry, dimensions)
                passage = entry.passage
                found = words(indexed_text(passage.title, passage.heading, passage.text))
                times = Counter(lexeme(word) for word in found)
                spread.update(times.keys())
                passages, total = passages + 1, total + len(found)
                copy.write_row(
                    (
                        int(passage.id, 16) - SHIFT,
                        hashed(document.id),
                        passage.start,
                        entry.key,
                        _content(document, entry),
                        len(found),
                        _body(times),
                        vector_text(entry.vector) if entry.vector.any() else None,  # near to nothing
                    )
                )
    if spread:
        known = sorted(spread)
        run(
            connection,
            f"INSERT INTO {table.format('words')} AS w SELECT * FROM unnest(%s::text[], %s::bigint[])"
            " ON CONFLICT (word) DO UPDATE SET passages = w.passages + excluded.passages",
            [known, [spread[word] for word in known]],
        )
    return Change(len(documents), passages, total)


def vector_text(vector: NDArray[np.float32]) -> str:
    """Return a vector as pgvector reads it, without loss."""
    return f"[{','.join(map(repr, vector.tolist()))}]"


def _body(times: Counter[str]) -> str:
    """A tsvector whose positions only say how often a word stands in the passage: BM25 asks for no more."""
    return " ".join(
        f"{quoted(word)}:{','.join(map(str, range(1, min(count, MOST_TIMES) + 1)))}" for word, count in times.items()
    )


def _content(document: IndexedDocument, entry: Entry) -> str:
    passage = entry.passage
    kept = [
        document.id,
        passage.title,
        passage.text,
        {**document.metadata, **passage.metadata},
        passage.start,
        passage.end,
        list(passage.heading),
    ]
    return as_json(document, kept)


def _metadata(document: IndexedDocument) -> str:
    written = as_json(document, dict(document.metadata))
    if "\\u0000" in written.replace("\\\\", ""):
        raise StoreError(f"{document.id}: metadata holds a NUL character, which PostgreSQL does not keep; take it out")
    return written
