"""What is read of the SQLite store: the two legs of a search, and passages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

import apsw

from ragc.retrieval._fusion import Fused
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import Query
from ragc.retrieval.stores.sqlite._scan import scan
from ragc.retrieval.stores.sqlite._sql import SHIFT, TOKENIZER, Allowed

MOST_WORDS = 256
"""How many words of a question are searched for; the others are left out."""
MOST_NEIGHBOURS = 4096
"""The largest k that sqlite-vec takes."""


def words_of(connection: apsw.Connection, text: str) -> list[str]:
    """Return the words of a question as the index splits them, the first MOST_WORDS of them."""
    tokenizer = connection.fts5_tokenizer(TOKENIZER[0], list(TOKENIZER[1:]))
    data = text.encode("utf-8", "replace")
    found = tokenizer(data, apsw.FTS5_TOKENIZE_QUERY, None, include_offsets=False, include_colocated=False)
    return [str(word) for word in islice(found, MOST_WORDS)]


def any_of(words: Sequence[str]) -> str:
    """Return an FTS5 expression that finds any of the words: quoted, so that none is an operator."""
    return " OR ".join('"' + word.replace('"', '""') + '"' for word in words)


def text_leg(connection: apsw.Connection, n: int, words: Sequence[str], depth: int, only: Allowed) -> dict[int, float]:
    """Return BM25, higher is better, of the best passages that hold any of the words, by their numbers."""
    # +rowid: or SQLite asks FTS5 once for each allowed passage, which takes a hundred times as long.
    found = connection.execute(
        f"SELECT rowid, bm25(texts_{n}) AS score FROM texts_{n} WHERE texts_{n} MATCH ? {only.clause('+rowid')}"
        " ORDER BY score, rowid LIMIT ?",
        (any_of(words), *only.values, depth),
    )
    return {number: -score for number, score in found}  # FTS5: lower is better


def vector_leg(connection: apsw.Connection, n: int, query: Query, only: Allowed) -> dict[int, float]:
    """Return the cosine similarity of the passages that are nearest to the query's vector, by their numbers."""
    if query.vector is None or not any(query.vector):
        return {}
    vector, depth = query.vector.tobytes(), query.depth
    clause = only.clause("rowid")
    if not clause and (scanned := scan(connection, n, query.vector, depth)) is not None:
        return {number: 1.0 - distance for number, distance in scanned}
    nearest = f"SELECT rowid, distance FROM vectors_{n} WHERE vector MATCH ? AND k = ? {clause}"
    found: list[tuple[Any, ...]] = []
    if depth < MOST_NEIGHBOURS:
        found = connection.execute(nearest, (vector, depth + 1, *only.values)).fetchall()
        found.sort(key=lambda row: (row[1], row[0]))
    if depth >= MOST_NEIGHBOURS or (len(found) > depth and found[depth - 1][1] == found[depth][1]):
        # sqlite-vec cuts through equal distances where it pleases; ids must decide. Ten times as slow, and rare.
        whole = f"SELECT rowid, vec_distance_cosine(vector, ?) AS far FROM vectors_{n} WHERE TRUE {clause}"
        found = connection.execute(f"{whole} ORDER BY far, rowid LIMIT ?", (vector, *only.values, depth)).fetchall()
    return {number: 1.0 - distance for number, distance in found[:depth]}


_COLUMNS = 'p.number, p.document, d.title, p.text, d.metadata, p.start, p."end", p.heading'


def read_passages(connection: apsw.Connection, n: int, fused: Sequence[Fused]) -> list[Passage]:
    """Return the passages of a fused ranking, in its order."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM passages_{n} AS p JOIN documents_{n} AS d ON d.id = p.document"
        " WHERE p.number IN (SELECT value FROM json_each(?))",
        (json.dumps([each.key for each in fused]),),
    )
    rows = {row[0]: row for row in found}
    return [
        _passage(rows[each.key], score=each.score, text_score=each.text_score, vector_score=each.vector_score)
        for each in fused
    ]


def read_documents(connection: apsw.Connection, n: int, documents: Sequence[str]) -> list[Passage]:
    """Return the passages of documents, in the order of their ids and places."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM passages_{n} AS p JOIN documents_{n} AS d ON d.id = p.document"
        " WHERE p.document IN (SELECT value FROM json_each(?)) ORDER BY p.document, p.start, p.number",
        (json.dumps(list(documents)),),
    )
    return [_passage(row) for row in found]


def _passage(row: tuple[Any, ...], **scores: Any) -> Passage:
    number, document, title, text, metadata, start, end, heading = row
    return Passage(
        id=f"{number + SHIFT:016x}",
        document=document,
        title=title,
        text=text,
        metadata=json.loads(metadata),
        start=start,
        end=end,
        heading=tuple(json.loads(heading)),
        **scores,
    )
