"""What a collection says of itself: one object in it, which is read and written whole.

It is how several writes take effect as one. Every passage has the generation at which it was written; the state has the
generation that counts, and the versions of documents that no longer do. Passages are only ever added and deleted, never
changed in place: a reader that knows the state sees what belongs to it, whatever is added meanwhile, until what is gone
is deleted, which waits for the readers.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from ragc.retrieval._store import CollectionState, MadeWith
from ragc.retrieval.stores.weaviate._filters import all_of

STATE_ID = uuid.uuid5(uuid.NAMESPACE_URL, "ragc:state")
"""The id of the object that holds the state."""
FRESH = 0.2
"""Seconds for which a reader goes by a state that it read."""
GRACE = 0.5
"""Seconds that a reader has for a search, from before it read the state; a longer search is made again."""


@dataclass(frozen=True)
class State:
    """The state of one collection, or of one tenant's part of it."""

    made_with: MadeWith
    corpus_version: str | None = None
    complete: bool = False
    generation: int = 0
    """The newest one that counts; what was written for a later one is not there yet."""
    documents: int = 0
    passages: int = 0
    dead: tuple[str, ...] = ()
    """Versions of documents that were replaced or removed and whose passages are not yet deleted."""
    frequent: tuple[str, ...] = ()
    """Words that stand in more than half of the passages: nothing in SQLite's BM25, and much in this one."""
    counted: int = 0
    """How many passages there were when words were last counted."""
    moving: bool = True
    """Whether there may be passages that do not count. Where there are none, a search needs no filter for it."""

    @property
    def public(self) -> CollectionState:
        """As the protocol has it."""
        return CollectionState(self.made_with, self.corpus_version, self.complete, self.documents, self.passages)

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

    def written(self) -> dict[str, Any]:
        """The properties of the object that holds it."""
        return {"state": json.dumps(asdict(self), ensure_ascii=False)}

    @classmethod
    def read(cls, properties: dict[str, Any]) -> State:
        """Unlike `written`: from the properties to the state."""
        data = json.loads(properties["state"])
        return cls(
            **{
                **data,
                "made_with": MadeWith(**data["made_with"]),
                "dead": tuple(data["dead"]),
                "frequent": tuple(data["frequent"]),
            }
        )
