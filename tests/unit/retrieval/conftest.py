"""An index over a few documents, made without a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.stores import WordVectors, corpus_of
from ragc.project import ChunkSettings
from ragc.retrieval import Index, open_store

TEXTS = {
    "bonfires.md": "Bonfires are allowed in November and December only.",
    "leave.md": "At most five days of leave can be carried over.",
    "rent.md": "Rent of £45 is due in June.",
}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """A new index, not yet brought up to date."""
    store = open_store("sqlite://index.db", root=tmp_path, collection="handbook")
    made = Index(store, WordVectors(), ChunkSettings(), name="handbook")
    yield made
    made.close()


@pytest.fixture
def filled(index: Index) -> Index:
    index.update(corpus_of(TEXTS, {"team": "people"}))
    return index
