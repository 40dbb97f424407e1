"""What is read of the PostgreSQL store: the two legs of a search, and passages."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ragc.retrieval._fusion import Fused
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import Query
from ragc.retrieval.stores._words import asked_words
from ragc.retrieval.stores.postgres._connections import Connection, run
from ragc.retrieval.stores.postgres._sql import SHIFT, Allowed, hashed
from ragc.retrieval.stores.postgres._words import lexeme, quoted

K1, B = 1.2, 0.75
EXACT = 20_000
"""Up to so many passages are compared one by one. With more, the collection gets an HNSW index."""
_LEAST_IDF = 1e-6
"""What a word in more than half of the passages weighs, as in the embedded store."""


def text_leg(
    connection: Connection, table: str, passages: int, total_words: int, query: Query, only: Allowed
) -> dict[int, float]:
    """Return BM25, higher is better, of the best passages that hold any of the words, by their numbers.

    Computed from what PostgreSQL indexes: a tsvector knows how often a word stands in a passage (which is what
    `ts_rank_cd` returns for one word whose every position weighs 1), `words` in how many it stands.
    """
    asked = Counter(lexeme(word) for word in asked_words(query.text))
    found = run(
        connection, f"SELECT word, passages FROM {table.format('words')} WHERE word = ANY(%s)", [list(asked)]
    ).fetchall()
    spread: dict[str, int] = dict(found)
    weights = {
        word: asked[word] * max(_LEAST_IDF, math.log((passages - spread[word] + 0.5) / (spread[word] + 0.5)))
        for word in asked
        if word in spread
    }
    rare = [word for word in weights if 2 * spread[word] <= passages]
    average = total_words / max(passages, 1)
    best: dict[int, float] = {}
    if rare:
        best = _ranked(connection, table, {word: weights[word] for word in rare}, average, query.depth, only)
    if len(best) < query.depth and len(rare) < len(weights):
        best = _ranked(connection, table, weights, average, query.depth, only)
    return best


def _ranked(
    connection: Connection, table: str, weights: dict[str, float], average: float, depth: int, only: Allowed
) -> dict[int, float]:
    # Written out where a function would stand: a database of somebody else's is given none.
    counted = ", ".join(f"ts_rank_cd('{{1,1,1,1}}', p.body, %s::tsquery)::float8 AS t{n}" for n in range(len(weights)))
    score = " + ".join(
        f"%s::float8 * {K1 + 1} * t{n} / (t{n} + {K1} * ({1 - B} + {B} * p.length / %s::float8))"
        for n in range(len(weights))
    )
    bound: list[Any] = []
    for weight in weights.values():
        bound += [weight, average]
    sql = (
        f"SELECT number, {score} AS score FROM (SELECT p.number, p.length, {counted}"
        f" FROM {_from(table, only)} p.body @@ %s::tsquery{_and(only)} OFFSET 0) AS p"
        " ORDER BY score DESC, number LIMIT %s"
    )
    words = [quoted(word) for word in weights]
    rows = run(connection, sql, [*bound, *words, " | ".join(words), *only.values, depth]).fetchall()
    return dict(rows)


def vector_leg(
    connection: Connection, table: str, passages: int, nearby: str, query: Query, only: Allowed
) -> dict[int, float]:
    """Return the cosine similarity of the passages that are nearest to the query's vector, by their numbers.

    `nearby` is what an HNSW index orders by; empty where there is none. It is asked where more passages than EXACT are
    allowed, and goes on until it has found as many as were asked for; if it ends before, all are compared after all.
    """
    if query.vector is None or not any(query.vector):
        return {}
    vector = f"[{','.join(map(repr, query.vector.tolist()))}]"
    if nearby and only.sql:
        counted = f"SELECT coalesce(sum(d.passages), 0) FROM {table.format('documents')} AS d WHERE {only.sql}"
        row = run(connection, counted, only.values).fetchone()
        passages = int(row[0]) if row else 0
    distance = "p.vector <=> %s::vector"
    if nearby and passages > EXACT:
        run(
            connection,
            "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', TRUE), set_config('enable_seqscan', 'off', TRUE)"
            ", set_config('hnsw.ef_search', %s, TRUE), set_config('hnsw.max_scan_tuples', '200000', TRUE)",
            [str(min(1000, max(200, query.depth)))],
        )
        sql = (
            f"WITH near AS MATERIALIZED (SELECT p.number, {distance} AS far FROM {_from(table, only)}"
            f" p.vector IS NOT NULL{_and(only)} ORDER BY {nearby} LIMIT %s) SELECT * FROM near ORDER BY far, number"
        )
        rows = run(connection, sql, [vector, *only.values, vector, query.depth]).fetchall()
        if len(rows) >= min(query.depth, passages):
            return {number: 1.0 - far for number, far in rows}
    # An expression that no index has: each is compared.
    sql = (
        f"SELECT p.number, ({distance}) + 0 AS far FROM {_from(table, only)} p.vector IS NOT NULL{_and(only)}"
        " ORDER BY far, p.number LIMIT %s"
    )
    rows = run(connection, sql, [vector, *only.values, query.depth]).fetchall()
    return {number: 1.0 - far for number, far in rows}


def read_passages(connection: Connection, table: str, fused: Sequence[Fused]) -> list[Passage]:
    """Return the passages of a fused ranking, in its order."""
    sql = f"SELECT number, content FROM {table.format('passages')} WHERE number = ANY(%s)"
    rows: dict[int, str] = dict(run(connection, sql, [[each.key for each in fused]]).fetchall())
    return [
        _passage(each.key, rows[each.key], score=each.score, text_score=each.text_score, vector_score=each.vector_score)
        for each in fused
    ]


def read_documents(connection: Connection, table: str, documents: Sequence[str]) -> list[Passage]:
    """Return the passages of documents, in the order of their ids and places."""
    sql = f"SELECT number, content FROM {table.format('passages')} WHERE document = ANY(%s)"
    rows = run(connection, sql, [[hashed(id_) for id_ in documents]]).fetchall()
    return sorted((_passage(*row) for row in rows), key=lambda each: (each.document, each.start, each.id))


def _from(table: str, only: Allowed) -> str:
    """The tables of a leg, down to where its conditions begin."""
    joined = f" JOIN {table.format('documents')} AS d ON d.hash = p.document" if only.sql else ""
    return f"{table.format('passages')} AS p{joined} WHERE"


def _and(only: Allowed) -> str:
    return f" AND {only.sql}" if only.sql else ""


def _passage(number: int, content: str, **scores: Any) -> Passage:
    document, title, text, metadata, start, end, heading = json.loads(content)
    return Passage(
        id=f"{number + SHIFT:016x}",
        document=document,
        title=title,
        text=text,
        metadata=metadata,
        start=start,
        end=end,
        heading=tuple(heading),
        **scores,
    )
