"""Connections to PostgreSQL: lent to one thread at a time, never used or closed after a fork."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import errors as theirs
from psycopg.rows import TupleRow
from psycopg.types.string import TextLoader

from ragc.errors import StoreError
from ragc.retrieval.stores.postgres._server import Server
from ragc.retrieval.stores.postgres._told import told

Connection = psycopg.Connection[TupleRow]
T = TypeVar("T")

TIMEOUT = 10
"""Seconds to wait for a connection."""
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""Everything in such a transaction sees one state."""

# Connections that a fork left in the child: to close one there would end the parent's session.
_inherited: list[Connection] = []


class Connections:
    """Lends connections to a database; opens them as needed and keeps the idle ones."""

    def __init__(self, server: Server, *, read_only: bool) -> None:
        self.server = server
        self._read_only = read_only
        # A deque's append and pop are atomic: there is no lock that a fork could copy while it is held.
        self._idle: deque[Connection] = deque()
        self._process = os.getpid()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns for a connection in a transaction that sees one state.

        It is called again when the server had closed the connection, and when a table went while it was read: another
        process had made the collection anew. Raises StoreError on whatever PostgreSQL or the network object to.
        """
        with told(self.server):
            try:
                return self._once(work)
            except (psycopg.OperationalError, psycopg.InterfaceError, theirs.UndefinedTable):
                self.close()
                return self._once(work)

    @contextlib.contextmanager
    def writing(self, lock: str) -> Iterator[Connection]:
        """Lend a connection inside a transaction, committed at the end of the block and else rolled back.

        Those with the same `lock` wait for each other. Raises StoreError, also when the store was opened read-only.
        """
        self.check_writable()
        with told(self.server), contextlib.closing(self._opened()) as connection, connection.transaction():
            run(connection, "SELECT pg_advisory_xact_lock(%s)", [_number(lock)])
            yield connection

    @contextlib.contextmanager
    def locked(self, lock: str) -> Iterator[None]:
        """Hold a lock until the end of the block; the server frees it when this process ends, however it ends."""
        self.check_writable()
        with told(self.server):
            connection = self._opened()
        try:
            with told(self.server):
                run(connection, "SELECT pg_advisory_lock(%s)", [_number(lock)])
            yield
        finally:
            connection.close()

    def check_writable(self) -> None:
        """Raise StoreError when the store was opened read-only."""
        if self._read_only:
            raise StoreError(f"{self.server.shown} was opened read-only and cannot be changed")

    def close(self) -> None:
        """Close the idle connections."""
        self._leave_other_process()
        while self._idle:
            self._idle.pop().close()

    def _once(self, work: Callable[[Connection], T]) -> T:
        self._leave_other_process()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._opened()
        try:
            run(connection, READ)
            found = work(connection)
            run(connection, "COMMIT")
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return found

    def _opened(self) -> Connection:
        # Prepared statements would outlive their session behind a pooler such as pgbouncer.
        connection = psycopg.connect(
            self.server.conninfo,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=TIMEOUT,
            fallback_application_name="ragc",
        )
        # JSON as text: what is not asked for need not be parsed.
        for type_ in ("json", "jsonb"):
            connection.adapters.register_loader(type_, TextLoader)
        return connection

    def _leave_other_process(self) -> None:
        if self._process != os.getpid():
            _inherited.extend(self._idle)
            self._idle, self._process = deque(), os.getpid()


def run(
    connection: Connection, sql: str, values: Sequence[Any] = (), *, binary: bool = False
) -> psycopg.Cursor[TupleRow]:
    """Execute `sql`; values are bound, never written into it."""
    return connection.execute(sql.encode(), values or None, binary=binary)


def _number(lock: str) -> int:
    """A lock's name as the 64 bits that PostgreSQL knows it by."""
    return int.from_bytes(hashlib.sha256(lock.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)
