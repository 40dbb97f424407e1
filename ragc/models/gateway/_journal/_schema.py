"""The journal's tables, and how a file is known to be a journal.

    entries     a response each; `body` is its request (numbers of texts) and its response, compressed together
    texts       what requests are made of; a text that stands in many of them is stored once
    origins     what entries have in common: kind, model, provider, task, and the run that paid
    flights     requests that are on their way: reservation and claim in one
    unanswered  requests that may have been paid for and brought no response that counts
    runs, steps, uses, failures     what was decided on what
    artifacts, needs                the run of each sealed artifact as it was then, and the entries that it used
    generations                     how often a task was asked everything anew
    vectors                         which entry holds the vector of which text (from schema 2 on)

Keys are the 32 bytes of a SHA-256, US dollars exact fractions as text (`3/20000`), times whole microseconds since 1970.
"""

from __future__ import annotations

import apsw

from ragc.errors import RagcError
from ragc.models.gateway._journal._vectors import COLUMNS as VECTORS

APPLICATION = 0x5241474A
"""`PRAGMA application_id` of a journal: "RAGJ"."""
SCHEMA = 2
"""`PRAGMA user_version`, and once more in `meta`, so that a flipped bit is not taken for a newer schema."""
PAGE = 4096
"""Bytes of a page of the file."""

_AMOUNTS = "calls INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, usd TEXT NOT NULL"

TABLES = {
    "meta": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
    "texts": "id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL",
    "origins": (
        "id INTEGER PRIMARY KEY, kind TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, task TEXT NOT NULL,"
        " run TEXT NOT NULL, UNIQUE (run, task, model, provider, kind)"
    ),
    "entries": (
        "id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, origin INTEGER NOT NULL, input_tokens INTEGER NOT NULL,"
        " cached_input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, usd TEXT, seconds REAL NOT NULL,"
        " created INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL"
    ),
    "flights": f"key BLOB PRIMARY KEY, run TEXT NOT NULL, owner TEXT NOT NULL, {_AMOUNTS}",
    "unanswered": f"id INTEGER PRIMARY KEY, run TEXT NOT NULL, key BLOB NOT NULL, why TEXT NOT NULL, {_AMOUNTS}",
    "runs": (
        "number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL, identity TEXT NOT NULL,"
        " components TEXT NOT NULL, caps TEXT NOT NULL, generation INTEGER NOT NULL, state TEXT NOT NULL, stop INTEGER,"
        " admitted INTEGER NOT NULL,"
        " artifact TEXT, seconds REAL NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL"
    ),
    "steps": "run TEXT NOT NULL, number INTEGER NOT NULL, label TEXT NOT NULL, PRIMARY KEY (run, number)",
    "uses": (
        "run TEXT NOT NULL, step INTEGER NOT NULL, position INTEGER NOT NULL, example TEXT, ordinal INTEGER NOT NULL,"
        " key BLOB NOT NULL, error TEXT, PRIMARY KEY (run, step, position)"
    ),
    "failures": "run TEXT NOT NULL, key BLOB NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (run, key)",
    "artifacts": "id TEXT NOT NULL, run TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (id, run)",
    "needs": "artifact TEXT NOT NULL, key BLOB NOT NULL, PRIMARY KEY (artifact, key)",
    "generations": "task TEXT PRIMARY KEY, generation INTEGER NOT NULL",
    "vectors": VECTORS,
}
"""Name to columns; all STRICT. What has no number of its own is stored in the order of its primary key."""
_FIRST_IN = {"vectors": 2}
"""The schema from which on a journal has a table; the others are in every journal."""


class Damaged(Exception):
    """What was read is not what was written. Never reaches a user: the journal is set aside, or says so."""


def create(connection: apsw.Connection) -> None:
    """Make the tables of a new journal, inside the caller's transaction."""
    for name in TABLES:
        create_table(connection, name)
    connection.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA),))
    connection.pragma("application_id", APPLICATION)
    connection.pragma("user_version", SCHEMA)


def create_table(connection: apsw.Connection, name: str) -> None:
    """Make one of the tables, inside the caller's transaction."""
    columns = TABLES[name]
    numbered = "INTEGER PRIMARY KEY" in columns
    connection.execute(f"CREATE TABLE {name} ({columns}) {'STRICT' if numbered else 'STRICT, WITHOUT ROWID'}")


def schema_of(connection: apsw.Connection) -> int:
    """Return the schema of a journal."""
    schema: int = connection.pragma("user_version")
    return schema


def check(connection: apsw.Connection, name: str) -> bool:
    """Return whether the database `name` is a journal, False when it is new and empty.

    Raises RagcError when a newer ragc made it, Damaged when it is neither.
    """
    tables = {table for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    application, schema = connection.pragma("application_id"), connection.pragma("user_version")
    if not tables and not application and not schema:
        return False
    if application != APPLICATION or "meta" not in tables:
        raise Damaged("it is no journal of ragc")
    noted = connection.execute("SELECT value FROM meta WHERE name = 'schema'").get
    if noted != str(schema):
        raise Damaged(f"its header says schema {schema}, its tables say {noted}")
    if schema > SCHEMA:
        raise RagcError(
            f"{name} was made by a newer ragc (journal schema {schema}, this one knows {SCHEMA}); upgrade ragc, or move"
            " the file away to begin a new journal"
        )
    lacking = {name for name in TABLES if _FIRST_IN.get(name, 1) <= schema} - tables
    if lacking:
        raise Damaged(f"it lacks the table {min(lacking)}")
    return True
