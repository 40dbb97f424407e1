"""Pages: from spans to citations, and evidence that names one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragc.data import (
    Corpus,
    Document,
    Evidence,
    Example,
    Span,
    check_labels,
    examples_fingerprint,
    gold_spans,
    place_in_words,
    placed,
    read_examples,
)
from ragc.errors import DataError

TEXT = "Cats sleep.\n\nDogs bark.\n\nDogs dig."
BOOK = Document("book.pdf", "Book", TEXT, {"page_starts": "0,13,13,25", "team": "x"})
CORPUS = Corpus((BOOK, Document("note.md", "Note", "Dogs bark.")))


def example(*evidence: Evidence) -> Example:
    return Example("a", "What?", ("this",), evidence)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [(0, 11, "page 1"), (0, 14, "pages 1–3"), (13, 23, "page 3"), (25, 34, "page 4"), (20, 34, "pages 3–4")],
)
def test_a_passage_knows_its_pages(start: int, end: int, words: str) -> None:
    own = placed(BOOK.metadata, start, end)
    assert own["team"] == "x" and "page_starts" not in own
    assert place_in_words(own) == words


def test_metadata_without_pages_stays(tmp_path: Path) -> None:
    for metadata in ({"team": "x"}, {"page_starts": "many"}, {"page_starts": "5,2"}):
        assert placed(metadata, 0, 5) is metadata
        assert place_in_words(metadata) == ""


def test_evidence_names_a_page_or_a_quote_on_it() -> None:
    assert gold_spans(example(Evidence("book.pdf", page=3)), CORPUS) == (Span("book.pdf", 13, 25),)
    assert gold_spans(example(Evidence("book.pdf", "Dogs", 4)), CORPUS) == (Span("book.pdf", 25, 29),)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence("book.pdf", page=9), "page 9, but book.pdf has 4 pages"),
        (Evidence("book.pdf", page=2), "page 2 of book.pdf holds no text"),
        (Evidence("book.pdf", "Cats", 4), 'quote "Cats" does not occur in page 4 of book.pdf'),
        (Evidence("note.md", page=1), "page 1, but note.md has no pages"),
    ],
)
def test_a_page_that_is_not_there_makes_a_label_stale(evidence: Evidence, reason: str) -> None:
    good = [Example(str(n), f"q{n}", ("x",), (Evidence("book.pdf", page=1),)) for n in range(9)]
    labels = check_labels([*good, example(evidence)], CORPUS)
    assert [one.reason for one in labels.stale] == [reason]


@pytest.mark.parametrize("page", [0, -1, "2", True, 1.5])
def test_a_page_is_a_number_from_one(tmp_path: Path, page: object) -> None:
    file = tmp_path / "e.jsonl"
    record = {"id": "a", "question": "q", "answers": ["x"], "evidence": [{"document": "book.pdf", "page": page}]}
    file.write_text(json.dumps(record))
    with pytest.raises(DataError, match='"page" counted from 1'):
        read_examples(file)


def test_a_page_is_part_of_the_labels_fingerprint() -> None:
    plain, paged = example(Evidence("book.pdf")), example(Evidence("book.pdf", page=1))
    assert examples_fingerprint([plain]) != examples_fingerprint([paged])
