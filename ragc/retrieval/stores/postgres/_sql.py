"""The SQL of the PostgreSQL store: its tables, and filters as conditions. No text of a user's ever becomes SQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from ragc.errors import StoreError
from ragc.retrieval._filters import Condition
from ragc.retrieval.stores.postgres._connections import Connection, run
from ragc.retrieval.stores.postgres._server import Server

MARK = "ragc index, schema "
"""Begins the comment on the table of collections; the number that follows is raised with every change of tables."""
SCHEMA = 1
OLDEST = (0, 8)
"""The first pgvector that goes on scanning an index while a filter takes results away."""
SHIFT = 2**63
"""A passage's number is its id, 64 bits, less this: PostgreSQL's integers are signed."""

COLLECTIONS = """
CREATE TABLE {schema}.collections (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  made_with text NOT NULL,
  corpus_version text,
  complete boolean NOT NULL DEFAULT FALSE,
  documents bigint NOT NULL DEFAULT 0,
  passages bigint NOT NULL DEFAULT 0,
  words bigint NOT NULL DEFAULT 0,
  nearby boolean NOT NULL DEFAULT FALSE
)
"""
"""`made_with` is JSON of MadeWith, `words` the sum of passages' lengths, `nearby` whether there is an HNSW index."""

# A collection has tables of its own, so that words are counted within it and vectors have one length. {n} is schema and
# number. Ids of documents stand by their SHA-256, since an index takes no text of more than 2,700 bytes. What a passage
# is read from is JSON and not columns, because those cannot hold every text.
TABLES = (
    "CREATE TABLE {schema}.documents_{n} (hash bytea PRIMARY KEY, id text NOT NULL, digest text NOT NULL,"
    " metadata jsonb NOT NULL, passages bigint NOT NULL)",
    "CREATE INDEX ON {schema}.documents_{n} USING gin (metadata jsonb_path_ops)",
    'CREATE TABLE {schema}.passages_{n} (number bigint PRIMARY KEY, document bytea NOT NULL, "start" bigint NOT NULL,'
    " key text NOT NULL, content json NOT NULL, length bigint NOT NULL, body tsvector NOT NULL,"
    " vector vector({dimensions}))",
    "CREATE INDEX ON {schema}.passages_{n} (document)",
    "CREATE INDEX ON {schema}.passages_{n} USING hash (key)",
    "CREATE INDEX ON {schema}.passages_{n} USING gin (body)",
    'CREATE TABLE {schema}.words_{n} (word text COLLATE "C" PRIMARY KEY, passages bigint NOT NULL)',
)
TABLE_NAMES = ("documents", "passages", "words")

_SIGNS = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Allowed(NamedTuple):
    """Which documents a search may find: conditions on `d`, a row of the documents, and the values bound in them."""

    sql: str
    """Empty: all."""
    values: list[Any]


def is_index(connection: Connection, server: Server) -> bool:
    """Return whether ragc's tables are there, False when nothing is; StoreError when they are others or newer."""
    table = f"{server.schema}.collections"
    found = run(connection, "SELECT to_regclass(%s), obj_description(to_regclass(%s))", [table, table]).fetchone()
    regclass, comment = found or (None, None)
    if regclass is None:
        return False
    if not str(comment).startswith(MARK):
        raise StoreError(
            f"{server.shown}: the schema {server.schema} has tables of somebody else's; add ?schema=NAME to `store`"
        )
    if (held := int(str(comment).removeprefix(MARK))) > SCHEMA:
        raise StoreError(
            f"{server.shown}: the schema {server.schema} was made by a newer ragc (index schema {held}, this one knows "
            f"{SCHEMA}); upgrade ragc, or add ?schema=NAME to `store`"
        )
    return True


def prepare(connection: Connection, server: Server) -> None:
    """Make the schema and the table of collections unless they are there, and see that pgvector is."""
    run(connection, "SELECT pg_advisory_xact_lock(0x7261676331)")  # two that create the same at once: one would fail
    available = run(
        connection, "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if available is None:
        raise StoreError(
            f"{server.shown} has no pgvector; install it on the server (https://github.com/pgvector/pgvector)"
        )
    version = available[1] or available[0]
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise StoreError(
            f"{server.shown} has pgvector {version}, {'.'.join(map(str, OLDEST))} or newer is needed; "
            "upgrade it, then ALTER EXTENSION vector UPDATE"
        )
    if available[1] is None:
        run(connection, "CREATE EXTENSION vector")
    if is_index(connection, server):
        return
    run(connection, f"CREATE SCHEMA IF NOT EXISTS {server.schema}")
    run(connection, COLLECTIONS.format(schema=server.schema))
    run(connection, f"COMMENT ON TABLE {server.schema}.collections IS '{MARK}{SCHEMA}'")


def hashed(document: str) -> bytes:
    """Return what a document's id stands as in an index."""
    return hashlib.sha256(document.encode("utf-8", "surrogatepass")).digest()


def allowed(conditions: Sequence[Condition]) -> Allowed:
    """Return which documents fulfil all conditions."""
    tests: list[str] = []
    values: list[Any] = []
    for condition in conditions:
        test, bound = _test(condition)
        tests.append(f"({test})")
        values += bound
    return Allowed(" AND ".join(tests), values)


def _test(condition: Condition) -> tuple[str, list[Any]]:
    field, operator, value = condition.field, condition.operator, condition.value
    wanted = list(value) if isinstance(value, tuple) else [value]
    if "\0" in field:  # no document has it: metadata with it is refused
        return "FALSE", []
    if operator in ("eq", "in", "ne"):
        same, bound = _same_as_any(field, wanted)
        if operator != "ne":
            return same, bound
        if field == "document":
            return f"NOT {same}", bound
        # Exists and is not null: what is not there fulfils nothing, not even this.
        return f"jsonb_typeof(d.metadata -> %s) <> 'null' AND NOT {same}", [field, *bound]
    sign = _SIGNS[operator]
    if not isinstance(value, str):
        if field == "document":
            return "FALSE", []
        # Compared as JSON, which never fails on another type.
        return (
            f"jsonb_typeof(d.metadata -> %s) = 'number' AND (d.metadata -> %s) {sign} %s::jsonb",
            [field, field, json.dumps(value)],
        )
    if "\0" in value:
        # PostgreSQL's texts have no NUL, so none is equal; they stand before or after as they do to what precedes it.
        value, sign = value.partition("\0")[0], "<=" if operator in ("lt", "lte") else ">"
    if field == "document":
        return f'd.id COLLATE "C" {sign} %s', [value]
    return (
        f"""jsonb_typeof(d.metadata -> %s) = 'string' AND (d.metadata ->> %s) COLLATE "C" {sign} %s""",
        [field, field, value],
    )


def _same_as_any(field: str, wanted: Sequence[str | int | float | bool]) -> tuple[str, list[Any]]:
    if field == "document":
        return "d.hash = ANY(%s)", [[hashed(value) for value in wanted if isinstance(value, str)]]
    known = [value for value in wanted if not (isinstance(value, str) and "\0" in value)]
    # jsonb compares the values of one type alone, and numbers by what they are: 2 and 2.0 are one. Which documents hold
    # the object is found in the index.
    objects = [json.dumps({field: value}, ensure_ascii=False) for value in known]
    return f"({' OR '.join(['d.metadata @> %s::jsonb'] * len(objects)) or 'FALSE'})", objects
