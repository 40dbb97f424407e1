"""The faster scan of large collections finds exactly what sqlite-vec does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.stores import DIMENSIONS, MADE_WITH, indexed
from ragc.retrieval import Entry, IndexedDocument, Passage, Query, Store, open_store, passage_id
from ragc.retrieval.stores.sqlite import _scan

NEVER, ALWAYS = 10**9, 1


def directions(number: int, seed: int) -> NDArray[np.float32]:
    found = np.random.default_rng(seed).standard_normal((number, DIMENSIONS), dtype=np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def document(id_: str, vectors: NDArray[np.float32]) -> IndexedDocument:
    entries = [
        Entry(Passage(passage_id(id_, n, n + 1), id_, id_, f"text {n}", start=n, end=n + 1), f"{id_} {n}", vector)
        for n, vector in enumerate(vectors)
    ]
    return IndexedDocument(id_, "1", id_, {}, entries)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """3,000 vectors, equal ones among them, of which a few hundred were deleted again, and one without direction."""
    made = open_store("sqlite://index.db", root=tmp_path_factory.mktemp("scan"), collection="handbook")
    made.reset(MADE_WITH)
    vectors = directions(2000, 1)
    made.write([document(f"d{n}", vectors[n * 100 : n * 100 + 100]) for n in range(20)])
    made.write([document("same", np.repeat(vectors[:20], 50, axis=0)), indexed("none", "")], ["d3", "d11"], "v1")
    return made


def nearest(
    store: Store, monkeypatch: pytest.MonkeyPatch, fewest: int, depth: int
) -> list[list[tuple[str, float | None]]]:
    monkeypatch.setattr(_scan, "FEWEST_BLOCKS", fewest)
    asked = [*directions(20, 2), *directions(2000, 1)[:5]]
    return [
        [(one.id, one.vector_score) for one in store.search(Query("", vector, depth, 1.0), MADE_WITH)]
        for vector in asked
    ]


@pytest.mark.parametrize("depth", [1, 100, 500, 5000])
def test_scan_finds_what_sqlite_vec_finds_with_the_same_scores(
    store: Store, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    assert nearest(store, monkeypatch, ALWAYS, depth) == nearest(store, monkeypatch, NEVER, depth)


def test_scan_leaves_what_is_stored_otherwise_to_sqlite_vec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = open_store("sqlite://index.db", root=tmp_path, collection="handbook")
    made.reset(MADE_WITH)
    made.write([document("d", directions(10, 1))], (), "v1")
    expected = nearest(made, monkeypatch, NEVER, 5)
    asked: list[object] = []
    monkeypatch.setattr(_scan, "_candidates", lambda *given: asked.append(given))
    assert nearest(made, monkeypatch, ALWAYS, 5) == expected
    assert asked
