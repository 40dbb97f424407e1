"""An index follows its corpus, and embeds only what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.stores import WordVectors, corpus_of, ids
from ragc.data import Corpus, Skipped
from ragc.errors import ConfigError, StoreError
from ragc.project import ChunkSettings
from ragc.retrieval import Index, IndexReport, open_store
from unit.retrieval.conftest import TEXTS


def counts(report: IndexReport) -> tuple[int, int, int, int, int]:
    return report.added, report.changed, report.removed, report.unchanged, report.embedded


def again(tmp_path: Path, words: WordVectors | None = None, **chunk: int) -> Index:
    store = open_store("sqlite://index.db", root=tmp_path, collection="handbook")
    return Index(store, words or WordVectors(), ChunkSettings.model_validate(chunk), name="handbook")


def test_first_update_takes_everything(index: Index) -> None:
    report = index.update(corpus_of(TEXTS))
    assert counts(report) == (3, 0, 0, 0, 3)
    assert (report.documents, report.passages) == (3, 3)
    assert index.corpus_version == corpus_of(TEXTS).fingerprint
    assert not index.missing


def test_update_without_a_change_embeds_nothing_and_writes_nothing(filled: Index, tmp_path: Path) -> None:
    before = (tmp_path / "index.db").stat().st_mtime_ns
    assert counts(filled.update(corpus_of(TEXTS, {"team": "people"}))) == (0, 0, 0, 3, 0)
    assert (tmp_path / "index.db").stat().st_mtime_ns == before


def test_changed_document_is_found_by_its_new_text_alone(filled: Index) -> None:
    report = filled.update(corpus_of({**TEXTS, "rent.md": "Rent of £50 is due in July."}, {"team": "people"}))
    assert counts(report) == (0, 1, 0, 2, 1)
    assert filled.search("£50 July", k=1)[0].text == "Rent of £50 is due in July."
    assert filled.search("£45 June", alpha=0) == []


def test_removed_document_is_gone(filled: Index) -> None:
    report = filled.update(corpus_of({"rent.md": TEXTS["rent.md"]}, {"team": "people"}))
    assert counts(report) == (0, 0, 2, 1, 0)
    assert ids(filled.search("bonfires leave rent", k=9)) == ["rent.md"]


def test_renamed_document_is_not_embedded_again(index: Index) -> None:
    index.update(Corpus(tuple(corpus_of(TEXTS).documents)))
    moved = [
        type(document)("sites/" + document.id, document.title, document.text) if document.id == "rent.md" else document
        for document in corpus_of(TEXTS).documents
    ]
    report = index.update(Corpus(tuple(moved)))
    assert counts(report) == (1, 0, 1, 2, 0)
    assert "sites/rent.md" in ids(index.search("rent", k=9))
    assert "rent.md" not in ids(index.search("rent", k=9))


def test_only_the_changed_section_is_embedded_again(index: Index) -> None:
    index.update(corpus_of({"a.md": "# a.md\n\n## One\n\nFirst.\n\n## Two\n\nSecond."}))
    report = index.update(corpus_of({"a.md": "# a.md\n\n## One\n\nFirst.\n\n## Two\n\nAnother."}))
    assert counts(report) == (0, 1, 0, 0, 1)


def test_changed_metadata_is_taken_over(filled: Index) -> None:
    report = filled.update(corpus_of(TEXTS, {"team": "finance"}))
    assert counts(report) == (0, 3, 0, 0, 0)
    assert len(filled.search("rent", k=9, filters={"team": "finance"})) == 3


def test_title_and_heading_are_searched_with_the_passage(index: Index) -> None:
    index.update(corpus_of({"Paternity": "## Adoption\n\nTen weeks.", "b.md": "Other.", "c.md": "Thing."}))
    for query in ("paternity", "adoption"):
        for alpha in (0, 1):
            assert index.search(query, k=1, alpha=alpha)[0].text == "Ten weeks."


def test_progress_is_told_by_documents(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragc.retrieval._index.BATCH", 1)
    told: list[tuple[int, int]] = []
    index.update(corpus_of(TEXTS), lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_report_names_what_was_skipped(index: Index) -> None:
    skipped = (Skipped("scan.pdf", "only .md, .markdown and .txt are read"),)
    assert index.update(Corpus(corpus_of(TEXTS).documents, skipped)).skipped == skipped


def test_interrupted_update_is_gone_on_with(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragc.retrieval._index.BATCH", 1)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.update(corpus_of(TEXTS), interrupt)
    assert index.missing
    with pytest.raises(StoreError, match="not complete; run `ragc index handbook`"):
        index.check()
    assert counts(index.update(corpus_of(TEXTS))) == (2, 0, 0, 1, 2)


def test_interrupted_update_of_a_whole_index_can_be_searched(filled: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragc.retrieval._index.BATCH", 1)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    new = corpus_of({name: text + " More." for name, text in TEXTS.items()}, {"team": "people"})
    with pytest.raises(KeyboardInterrupt):
        filled.update(new, interrupt)
    filled.check()
    assert filled.corpus_version is None
    assert len(filled.search("rent", k=9)) == 3
    filled.update(new)
    assert filled.corpus_version == new.fingerprint


def test_missing_index_says_what_to_type(index: Index) -> None:
    assert index.missing
    assert index.corpus_version is None
    for use in (index.check, index.stats, lambda: index.search("rent")):
        with pytest.raises(StoreError, match="holds no index of handbook; run `ragc index handbook`"):
            use()


def test_index_made_with_another_embedder_is_refused_and_made_anew(filled: Index, tmp_path: Path) -> None:
    words = WordVectors("words 2")
    other = again(tmp_path, words)
    assert not other.missing
    with pytest.raises(StoreError, match="other weights or dimensions of test/words; run `ragc index handbook`"):
        other.check()
    with pytest.raises(StoreError, match="other settings"):
        other.search("rent")
    words.name = "test/other"
    with pytest.raises(StoreError, match="the embedder test/words, not test/other"):
        other.check()
    assert counts(other.update(corpus_of(TEXTS))) == (3, 0, 0, 0, 3)
    other.check()
    with pytest.raises(StoreError, match="other settings"):
        filled.search("rent")


def test_index_made_with_another_chunking_is_refused(filled: Index, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"chunks of 500 characters.*not 100 characters.*run `ragc index handbook`"):
        again(tmp_path, size=100).check()


def test_stats(filled: Index) -> None:
    stats = filled.stats()
    assert (stats.documents, stats.passages, stats.embedder) == (3, 3, "test/words")
    assert str(stats).startswith("3 documents, 3 passages; test/words, chunks of 500 characters")


def test_text_alone_asks_the_embedder_nothing(filled: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WordVectors, "embed_query", lambda self, text: pytest.fail("embedded"))
    assert ids(filled.search("rent", alpha=0)) == ["rent.md"]


@pytest.mark.parametrize("asked", [{"k": 0}, {"k": 1.5}, {"alpha": 2}, {"alpha": None}, {"fetch_k": -1}, {"k": 2**40}])
def test_numbers_out_of_range(filled: Index, asked: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        filled.search("rent", **asked)  # type: ignore[arg-type]  # what is refused
