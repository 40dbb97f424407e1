"""What tests of stores and indexes share: an embedder that costs nothing, documents, entries."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ragc.data import Corpus, Document, Scalar
from ragc.retrieval import Entry, IndexedDocument, MadeWith, Passage, passage_id

DIMENSIONS = 32
MADE_WITH = MadeWith(embedder="test/words", fingerprint="f", dimensions=DIMENSIONS, chunking="whole documents")


class WordVectors:
    """An embedder: every word has a direction of its own, a text points where its words do. Counts what it embeds."""

    name = "test/words"
    dimensions = DIMENSIONS

    def __init__(self, fingerprint: str = "words 1") -> None:
        self.fingerprint = fingerprint
        self.embedded = 0

    def embed_documents(self, texts: list[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        total = np.zeros(DIMENSIONS, dtype=np.float32)
        for word in text.lower().split():
            seed = int.from_bytes(hashlib.sha256(word.encode("utf-8", "replace")).digest()[:8], "big")
            total += np.random.default_rng(seed).standard_normal(DIMENSIONS, dtype=np.float32)
        length = np.linalg.norm(total)
        return total / length if length else total

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def calls(self, texts: list[str]) -> int:
        return 0

    def close(self) -> None:
        pass


def indexed(
    id: str, *texts: str, title: str = "", metadata: Mapping[str, Scalar] | None = None, digest: str = "1", at: int = 0
) -> IndexedDocument:
    """A document for `Store.write`, with a passage a text, the first one at the character `at`."""
    words = WordVectors()
    entries = []
    for number, text in enumerate(texts, at):
        passage = Passage(
            passage_id(id, number, number + 1), id, title, text, start=number, end=number + 1, heading=("Part",)
        )
        entries.append(Entry(passage, hashlib.sha256(text.encode()).hexdigest(), words.embed_query(text)))
    return IndexedDocument(id, digest, title, metadata or {}, entries)


def corpus_of(texts: Mapping[str, str], metadata: Mapping[str, Scalar] | None = None) -> Corpus:
    return Corpus(tuple(Document(id_, id_, text, metadata or {}) for id_, text in sorted(texts.items())))


def ids(passages: Sequence[Passage]) -> list[str]:
    return [passage.document for passage in passages]


def bound_by_permissions() -> list[str]:
    """The beginning of a command line that permission bits hold for, also where tests run as root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to take that away")
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
