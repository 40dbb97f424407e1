"""The SQL of the SQLite store: its tables, and filters as conditions. No text of a user's ever becomes SQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import apsw

from ragc.errors import StoreError
from ragc.retrieval._filters import Condition

TOKENIZER = ("unicode61", "remove_diacritics", "1")
"""FTS5's word tokenizer: letters and digits of any script make words; case and accents are folded."""

SHIFT = 2**63
"""A passage's number is its id, 64 bits, less this: SQLite's integers are signed."""
APPLICATION = 0x52414743
"""`PRAGMA application_id` of an index: "RAGC"."""
SCHEMA = 2
"""`PRAGMA user_version`: raised with every change of the tables below; newer ones are refused, older ones made anew."""

COLLECTIONS = """
CREATE TABLE collections (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  made_with TEXT NOT NULL,        -- JSON of MadeWith
  corpus_version TEXT,
  complete INTEGER NOT NULL DEFAULT 0,
  generation INTEGER NOT NULL DEFAULT 0,  -- counts writes
  documents INTEGER NOT NULL DEFAULT 0,
  passages INTEGER NOT NULL DEFAULT 0,
  holes INTEGER NOT NULL DEFAULT 0  -- vectors deleted since they were last written anew
)
"""

# A collection has tables of its own, so that BM25 counts words within it. {n} is its number. Passages are
# numbered in the order of their ids, so that ties by number are ties by id; the last two tables call it the rowid.
TABLES = (
    "CREATE TABLE documents_{n} (id TEXT PRIMARY KEY, digest TEXT NOT NULL, title TEXT NOT NULL,"
    " metadata TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE passages_{n} (number INTEGER PRIMARY KEY, document TEXT NOT NULL, start INTEGER NOT NULL,"
    ' "end" INTEGER NOT NULL, heading TEXT NOT NULL, text TEXT NOT NULL, key TEXT NOT NULL)',
    "CREATE INDEX passages_{n}_document ON passages_{n} (document)",
    "CREATE INDEX passages_{n}_key ON passages_{n} (key)",
    "CREATE VIRTUAL TABLE vectors_{n} USING vec0 (vector float[{dimensions}] distance_metric=cosine)",
    "CREATE VIRTUAL TABLE texts_{n} USING fts5"
    f" (body, content = '', contentless_delete = 1, tokenize = '{' '.join(TOKENIZER)}')",
)
TABLE_NAMES = ("documents_{n}", "passages_{n}", "vectors_{n}", "texts_{n}")

_SIGNS = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

Values = list[str | int | float | bytes]


class Allowed(NamedTuple):
    """Which passages a search may find: a subquery for their numbers and the values bound in it; no SQL: all."""

    sql: str
    values: Values

    def clause(self, column: str) -> str:
        """Return the condition that `column` holds an allowed number, to stand after another condition."""
        return f"AND {column} IN ({self.sql})" if self.sql else ""


def is_index(connection: apsw.Connection, path: Path) -> bool:
    """Return whether the database is an index that can be read: False when it is new, or an older ragc's.

    Raises StoreError when it is anything else, or newer.
    """
    schema, application = connection.pragma("user_version"), connection.pragma("application_id")
    if application == APPLICATION:
        if schema > SCHEMA:
            raise StoreError(
                f"{path} was made by a newer ragc (index schema {schema}, this one knows {SCHEMA}); "
                "upgrade ragc, or delete the file and run `ragc index`"
            )
        return bool(schema == SCHEMA)
    if application or schema or connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").get:
        raise StoreError(f"{path} is an SQLite file of something else; choose another path for `store`")
    return False


def begin(connection: apsw.Connection) -> None:
    """Make the tables of a new index, inside the caller's transaction; what an older ragc left in the file goes."""
    for kind in ("CREATE VIRTUAL TABLE", "CREATE TABLE"):  # a virtual one takes those along that it keeps its data in
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql LIKE ?",
            (f"{kind}%",),
        )
        for (name,) in list(tables):
            connection.execute(f'DROP TABLE "{name}"')
    connection.pragma("application_id", APPLICATION)
    connection.pragma("user_version", SCHEMA)
    connection.execute(COLLECTIONS)


def allowed(n: int, conditions: Sequence[Condition]) -> Allowed:
    """Return which passages fulfil all conditions."""
    if not conditions:
        return Allowed("", [])
    tests: list[str] = []
    values: Values = []
    for condition in conditions:
        test, bound = _test(condition)
        tests.append(test)
        values += bound
    where = " AND ".join(tests)
    sql = f"SELECT p.number FROM passages_{n} AS p JOIN documents_{n} AS d ON d.id = p.document WHERE {where}"
    return Allowed(sql, values)


def _test(condition: Condition) -> tuple[str, Values]:
    if condition.field == "document":
        return _compared("d.id", "'text'", condition)
    test, values = _compared("m.value", "m.type", condition)
    found = f"EXISTS (SELECT 1 FROM json_each(d.metadata) AS m WHERE m.key = ? AND m.type != 'null' AND {test})"
    return found, [condition.field, *values]


def _compared(column: str, type_: str, condition: Condition) -> tuple[str, Values]:
    if condition.operator == "in":
        wanted = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        parts = [_one(column, type_, "=", value) for value in wanted]
        test = " OR ".join(part for part, _ in parts) or "FALSE"
        return f"({test})", [value for _, values in parts for value in values]
    if isinstance(condition.value, tuple):
        return "FALSE", []
    if condition.operator == "ne":
        test, values = _one(column, type_, "=", condition.value)
        return f"NOT ({test})", values
    return _one(column, type_, _SIGNS[condition.operator], condition.value)


def _one(column: str, type_: str, sign: str, value: str | int | float | bool) -> tuple[str, Values]:
    # JSON's true and 1 are both the integer 1 in SQL, so that the type is compared as well.
    if isinstance(value, bool):
        return f"{type_} = ?", ["true" if value else "false"]
    if isinstance(value, str):
        return f"({type_} = 'text' AND {column} {sign} ?)", [value]
    return f"({type_} IN ('integer', 'real') AND {column} {sign} ?)", [value]
