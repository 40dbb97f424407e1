"""An index: the passages of one corpus in a store, with the embedder and the chunking that made them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from ragc._files import digest
from ragc._messages import counted
from ragc.errors import DataError, StoreError
from ragc.retrieval._access import with_those_in_force
from ragc.retrieval._chunking import Chunker, described
from ragc.retrieval._filters import Filters, parse_filters
from ragc.retrieval._passage import Passage, indexed_text
from ragc.retrieval._query import Query, SearchSettings
from ragc.retrieval._store import AsyncStore, CollectionState, Entry, IndexedDocument, MadeWith, Store
from ragc.retrieval.embedders._embedder import Embedder, NotEmbedded
from ragc.retrieval.rerankers import Rerankers, candidates, named

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragc.data import Corpus, Document, Finding, Skipped
    from ragc.models import Usage
    from ragc.project import ChunkSettings

BATCH = 512
"""How many passages are embedded and written at once, at least; one batch is one transaction."""

Report = Callable[[int, int], None]
"""Told, while an index is brought up to date, how many of how many documents are done."""


@dataclass(frozen=True)
class IndexReport:
    """What an update did. Counts are of documents where nothing else is said."""

    added: int
    changed: int
    removed: int
    """A renamed document counts as removed and added; its passages are not embedded again."""
    unchanged: int
    passages: int
    """How many passages the index now holds."""
    embedded: int
    """How many passages were embedded anew."""
    seconds: float
    skipped: tuple[Skipped, ...]
    """What the corpus left out because it could not be read."""
    findings: tuple[Finding, ...] = ()
    """What a person should know about documents that were read, looked for by `ragc.index` alone: `Corpus.findings`."""
    paid: Usage | None = None
    """What was paid for it, by the command that returns this; None: nothing was asked of anybody."""

    @property
    def documents(self) -> int:
        """How many documents the index now mirrors."""
        return self.added + self.changed + self.unchanged


@dataclass(frozen=True)
class IndexStats:
    """What an index holds."""

    documents: int
    passages: int
    corpus_version: str | None
    embedder: str
    chunking: str
    location: str

    def __str__(self) -> str:
        counts = f"{counted(self.documents, 'document')}, {counted(self.passages, 'passage')}"
        return f"{counts}; {self.embedder}, chunks of {self.chunking}; {self.location}"


@dataclass(frozen=True)
class Outstanding:
    """What an update would have embedded, as far as that is known before."""

    passages: int
    calls: int
    """Requests that it takes, about."""
    tokens: int
    """As the embedder counts them, or estimates."""


class _Asked(NamedTuple):
    """A search: what the store is asked for, who reranks what it finds, and how many passages remain."""

    query: Query
    reranker: str | None
    k: int


class Index:
    """Brings a store up to date with a corpus, and searches it.

    May be shared by threads and used after a fork; `copy.deepcopy` returns the index itself, so that copies of a
    program share it.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        chunk: ChunkSettings,
        *,
        name: str,
        rerankers: Rerankers | None = None,
    ) -> None:
        """`name` is the task's, for messages; without `rerankers`, those are reached as their names say."""
        self.name = name
        self.rerankers = rerankers or Rerankers()
        self._store = store
        self._embedder = embedder
        self._chunk = chunk

    def __deepcopy__(self, memo: dict[int, Any]) -> Index:
        return self

    @property
    def made_with(self) -> MadeWith:
        """What this index is made with; a store that was made with something else is refused."""
        return MadeWith(
            embedder=self._embedder.name,
            fingerprint=self._embedder.fingerprint,
            dimensions=self._embedder.dimensions,
            chunking=described(self._chunk),
        )

    @property
    def location(self) -> str:
        """Where the store keeps its data, without credentials."""
        return self._store.location

    @property
    def corpus_version(self) -> str | None:
        """The fingerprint of the corpus that is mirrored; None while there is no index, or during an update."""
        state = self._store.state()
        return state.corpus_version if state else None

    @property
    def missing(self) -> bool:
        """Whether there is no whole index yet: none at all, or one whose first update was interrupted."""
        state = self._store.state()
        return state is None or (not state.complete and self._is_ours(state.made_with))

    def mirrors(self, corpus: Corpus) -> bool:
        """Whether the index holds `corpus` as it is, made as this one would make it: an update would change nothing."""
        state = self._store.state()
        return state is not None and state.corpus_version == corpus.fingerprint and self._is_ours(state.made_with)

    def check(self) -> None:
        """Raise StoreError when the index is missing, or was made with another embedder or chunking."""
        self._checked()

    def stats(self) -> IndexStats:
        """Return what the index holds. Raises StoreError as `check` does."""
        state = self._checked()
        return IndexStats(
            documents=state.documents,
            passages=state.passages,
            corpus_version=state.corpus_version,
            embedder=state.made_with.embedder,
            chunking=state.made_with.chunking,
            location=self._store.location,
        )

    def search(
        self,
        query: str,
        *,
        k: int = 5,
        alpha: float = 0.5,
        fetch_k: int | None = None,
        filters: Filters | None = None,
        reranker: str | None = None,
    ) -> list[Passage]:
        """Return the best k passages, best first; see `Store` for what the scores mean.

        With a `reranker` (see `ragc.retrieval.rerankers`) the best `fetch_k` are found (default: 50) and the k that it
        finds best are returned. Raises StoreError when there is no index or it was made with something else,
        ConfigError on k or alpha out of range, on filters that are none and on an unknown reranker, and what a reranker
        raises.
        """
        asked = self._asked(query, k=k, alpha=alpha, fetch_k=fetch_k, filters=filters, reranker=reranker)
        found = _placed(self._store.search(asked.query, self.made_with))
        return found if asked.reranker is None else self.rerankers.get(asked.reranker).rerank(query, found)[: asked.k]

    async def asearch(self, query: str, **settings: Unpack[SearchSettings]) -> list[Passage]:
        """Unlike `search`: does not block the event loop. The embedder and a reranker are asked in a thread."""
        store = self._store
        if not isinstance(store, AsyncStore):
            return await asyncio.to_thread(self.search, query, **settings)
        asked = await asyncio.to_thread(self._asked, query, **settings)
        found = _placed(await store.asearch(asked.query, self.made_with))
        if asked.reranker is None:
            return found
        return (await asyncio.to_thread(self.rerankers.get(asked.reranker).rerank, query, found))[: asked.k]

    def rankings(self, query: str, alphas: Sequence[float], *, k: int) -> list[list[Passage]]:
        """Return what `search` does for each of `alphas`; the query is embedded once."""
        vector = self._embedder.embed_query(query) if any(alphas) else None
        held = with_those_in_force(())
        asked = [Query(query, vector if alpha > 0 else None, k, alpha, conditions=held) for alpha in alphas]
        return [_placed(self._store.search(one, self.made_with)) for one in asked]

    def passages(self, documents: Sequence[str]) -> list[Passage]:
        """Return what the index holds of the documents with these ids, by document and place.

        Raises StoreError as `check` does.
        """
        self._checked()
        return _placed(self._store.passages(documents))

    def digests(self) -> dict[str, str]:
        """Return the digest of every document that the index holds, by id."""
        return self._store.documents()

    def outstanding(self, corpus: Corpus) -> Outstanding:
        """Return what `update` would have embedded. Nothing is asked, nothing is written."""
        state = self._store.state()
        is_ours = state is not None and self._is_ours(state.made_with)
        held = self._store.documents() if is_ours else {}
        fresh = [document for document in corpus.documents if held.get(document.id) != document.digest]
        chunker = Chunker(self._chunk, self._embedder.count_tokens)
        texts = {
            digest(text.encode("utf-8", "surrogatepass")): text
            for document in fresh
            for text in map(_embedded_text, chunker.passages(document))
        }
        known = self._store.vectors(list(texts)) if is_ours else {}
        new = [text for key, text in texts.items() if key not in known]
        unpaid = getattr(self._embedder, "unpaid", None)  # of one that is not in this process
        new = new if unpaid is None else unpaid(new)
        calls = sum(self._embedder.calls(new[start : start + BATCH]) for start in range(0, len(new), BATCH))
        return Outstanding(len(new), calls, sum(map(self._embedder.count_tokens, new)))

    def update(self, corpus: Corpus, progress: Report | None = None) -> IndexReport:
        """Make the store mirror `corpus` and return what was done; only what changed is cut and embedded again.

        An index that was made with another embedder or chunking is made anew. A search finds what is new as soon as
        its batch is written, and all of it when this returns. Killed at any moment, the next update goes on from the
        last batch. Other updates of the same index wait.
        """
        started = time.monotonic()
        embedded = 0
        with self._store.updating():
            state = self._store.state()
            if state is None or not self._is_ours(state.made_with):
                self._store.reset(self.made_with)
                state = None
            held = self._store.documents()
            ids = {document.id for document in corpus.documents}
            fresh = [document for document in corpus.documents if held.get(document.id) != document.digest]
            removed = [id_ for id_ in held if id_ not in ids]
            up_to_date = state is not None and state.corpus_version == corpus.fingerprint
            if fresh or removed or not up_to_date:
                embedded = self._write(corpus, fresh, removed, progress)
            done = self._store.state()
        changed = sum(document.id in held for document in fresh)
        return IndexReport(
            added=len(fresh) - changed,
            changed=changed,
            removed=len(removed),
            unchanged=len(corpus.documents) - len(fresh),
            passages=done.passages if done else 0,
            embedded=embedded,
            seconds=time.monotonic() - started,
            skipped=tuple(corpus.skipped),
        )

    def close(self) -> None:
        """Give back the connections of store and embedder; the index opens new ones when it is used again."""
        self._store.close()
        self._embedder.close()
        self.rerankers.close()

    def _asked(
        self,
        query: str,
        k: int = 5,
        alpha: float = 0.5,
        fetch_k: int | None = None,
        filters: Filters | None = None,
        reranker: str | None = None,
    ) -> _Asked:
        chosen = named(reranker)
        asked = Query(query, None, k, alpha, fetch_k, with_those_in_force(parse_filters(filters)))
        if chosen is not None:
            asked = replace(asked, k=candidates(k, fetch_k))
        if alpha > 0:
            asked = replace(asked, vector=self._embedder.embed_query(query))
        return _Asked(asked, chosen, k)

    def _checked(self) -> CollectionState:
        state = self._store.state()
        again = f"run `ragc index {self.name}`"
        if state is None:
            raise StoreError(f"{self._store.location} holds no index of {self.name}; {again}")
        if not self._is_ours(state.made_with):
            raise StoreError(f"the index of {self.name} was made with {self._difference(state.made_with)}; {again}")
        if not state.complete:
            raise StoreError(f"the index of {self.name} is not complete; {again}")
        return state

    def _is_ours(self, made_with: MadeWith) -> bool:
        # The fingerprint first: only where it is the same is there no need to ask for the number of dimensions.
        return made_with.fingerprint == self._embedder.fingerprint and made_with == self.made_with

    def _difference(self, made_with: MadeWith) -> str:
        chunking, embedder = described(self._chunk), self._embedder.name
        if made_with.chunking != chunking:
            return f"chunks of {made_with.chunking}, not {chunking}"
        if made_with.embedder != embedder:
            return f"the embedder {made_with.embedder}, not {embedder}"
        return f"other weights or dimensions of {embedder}"

    def _write(self, corpus: Corpus, fresh: Sequence[Document], removed: Sequence[str], progress: Report | None) -> int:
        embedded = written = 0
        for documents, entries in self._batches(fresh):
            if written:
                self._report(progress, written, len(fresh))
            embedded += entries
            written += len(documents)
            last = written == len(fresh)
            # What is gone goes last: a renamed document's vectors are taken over, and no reader misses it.
            self._store.write(documents, removed if last else (), corpus.fingerprint if last else None)
        if not fresh:
            self._store.write((), removed, corpus.fingerprint)
        self._report(progress, written, len(fresh))
        return embedded

    def _report(self, progress: Report | None, done: int, total: int) -> None:
        if progress is not None:
            progress(done, total)

    def _batches(self, documents: Sequence[Document]) -> Iterator[tuple[list[IndexedDocument], int]]:
        """Yield documents ready to be written, and how many of their passages were embedded for it."""
        chunker = Chunker(self._chunk, self._embedder.count_tokens) if documents else None
        batch: list[tuple[Document, list[Passage]]] = []
        count = 0
        for document in documents:
            passages = chunker.passages(document) if chunker else []
            batch.append((document, passages))
            count += len(passages)
            if count >= BATCH:
                yield self._embedded(batch)
                batch, count = [], 0
        if batch:
            yield self._embedded(batch)

    def _embedded(self, batch: Sequence[tuple[Document, list[Passage]]]) -> tuple[list[IndexedDocument], int]:
        texts = {passage.id: _embedded_text(passage) for _, passages in batch for passage in passages}
        keys = {id_: digest(text.encode("utf-8", "surrogatepass")) for id_, text in texts.items()}
        vectors: dict[str, NDArray[np.float32]] = self._store.vectors(list(keys.values()))
        missing = {key: texts[id_] for id_, key in keys.items() if key not in vectors}
        if missing:
            vectors |= self._embed(missing, {keys[passage.id]: passage for _, part in batch for passage in part})
        indexed = [
            IndexedDocument(
                id=document.id,
                digest=document.digest,
                title=document.title,
                metadata=document.metadata,
                entries=[Entry(passage, keys[passage.id], vectors[keys[passage.id]]) for passage in passages],
            )
            for document, passages in batch
        ]
        return indexed, len(missing)

    def _embed(self, texts: Mapping[str, str], passages: Mapping[str, Passage]) -> dict[str, NDArray[np.float32]]:
        """The vectors of `texts` by their key. Raises DataError, naming the document, for one that cannot be had."""
        try:
            return dict(zip(texts, self._embedder.embed_documents(list(texts.values())), strict=True))
        except NotEmbedded as error:
            passage = passages[list(texts)[error.number]]
            place = f"{passage.document}, characters {passage.start:,} to {passage.end:,}"
            raise DataError(
                f"{place}, cannot be embedded: {error}; lower chunk.size, or change the document"
            ) from error


def _placed(passages: Sequence[Passage]) -> list[Passage]:
    """The passages, each with its own page in its metadata; a store keeps where the pages of its document begin."""
    from ragc.data import placed

    return [
        passage if own is passage.metadata else replace(passage, metadata=own)
        for passage in passages
        for own in [placed(passage.metadata, passage.start, passage.end)]
    ]


def _embedded_text(passage: Passage) -> str:
    return indexed_text(passage.title, passage.heading, passage.text)
