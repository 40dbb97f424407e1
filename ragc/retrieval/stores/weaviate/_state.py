"""What a collection says of itself: one object in it, which is read and written whole.

It is how several writes take effect as one (see `ragc.retrieval.stores._snapshots`). What is gone is deleted when its
readers have had their time.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from ragc.retrieval.stores import _snapshots
from ragc.retrieval.stores.weaviate._filters import all_of

STATE_ID = uuid.uuid5(uuid.NAMESPACE_URL, "ragc:state")
"""The id of the object that holds the state."""
FRESH = 0.2
"""Seconds for which a reader goes by a state that it read."""
GRACE = 0.5
"""Seconds that a reader has for a search, from before it read the state; a longer search is made again."""
ATTEMPTS = 5
"""How often a read is made that takes so long that what it reads may have been deleted under it."""


@dataclass(frozen=True)
class State(_snapshots.State):
    """The state of one collection, or of one tenant's part of it."""

    frequent: tuple[str, ...] = ()
    """Words that stand in more than half of the passages: nothing in SQLite's BM25, and much in this one."""
    counted: int = 0
    """How many passages there were when words were last counted."""
    moving: bool = True
    """Whether there may be passages that do not count. Where there are none, a search needs no filter for it."""

    @property
    def where(self) -> Any:
        """The filter for what counts; None: everything does."""
        from weaviate.classes.query import Filter

        if not self.moving:
            return None
        gone = [Filter.by_property("version").not_equal(version) for version in self.dead]
        return all_of([Filter.by_property("since").less_or_equal(self.generation), *gone])

    def counts(self, properties: dict[str, Any]) -> bool:
        """Whether the object with these properties (`since`, `version`) is a passage that counts."""
        since = properties.get("since")
        return since is not None and since <= self.generation and properties.get("version") not in self._gone

    @property
    def _gone(self) -> frozenset[str]:
        return frozenset(self.dead)
