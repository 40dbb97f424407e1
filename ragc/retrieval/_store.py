"""What a store is: the one seam between ragc and the databases that hold passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ragc.retrieval._passage import Passage, Scalar
from ragc.retrieval._query import Query

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MadeWith:
    """What the vectors and passages of a collection depend on. Two that differ do not mix."""

    embedder: str
    """The embedder's name, for messages."""
    fingerprint: str
    """The embedder's fingerprint: name, dimensions, weights."""
    dimensions: int
    """The length of every vector."""
    chunking: str
    """How documents were cut, in words."""


@dataclass(frozen=True)
class CollectionState:
    """What a collection holds, as of one moment."""

    made_with: MadeWith
    corpus_version: str | None
    """The fingerprint of the corpus that it mirrors; None between the batches of an update."""
    complete: bool
    """Whether it ever mirrored a whole corpus. One that did can be searched during an update."""
    documents: int
    passages: int


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """A passage to be written."""

    passage: Passage
    key: str
    """The digest of the text that was embedded (title, heading path, text)."""
    vector: NDArray[np.float32]
    """Of that text, normalised; all zero when there is nothing in it that the embedder knows."""


@dataclass(frozen=True, eq=False, slots=True)
class IndexedDocument:
    """A document to be written, with all of its passages."""

    id: str
    digest: str
    title: str
    metadata: Mapping[str, Scalar]
    entries: Sequence[Entry]


class Store(Protocol):
    """One collection (that of one task) in a database of passages.

    **Meaning.** A program compiled on one store keeps its meaning on another, so a search means the same everywhere:
    the text leg is BM25 (k1 1.2, b .75, no stop words) over one field of title, heading path and text, split into
    words without regard to case; the vector leg is cosine similarity; either is read `query.depth` deep *after* the
    filters; `alpha` 0 asks the text leg alone and 1 the vector leg alone; the legs are joined by relative score fusion
    (`ragc.retrieval._fusion`), on the server or on the client. `score` is the fused one, 0 to 1; `text_score` and
    `vector_score` are the legs' own. Best first; equal scores in the order of ids, where the database leaves that to
    us. What is asked is data: operators, quotes and wildcards in it find nothing but themselves.

    **Filters.** `query.conditions` all hold for every result (`ragc.retrieval._filters` has their meaning). StoreError
    when a condition names a field that no document of the collection has.

    **Transactions.** `write` takes effect whole or not at all, and so does `reset`. A reader sees one state during one
    search, never a document with half of its passages. A process that is killed leaves what it wrote before. What was
    written is found by everybody when `write` returns, or inside `updating` when that block ends; a store on a server
    may let others see it up to a second before or after a `write` inside the block, but never a part of it.

    **Concurrency.** Every method may be called from many threads at once, and after a fork from the child. Many
    processes read while one writes. Updates keep out of each other's way by `updating`.

    **Errors.** Whatever goes wrong in the database is a StoreError of one line: what, where, what to do, and no secret.
    """

    @property
    def location(self) -> str:
        """Where the data is, for messages; without credentials."""

    def state(self) -> CollectionState | None:
        """Return what the collection holds; None when there is no such collection (or no database yet)."""

    def reset(self, made_with: MadeWith) -> None:
        """Make the collection anew and empty; what it held is deleted.

        A store that keeps collections side by side may leave what was made with something else to its readers until
        the new one mirrors a whole corpus, and take up what an unfinished update with the same settings left:
        `documents` says what that is.
        """

    def documents(self) -> dict[str, str]:
        """Return the id and digest of every document in the collection."""

    def passages(self, documents: Sequence[str]) -> list[Passage]:
        """Return the passages of the documents with these ids, by document and place; unknown ones have none."""

    def vectors(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of passages whose `Entry.key` is among `keys`, by key; unknown keys are left out."""

    def write(
        self, documents: Sequence[IndexedDocument], removed: Sequence[str] = (), corpus_version: str | None = None
    ) -> None:
        """Put `documents` in place of those with the same ids, and delete the ids in `removed`, as one transaction.

        `corpus_version` is what the collection mirrors from then on: None while more batches follow.
        """

    def search(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """Return the best `query.k` passages. StoreError when the collection was made with something else, or is none.

        Fewer than k when there are not as many. No word and no vector in the query: nothing is found.
        """

    def updating(self) -> AbstractContextManager[None]:
        """Hold off other updates of this collection, in this and other processes, until the end of the block."""

    def close(self) -> None:
        """Give back connections. The store can be used again afterwards and opens new ones."""


@runtime_checkable
class AsyncStore(Protocol):
    """A store whose client has an event loop's own way to search; others are asked in a thread."""

    async def asearch(self, query: Query, made_with: MadeWith) -> list[Passage]:
        """Unlike `Store.search`: awaits the database, and blocks neither the event loop nor a thread."""
