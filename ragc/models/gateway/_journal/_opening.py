"""Opening a journal: a new one is made, an older one mended, a damaged one set aside, a newer one refused."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from ragc._files import fsync_folder
from ragc._messages import shown_path
from ragc.errors import RagcError
from ragc.models.gateway._journal import _damage
from ragc.models.gateway._journal._database import Database
from ragc.models.gateway._journal._presence import Presence
from ragc.models.gateway._journal._schema import SCHEMA, Damaged, check, create, schema_of
from ragc.models.gateway._journal._upgrade import upgrade


@dataclass
class Opened:
    """An open journal: its file, the locks that say so, and what a person should be told."""

    database: Database
    presence: Presence
    notes: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Close the file and give the locks back."""
        self.database.close()
        self.presence.leave()


def opened(path: Path | None, *, read_only: bool) -> Opened:
    """Open the journal at `path`, or one in memory. Raises RagcError in one line."""
    database = Database(path, read_only=read_only)
    try:
        if path is not None and read_only and not path.exists():
            raise RagcError(f"there is no journal {shown_path(path)}")
        journal = Opened(database, Presence(None if path is None else path.with_suffix(".owners"), read_only=read_only))
        try:
            _begin(journal)
        except BaseException:
            journal.close()
            raise
        return journal
    except (apsw.Error, OSError, *_damage.DAMAGE) as error:
        raise _damage.tell(database, error) from error


def _begin(journal: Opened) -> None:
    """Make sure that there is a sound journal, as far as its header tells."""
    database = journal.database
    if database.read_only:
        with database.reading() as connection:
            if not check(connection, database.name):
                raise RagcError(f"{database.name} is empty")
        return
    why = _prepared(database)
    path = database.path
    if path is None or (why is None and not _damage.mark(path).exists()):
        return
    database.close()
    with journal.presence.alone(database.name, "it is damaged and can be set aside"):
        why = _prepared(database) or _damage.why_damaged(database)
        database.close()
        if why is None:
            _damage.mark(path).unlink(missing_ok=True)
        else:
            journal.notes.append(_damage.set_aside(path, why))
    why = _prepared(database)
    if why is not None:
        raise Damaged(why)


def _prepared(database: Database) -> str | None:
    """Open the connection that writes, and make the tables of a new journal. Returns why it is damaged, if it is."""
    try:
        connection = database.writer()
        if connection.readonly("main"):
            _complain(database)
        if check(connection, database.name) and schema_of(connection) == SCHEMA:
            return None
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not check(connection, database.name):  # nobody else has been faster
                create(connection)
            elif schema_of(connection) < SCHEMA:
                upgrade(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(apsw.Error):
                connection.execute("ROLLBACK")
            raise
        if database.path is not None:
            fsync_folder(database.path.parent)
    except (*_damage.DAMAGE, apsw.SQLError) as error:
        return str(error)
    return None


def _complain(database: Database) -> None:
    """SQLite takes the file for read-only: because it is, or because a byte of its header says so."""
    if database.path is not None and os.access(database.path, os.W_OK):
        raise Damaged("its header says that it cannot be written")
    raise RagcError(f"{database.name} cannot be written; see who owns it and its folder")
