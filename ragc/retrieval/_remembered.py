"""Searches that are remembered while one run lasts: each candidate asks the index the same questions."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from ragc.retrieval._access import with_those_in_force
from ragc.retrieval._filters import Filters, parse_filters
from ragc.retrieval._index import Index
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import SearchSettings

MOST = 20_000
"""Passages that are kept, over all searches: some 40 MB. What was not asked for longest goes first."""

_Key = tuple[str, str, str]


class Remembered(Index):
    """Unlike an `Index`: the same search of the same corpus is done once. For one run, not for serving.

    The same is the same query with the same settings under the same filters, those in force around it included, while
    the corpus has the same version; nothing is remembered during an update. Who asks gets passages of his own. A search
    with a reranker is not remembered: it may be a call that is recorded. For the same reason the embedder has to be one
    of this process. May be shared by threads.
    """

    def __init__(self, index: Index) -> None:
        super().__init__(index._store, index._embedder, index._chunk, name=index.name, rerankers=index.rerankers)
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, tuple[Passage, ...]] = OrderedDict()
        self._size = 0

    def search(self, query: str, **settings: Unpack[SearchSettings]) -> list[Passage]:
        """What `Index.search` returns, and raises."""
        key = self._key(query, **settings)
        found = self._known(key)
        if found is None:
            found = super().search(query, **settings)
            self._keep(key, found)
        return found

    async def asearch(self, query: str, **settings: Unpack[SearchSettings]) -> list[Passage]:
        """What `Index.asearch` returns, and raises."""
        key = self._key(query, **settings)
        found = self._known(key)
        if found is None:
            found = await super().asearch(query, **settings)
            self._keep(key, found)
        return found

    def _key(
        self,
        query: str,
        filters: Filters | None = None,
        reranker: str | None = None,
        **ranking: object,
    ) -> _Key | None:
        """What a search is remembered by; None: it is not remembered."""
        version = self.corpus_version if reranker is None else None
        if version is None:
            return None
        # As written: True and 1 are equal in Python, and two conditions in a filter.
        return version, query, repr((sorted(ranking.items()), with_those_in_force(parse_filters(filters))))

    def _known(self, key: _Key | None) -> list[Passage] | None:
        if key is None:
            return None
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
        return _copied(found)

    def _keep(self, key: _Key | None, found: Sequence[Passage]) -> None:
        if key is None or self.corpus_version != key[0]:  # an update began meanwhile
            return
        with self._lock:
            if key not in self._kept:
                self._kept[key] = tuple(_copied(found))
                self._size += 1 + len(found)
            while self._size > MOST:
                self._size -= 1 + len(self._kept.popitem(last=False)[1])


def _copied(passages: Sequence[Passage]) -> list[Passage]:
    """The same passages, whose metadata whoever gets them may change."""
    return [replace(passage, metadata=dict(passage.metadata)) for passage in passages]
