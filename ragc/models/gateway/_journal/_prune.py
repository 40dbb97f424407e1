"""Taking old responses out of the journal: never what a sealed artifact needs, nor what a run that is not over used."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import NamedTuple

import apsw

from ragc.models.gateway._journal import _vectors
from ragc.models.gateway._journal._rows import opened, price

_KEPT_RUNS = "SELECT id FROM runs WHERE artifact IS NOT NULL OR state IN ('running', 'interrupted') OR changed >= ?1"
"""Runs that an artifact came from, that can still go on, or that are young."""


class Removed(NamedTuple):
    """What one pruning took out."""

    entries: int
    usd: Fraction
    runs: int


def remove(connection: apsw.Connection, before: int) -> Removed:
    """Take out what was received before that time (microseconds since 1970) and nobody needs, inside a transaction.

    An entry stays when an artifact needs it, or when a run that stays has used or paid for it: what a run paid must
    not shrink while the run can go on. Runs that do not stay go with their steps.
    """
    connection.execute("CREATE TEMP TABLE kept AS " + _KEPT_RUNS, (before,))
    connection.execute(
        "CREATE TEMP TABLE old AS SELECT e.id, e.usd FROM entries AS e JOIN origins AS o ON o.id = e.origin"
        " WHERE e.created < ? AND o.run NOT IN (SELECT id FROM kept)"
        " AND e.key NOT IN (SELECT key FROM needs)"
        " AND e.key NOT IN (SELECT key FROM uses WHERE run IN (SELECT id FROM kept))",
        (before,),
    )
    prices = list(connection.execute("SELECT usd, count(*) FROM old WHERE usd IS NOT NULL GROUP BY usd"))
    entries: int = connection.execute("SELECT count(*) FROM old").get
    connection.execute("DELETE FROM entries WHERE id IN (SELECT id FROM old)")
    for table in ("steps", "uses", "failures", "unanswered"):
        connection.execute(
            f"DELETE FROM {table} WHERE run IN (SELECT id FROM runs) AND run NOT IN (SELECT id FROM kept)"
        )
    connection.execute("DELETE FROM runs WHERE id NOT IN (SELECT id FROM kept)")
    runs = connection.changes()
    _vectors.remove_lost(connection)
    connection.execute("DELETE FROM origins WHERE id NOT IN (SELECT origin FROM entries)")
    _remove_texts(connection)
    connection.execute("DROP TABLE old")
    connection.execute("DROP TABLE kept")
    return Removed(entries, sum((count * price(usd) for usd, count in prices), Fraction()), runs)


def _remove_texts(connection: apsw.Connection) -> None:
    """Take out the texts that no request is made of any more."""
    used: set[int] = set()
    for (body,) in connection.execute("SELECT body FROM entries"):
        used.update(opened(body)[0])
    unused = [(number,) for (number,) in connection.execute("SELECT id FROM texts") if number not in used]
    connection.executemany("DELETE FROM texts WHERE id = ?", unused)


def shrink(connection: apsw.Connection) -> None:
    """Give the space back, outside of a transaction; where the disk has no room for that, it is used again later."""
    with contextlib.suppress(apsw.FullError):
        connection.execute("VACUUM")
        connection.pragma("wal_checkpoint", "TRUNCATE")
