"""What can still be read of a damaged journal, carried over into a new one. Nothing whose checksum does not fit is."""

from __future__ import annotations

import contextlib
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from ragc.models.gateway._journal import _runs, _vectors
from ragc.models.gateway._journal._database import Database
from ragc.models.gateway._journal._rows import SELECT, checksum, entry_of, opened, packed, price
from ragc.models.gateway._journal._schema import APPLICATION, PAGE, SCHEMA, TABLES, Damaged
from ragc.models.gateway._journal._texts import checked, deflated, digest_of, encoded

DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError, UnicodeDecodeError, Damaged)
"""What reading a damaged file raises."""
_LOST = encoded('{"lost":"the journal was damaged"}')
"""The request of an entry whose response alone could be carried over."""
_ENTRIES = SELECT.replace("SELECT ", "SELECT e.id, ", 1)


class Unsound(NamedTuple):
    """A row that is not what was stored."""

    table: str
    where: str
    values: tuple[Any, ...]


def salvage(path: Path, new: apsw.Connection) -> int:
    """Copy what can be read of the journal at `path` into new tables, and return how many entries that are.

    Where nothing can be read, a copy is tried whose header is as a journal's is. Raises OSError.
    """
    _copy_tables(path, new)
    if not new.execute("SELECT count(*) FROM entries").get:
        mended = path.with_name(f"{path.name}.mended")
        try:
            _mend(path, mended)
            _copy_tables(mended, new)
        finally:
            for suffix in ("", "-wal", "-shm"):
                mended.with_name(f"{mended.name}{suffix}").unlink(missing_ok=True)
    for row in list(unsound(new)):
        new.execute(f"DELETE FROM {row.table} WHERE {row.where}", row.values)
    new.execute("DELETE FROM uses WHERE NOT EXISTS (SELECT 1 FROM steps AS s WHERE s.run = uses.run AND number = step)")
    _vectors.remove_lost(new)
    _replace_origins(new)
    _replace_requests(new)
    kept: int = new.execute("SELECT count(*) FROM entries").get
    return kept


def unsound(connection: apsw.Connection) -> Iterator[Unsound]:
    """Yield the rows that are not what was stored, as far as a row tells by itself."""
    for number, *row in connection.execute(_ENTRIES.replace(" JOIN", " LEFT JOIN")):
        try:
            entry_of(row, lambda _: {})
        except Damaged:
            yield Unsound("entries", "id = ?", (number,))
    for number, digest, body in connection.execute("SELECT id, digest, body FROM texts"):
        try:
            checked(digest, body)
        except (Damaged, UnicodeDecodeError):
            yield Unsound("texts", "id = ?", (number,))
    for (number,) in list(connection.execute("SELECT number FROM runs")):
        try:
            _runs.find(connection, "number = ?", (number,))
        except Damaged:
            yield Unsound("runs", "number = ?", (number,))
    for id, run, record in connection.execute("SELECT id, run, record FROM artifacts"):
        try:
            _runs.record_of(record)
        except Damaged:
            yield Unsound("artifacts", "id = ? AND run = ?", (id, run))
    for table in ("flights", "unanswered"):
        for key, usd in connection.execute(f"SELECT key, usd FROM {table}"):
            try:
                price(usd)
            except Damaged:
                yield Unsound(table, "key = ?", (key,))


def requests_without_texts(connection: apsw.Connection) -> Iterator[tuple[int, list[Any]]]:
    """Yield number and row of the entries whose requests refer to texts that are not there."""
    texts = {number for (number,) in connection.execute("SELECT id FROM texts")}
    for number, *row in connection.execute(_ENTRIES):
        if not texts.issuperset(opened(row[8])[0]):
            yield number, row


def _mend(path: Path, mended: Path) -> None:
    """Copy a file, with the header of a journal of its length that has no free pages."""
    shutil.copyfile(path, mended)
    pages = mended.stat().st_size // PAGE
    values = (PAGE, 2, 2, 0, 64, 32, 32, 1, pages, 0, 0, 1, 4, 0, 0, 1, SCHEMA, 0, APPLICATION, 1, 3_050_000)
    with mended.open("r+b") as file:
        file.write(struct.pack(">16sH6B12I20x2I", b"SQLite format 3", *values))


def _copy_tables(path: Path, new: apsw.Connection) -> None:
    old = Database(path, read_only=True)
    try:
        for table in TABLES:
            if table != "meta":
                for direction in ("ASC", "DESC"):  # from both ends, up to the page that cannot be read
                    with contextlib.suppress(*DAMAGE, apsw.SQLError, apsw.IOError):
                        _copy(old, new, table, direction)
    finally:
        with contextlib.suppress(apsw.Error):
            old.close()


def _copy(old: Database, new: apsw.Connection, table: str, direction: str) -> None:
    with old.reading() as connection:
        names = [name for name, *_ in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        keys = list(connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,)))
        order = ", ".join(f"{name} {direction}" for (name,) in keys)
        for row in connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}"):
            with contextlib.suppress(apsw.ConstraintError):  # copied already, or nothing that fits the table
                new.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _replace_origins(new: apsw.Connection) -> None:
    """Give the entries whose origin is gone one of their own, so that their responses stay."""
    missing = "SELECT DISTINCT origin FROM entries WHERE origin NOT IN (SELECT id FROM origins)"
    for (origin,) in list(new.execute(missing)):
        new.execute(
            "INSERT INTO origins (id, kind, model, provider, task, run) VALUES (?, 'lm', '?', '?', '?', ?)",
            (origin, f"damaged-{origin}"),
        )


def _replace_requests(new: apsw.Connection) -> None:
    """Give the entries whose request is gone one that says so, so that their responses stay."""
    without = list(requests_without_texts(new))
    if not without:
        return
    new.execute("INSERT INTO texts (digest, body) VALUES (?, ?)", (digest_of(_LOST), deflated(_LOST)))
    lost = new.last_insert_rowid()
    for number, row in without:
        body = packed([lost], opened(row[8])[1])
        new.execute("UPDATE entries SET body = ?, crc = ? WHERE id = ?", (body, checksum(row[:8], body), number))
