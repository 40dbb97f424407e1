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
from ragc.models.gateway._journal._database import Database, told
from ragc.models.gateway._journal._salvage import DAMAGE, requests_without_texts, salvage, unsound
from ragc.models.gateway._journal._schema import check, create

__all__ = ["DAMAGE", "mark", "set_aside", "tell", "why_damaged"]


def tell(database: Database, error: Exception) -> Exception:
    """Return what a caller raises for `error`, in one line; damage is marked, for the next opening to look into."""
    if not isinstance(error, DAMAGE):
        return told(database.name, error)
    if database.path is not None:
        with contextlib.suppress(OSError):
            mark(database.path).touch()
    how = (
        "a command that writes to it, such as `ragc compile`, sets it aside"
        if database.read_only
        else "run the command again: it is set aside"
    )
    return RagcError(f"{database.name} is damaged ({error}); {how}, and what can be read is kept")


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
                return " ".join(str(found).split())
            for row in unsound(connection):
                return f"a row of {row.table} is not what was stored"
            for _ in requests_without_texts(connection):
                return "a text is missing"
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
    for suffix in ("", "-wal", "-shm"):
        rescued.with_name(f"{rescued.name}{suffix}").unlink(missing_ok=True)
    new = Database(rescued)
    try:
        with new.writer() as connection:
            create(connection)
            kept = salvage(path, connection)
    except (apsw.Error, OSError) as error:
        raise told(shown_path(rescued), error) from error
    finally:
        new.close()
    # The log first: beside a new file it would be taken for that file's own. Its index is made anew when it is needed.
    log, index = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))
    if log.exists() and log.stat().st_size:
        os.replace(log, aside.with_name(f"{aside.name}-wal"))
    for file in (log, index):
        file.unlink(missing_ok=True)
    try:
        os.link(path, aside)  # so that there is a journal of this name at every moment
    except OSError:  # where the file system has no second names
        os.replace(path, aside)
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
