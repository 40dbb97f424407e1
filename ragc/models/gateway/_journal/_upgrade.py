"""An older journal brought to this schema: what it lacks is made from what it holds."""

from __future__ import annotations

import apsw

from ragc.models.gateway._journal import _vectors
from ragc.models.gateway._journal._rows import SELECT, entry_of
from ragc.models.gateway._journal._schema import SCHEMA, create_table
from ragc.models.gateway._journal._texts import put_together, read_texts


def upgrade(connection: apsw.Connection) -> None:
    """Bring an older journal to `SCHEMA`, inside the caller's transaction.

    From 1: the list of embedded texts. Raises Damaged.
    """
    create_table(connection, "vectors")

    def decode(numbers: list[int]) -> dict[str, object]:
        found = read_texts(connection, set(numbers))
        return put_together([found[number] for number in numbers])

    for row in list(connection.execute(f"{SELECT} WHERE o.kind = 'embedding' ORDER BY e.id")):
        entry = entry_of(row, decode)
        _vectors.insert(connection, bytes.fromhex(entry.key), _vectors.text_keys(entry.request))
    connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (str(SCHEMA),))
    connection.pragma("user_version", SCHEMA)
