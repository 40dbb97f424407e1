"""What every store must do for a corpus that lives: only what changed is embedded, and searches see it at once."""

from __future__ import annotations

import time

from contract.stores import WordVectors, corpus_of, ids
from ragc.project import ChunkSettings
from ragc.retrieval import Index, Retrieve, Store

TEXTS = {f"d{number:02}.md": f"The rule number{number} of the house." for number in range(12)}


def test_new_changed_deleted_and_renamed_documents(store: Store) -> None:
    words = WordVectors()
    index = Index(store, words, ChunkSettings(), name="handbook")
    index.update(corpus_of(TEXTS))
    words.embedded = 0

    again = index.update(corpus_of(TEXTS))
    assert (again.unchanged, again.embedded) == (12, 0)

    now = {**TEXTS, "d01.md": "Bonfires are for tuesdays.", "new.md": "Quokkas polish the brass."}
    del now["d02.md"]
    report = index.update(corpus_of(now))
    assert (report.added, report.changed, report.removed, report.unchanged) == (1, 1, 1, 10)
    assert report.embedded == words.embedded == 2
    returned = time.monotonic()
    assert ids(index.search("quokkas brass", k=1)) == ["new.md"]
    assert ids(index.search("bonfires tuesdays", k=1)) == ["d01.md"]
    assert not {"d02.md"} & set(ids(index.search("rule of the house", k=100)))
    assert time.monotonic() - returned < 1
    assert index.corpus_version == corpus_of(now).fingerprint
    state, held = store.state(), store.documents()
    assert state is not None
    assert (state.documents, state.passages) == (len(held), len(store.passages(list(held)))) == (12, 12)


def test_a_renamed_document_takes_its_vectors_along_where_its_title_stays(store: Store) -> None:
    words = WordVectors()
    index = Index(store, words, ChunkSettings(), name="handbook")
    before = corpus_of(TEXTS)
    index.update(before)
    words.embedded = 0
    first, *others = before.documents
    moved = type(first)("moved/d00.md", first.title, first.text, first.metadata)
    report = index.update(type(before)((*others, moved)))
    assert (report.added, report.removed, report.embedded, words.embedded) == (1, 1, 0, 0)
    assert "moved/d00.md" in ids(index.search("number0", k=12))
    assert "d00.md" not in ids(index.search("number0", k=12))


def test_neighbours_come_from_the_document_of_the_hit(store: Store) -> None:
    index = Index(store, WordVectors(), ChunkSettings(), name="handbook")
    parts = ("Ask first.", "Bonfires in May.", "Rent is due.", "Keys are lost.")
    book = "".join(f"## Part {number}\n\n{part}\n\n" for number, part in enumerate(parts))
    index.update(corpus_of({"book.md": book, "other.md": "Nothing of the kind."}, {"team": "people", "year": 2026}))
    retrieve = Retrieve(k=1, alpha=0.0, expand=1, filters={"team": "people"})
    retrieve.bind(index)
    assert [passage.text for passage in retrieve("bonfires")] == list(parts[:3])
    retrieve.expand = "document"
    assert [passage.text for passage in retrieve("bonfires")] == list(parts)
