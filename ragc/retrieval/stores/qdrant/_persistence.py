"""The points of Qdrant's local mode on the disk, as JSON: the client's own way of keeping them is pickle.

A pickle is code that runs when it is read, so that whoever can write into the folder could run anything in the process
that opens it. The client makes its files by one class; below folders that are ragc's, another one stands in its place,
and folders that a program opens by itself keep theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python
from qdrant_client import models
from qdrant_client.local import local_collection
from qdrant_client.local.persistence import CollectionPersistence
from qdrant_client.local.utils import normalize_point_id

TABLE = "json_points"
_ours: set[Path] = set()


def keep_as_json(folder: Path) -> None:
    """Have the client keep the collections below `folder` as JSON, in this process. To be called before it is opened.

    Raises RuntimeError for a client that makes its files otherwise, so that none writes a pickle unnoticed.
    """
    _ours.add(folder.resolve())
    if getattr(local_collection, "CollectionPersistence", None) not in (CollectionPersistence, _persistence):
        raise RuntimeError("this qdrant-client keeps its files in a way that ragc does not know; install another 1.x")
    local_collection.CollectionPersistence = _persistence  # type: ignore[attr-defined,assignment]


def _persistence(location: str, force_disable_check_same_thread: bool = False) -> CollectionPersistence:
    """What the client calls for every collection that it keeps on the disk."""
    kind = JSONPersistence if not _ours.isdisjoint(Path(location).resolve().parents) else CollectionPersistence
    return kind(location, force_disable_check_same_thread)


class JSONPersistence(CollectionPersistence):
    """Unlike the client's own: nothing is pickled, and what is pickled is not read."""

    @classmethod
    def encode_key(cls, key: models.ExtendedPointId) -> str:
        """Return what a point is known by."""
        return json.dumps(normalize_point_id(key))

    def persist(self, point: models.PointStruct) -> None:
        """Write a point, in a transaction of its own."""
        value = {
            "id": normalize_point_id(point.id),
            "vector": _plain(point.vector),
            "payload": to_jsonable_python(point.payload),
        }
        with self.storage:
            self.storage.execute(
                f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?)", (self.encode_key(point.id), json.dumps(value))
            )

    def delete(self, point_id: models.ExtendedPointId) -> None:
        """Delete a point."""
        with self.storage:
            self.storage.execute(f"DELETE FROM {TABLE} WHERE id = ?", (self.encode_key(point_id),))

    def load(self) -> Iterable[models.PointStruct]:
        """Yield the points, in the order in which they were written last."""
        for (value,) in self.storage.execute(f"SELECT point FROM {TABLE} ORDER BY rowid").fetchall():
            point = json.loads(value)
            yield models.PointStruct.model_construct(
                id=point["id"], vector=_vector(point["vector"]), payload=point["payload"]
            )

    def _ensure_table(self) -> None:
        pickled = self.storage.execute("SELECT 1 FROM sqlite_schema WHERE name = 'points'").fetchone()
        if pickled and self.storage.execute("SELECT 1 FROM points LIMIT 1").fetchone():
            raise RuntimeError("its points are pickled, which ragc does not read; delete the folder and index again")
        self.storage.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (id TEXT PRIMARY KEY, point TEXT)")
        self.storage.commit()


def _plain(vector: Any) -> Any:
    """A point's vectors as JSON has them."""
    if isinstance(vector, dict):
        return {name: _plain(one) for name, one in vector.items()}
    if isinstance(vector, models.SparseVector):
        return {"indices": [int(index) for index in vector.indices], "values": [float(one) for one in vector.values]}
    return [float(number) for number in vector]


def _vector(plain: Any) -> Any:
    """The way back from `_plain`."""
    if not isinstance(plain, dict):
        return plain
    if plain.keys() == {"indices", "values"}:
        return models.SparseVector(**plain)
    return {name: _vector(one) for name, one in plain.items()}
