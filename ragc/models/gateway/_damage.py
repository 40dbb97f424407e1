"""A damaged journal: set aside under another name, and what can still be read carried over into a new one.

A header is looked at whenever a journal is opened. A page deep inside is found when it is read: the run then ends with
one line, a mark beside the file says so, and whoever opens the journal next reads all of it before believing the mark.
The damaged file is never deleted, and nothing is carried over whose checksum does not fit.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

import apsw

from ragc._files import fsync_folder
from ragc._messages import counted, shown_path
from ragc.errors import RagcError
from ragc.models.gateway._database import Database, told
from ragc.models.gateway._rows import SELECT, checksum, entry_of, opened, packed
from ragc.models.gateway._schema import TABLES, Damaged, check, create
from ragc.models.gateway._texts import checked, deflated, digest_of, encoded

DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError, Damaged)
"""What reading a damaged file raises."""
_LOST = '{"lost":"the journal was damaged"}'
"""The request of an entry whose response alone could be carried over."""


def tell(database: Database, error: Exception) -> Exception:
    """Return what a caller raises for `error`, in one line; damage is marked, for the next opening to look into."""
    if not isinstance(error, DAMAGE):
        return told(database.name, error)
    if database.path is not None and not database.read_only:
        with contextlib.suppress(OSError):
            mark(database.path).touch()
    return RagcError(
        f"{database.name} is damaged ({error}); run the command again: it is set aside, and what can be read is kept"
    )


def mark(path: Path) -> Path:
    """The file that says that the journal at `path` was seen to be damaged."""
    return path.with_name(f"{path.name}.suspect")


def why_damaged(database: Database) -> str | None:
    """Read the journal whole, and return what is wrong with it; None: nothing is."""
    try:
        with database.reading() as connection:
            check(connection, database.name)
            found = connection.execute("PRAGMA integrity_check(1)").get
            if found != "ok":
                return str(found)
            texts = _sound_texts(connection)
            for row in connection.execute(SELECT):
                entry_of(row, lambda _: {})
                if not texts.issuperset(opened(row[8])[0]):
                    raise Damaged("a text is missing")
    except (*DAMAGE, apsw.SQLError) as error:
        return str(error)
    return None


def set_aside(path: Path, why: str) -> str:
    """Move the damaged journal away, put one in its place that holds what could be read, and return what to say.

    To be called alone with the file, with every connection to it closed. Raises RagcError when the disk is full; then
    nothing has been moved.
    """
    aside = _free_name(path)
    rescued = path.with_name(f"{path.name}.rescued")
    for leftover in _files(rescued):
        leftover.unlink(missing_ok=True)
    new = Database(rescued)
    try:
        with new.writer() as connection:
            create(connection)
            kept = _salvage(path, connection)
    except (apsw.Error, OSError) as error:
        raise told(shown_path(rescued), error) from error
    finally:
        new.close()
    # The log first: beside a new file it would be taken for that file's own.
    for old, moved in zip(_files(path)[::-1], _files(aside)[::-1], strict=True):
        if old.exists():
            os.replace(old, moved)
    os.replace(rescued, path)
    mark(path).unlink(missing_ok=True)
    fsync_folder(path.parent)
    return (
        f"{shown_path(path)} was damaged ({why}): it is set aside as {aside.name},"
        f" and {counted(kept, 'response')} that could be read {'is' if kept == 1 else 'are'} kept"
    )


def _free_name(path: Path) -> Path:
    name = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    number, aside = 1, path.with_name(name)
    while aside.exists():
        number += 1
        aside = path.with_name(f"{name}-{number}")
    return aside


def _files(path: Path) -> list[Path]:
    return [path, *(path.with_name(f"{path.name}{suffix}") for suffix in ("-shm", "-wal"))]


def _sound_texts(connection: apsw.Connection) -> set[int]:
    sound = set()
    for number, digest, body in connection.execute("SELECT id, digest, body FROM texts"):
        checked(digest, body)
        sound.add(number)
    return sound


def _salvage(path: Path, new: apsw.Connection) -> int:
    """Copy what can be read into the new tables, and return how many entries that are."""
    old = Database(path, read_only=True)
    try:
        for table in TABLES:
            if table != "meta":
                for direction in ("ASC", "DESC"):  # from both ends up to the page that cannot be read
                    with contextlib.suppress(*DAMAGE, apsw.SQLError, apsw.IOError):
                        _copy(old, new, table, direction)
    finally:
        with contextlib.suppress(apsw.Error):
            old.close()
    return _drop_unsound(new)


def _copy(old: Database, new: apsw.Connection, table: str, direction: str) -> None:
    with old.reading() as connection:
        key = connection.execute("SELECT group_concat(name) FROM pragma_table_info(?) WHERE pk > 0", (table,)).get
        rows = connection.execute(
            f"SELECT * FROM {table} ORDER BY {f' {direction}, '.join(key.split(','))} {direction}"
        )
        for row in rows:
            with contextlib.suppress(apsw.ConstraintError):  # copied already, or not what the table is made for
                new.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _drop_unsound(new: apsw.Connection) -> int:
    """Take out what its checksum does not fit; an entry whose request alone is gone stays without it."""
    texts = set()
    for number, digest, body in new.execute("SELECT id, digest, body FROM texts").fetchall():
        try:
            checked(digest, body)
            texts.add(number)
        except Damaged:
            new.execute("DELETE FROM texts WHERE id = ?", (number,))
    lost: int | None = None
    kept = 0
    for id, *row in new.execute(SELECT.replace("SELECT ", "SELECT e.id, ", 1)).fetchall():
        try:
            entry_of(row, lambda _: {})
            numbers, response = opened(row[8])
        except (Damaged, ValueError):
            new.execute("DELETE FROM entries WHERE id = ?", (id,))
            continue
        kept += 1
        if not texts.issuperset(numbers):
            if lost is None:
                new.execute(
                    "INSERT INTO texts (digest, body) VALUES (?, ?)",
                    (digest_of(encoded(_LOST)), deflated(encoded(_LOST))),
                )
                lost = new.last_insert_rowid()
                texts.add(lost)
            body = packed([lost], response)
            new.execute("UPDATE entries SET body = ?, crc = ? WHERE id = ?", (body, checksum(row[:8], body), id))
    new.execute("DELETE FROM entries WHERE origin NOT IN (SELECT id FROM origins)")
    return kept
