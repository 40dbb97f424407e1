"""What PostgreSQL, its client and the network object to, as one line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import psycopg
from psycopg import errors as theirs

from ragc._secrets import redact
from ragc.errors import StoreError
from ragc.retrieval.stores._entries import half_a_character
from ragc.retrieval.stores.postgres._server import Server

MOST = 300
"""Characters of a server's own words that are shown."""


@contextlib.contextmanager
def told(server: Server) -> Iterator[None]:
    """Turn whatever is raised about the server into a StoreError; what is one already passes."""
    try:
        yield
    except psycopg.Error as error:
        raise _error(server, error) from error
    except UnicodeEncodeError as error:
        raise half_a_character(server.shown) from error


def _error(server: Server, error: psycopg.Error) -> StoreError:
    said = redact(re.sub(r"\s+", " ", str(error)).strip())[:MOST]
    shown = server.shown
    if "NUL" in said and isinstance(error, psycopg.DataError):
        return StoreError(f"{shown} keeps no NUL character in an id; mend the document")
    if isinstance(error, theirs.InvalidPassword) or re.search(r"authentication failed|no password supplied", said):
        return StoreError(f"{shown} refuses user or password; correct `store`, PGPASSWORD or ~/.pgpass")
    if re.search(r'database "[^"]*" does not exist', said):
        return StoreError(f"{shown}: there is no such database; create it, or correct `store`")
    if isinstance(error, theirs.InsufficientPrivilege):
        return StoreError(f"{shown}: {said}; grant this user what is missing (CREATE on the database, or the schema)")
    if isinstance(error, theirs.ReadOnlySqlTransaction):
        return StoreError(f"{shown} is read-only (a standby?) and cannot be changed; name the primary in `store`")
    if isinstance(error, (theirs.DiskFull, theirs.OutOfMemory, theirs.ConfigurationLimitExceeded)):
        return StoreError(f"{shown} takes no more: {said}; give it room, then run the command again")
    if isinstance(error, theirs.TooManyConnections) or "too many clients" in said:
        return StoreError(f"{shown} has no connection left; raise max_connections, or use fewer threads")
    if isinstance(error, (theirs.UndefinedColumn, theirs.UndefinedTable, theirs.DatatypeMismatch)):
        return StoreError(
            f"{shown}: the tables in schema {server.schema} do not match what ragc makes ({said}); "
            f"drop that schema, or add ?schema=NAME to `store`"
        )
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return StoreError(f"{shown} cannot be reached ({said}); start the server, or correct `store`")
    return StoreError(f"{shown}: {said}")
