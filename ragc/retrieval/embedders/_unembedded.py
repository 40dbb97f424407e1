"""What an index would be, where nobody may be asked for vectors: for estimates, which pay for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Unpack

from ragc.retrieval._chunking import Chunker, described
from ragc.retrieval._index import Index, IndexStats
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import SearchSettings

if TYPE_CHECKING:
    from ragc.data import Corpus

MOST = 100
"""Passages that a search shows at most."""


class Unembedded(Index):
    """Unlike an `Index`: it shows the same passages for every question, as long as those that an index would find.

    It is never brought up to date.
    """

    def __init__(self, index: Index, corpus: Corpus) -> None:
        super().__init__(index._store, index._embedder, index._chunk, name=index.name, rerankers=index.rerankers)
        self._corpus = corpus
        self._shown = list(islice(self._all(), MOST))

    @property
    def corpus_version(self) -> str | None:
        """The fingerprint of the corpus."""
        return self._corpus.fingerprint

    def stats(self) -> IndexStats:
        """What an index of the corpus would hold."""
        return IndexStats(
            documents=len(self._corpus.documents),
            passages=sum(1 for _ in self._all()),
            corpus_version=self.corpus_version,
            embedder=self._embedder.name,
            chunking=described(self._chunk),
            location=self.location,
        )

    def search(self, query: str, **settings: Unpack[SearchSettings]) -> list[Passage]:
        """The first k passages of the corpus."""
        return self._shown[: settings.get("k", 5)]

    def passages(self, documents: Sequence[str]) -> list[Passage]:
        """What an index of the corpus would hold of these documents."""
        wanted = set(documents)
        return [passage for passage in self._all() if passage.document in wanted]

    def _all(self) -> Iterator[Passage]:
        chunker = Chunker(self._chunk, self._embedder.count_tokens)
        for document in self._corpus.documents:
            yield from chunker.passages(document)
