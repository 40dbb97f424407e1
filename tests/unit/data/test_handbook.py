"""The starter task holds what its README claims: ids, quotes, slices, no duplicates, balanced splits."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from ragc._text import tokens
from ragc.data import (
    Corpus,
    Example,
    assign_splits,
    check_labels,
    find_leaks,
    near_duplicates,
    read_corpus,
    read_examples,
    verbatim_in_corpus,
)

HANDBOOK = Path(__file__).parents[3] / "data" / "handbook"
SLICES = ("conflict", "direct", "multi_hop", "table", "unanswerable", "vocabulary")
MOST_TOKENS = 120
"""Words and signs of a section with its heading; it must also fit one passage of the default size."""
MOST_CHARACTERS = 500


@cache
def examples() -> tuple[Example, ...]:
    return read_examples(HANDBOOK / "examples.jsonl")


@cache
def corpus() -> Corpus:
    return read_corpus(HANDBOOK / "corpus", strict=True)


def of(slice_: str) -> list[Example]:
    return [example for example in examples() if example.slice == slice_]


def quotes(example: Example) -> list[str]:
    return [evidence.quote for evidence in example.evidence if evidence.quote is not None]


def test_it_is_large_enough() -> None:
    assert len(corpus().documents) >= 60
    assert len(examples()) >= 300


def test_ids_say_their_subject() -> None:
    assert [e.id for e in examples() if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", e.id)] == []
    assert [d.id for d in corpus().documents if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*\.md", d.id)] == []
    assert [d.id for d in corpus().documents if d.title == Path(d.id).stem] == []


def test_every_slice_has_thirty_questions() -> None:
    counts = Counter(example.slice for example in examples())
    assert sorted(str(name) for name in counts) == list(SLICES)
    assert min(counts.values()) >= 30


def test_every_label_holds() -> None:
    assert check_labels(examples(), corpus()).stale == ()


def test_answerable_questions_have_answers_and_quotes() -> None:
    bare = [e.id for e in examples() if e.answerable and (not e.evidence or len(quotes(e)) < len(e.evidence))]
    assert bare == []
    assert [e.id for e in examples() if e.answerable == (e.slice == "unanswerable")] == []
    assert [e.id for e in of("unanswerable") if e.evidence] == []


def test_answers_are_short_and_stand_in_a_quote() -> None:
    assert [a for e in examples() for a in e.answers if len(tokens(a)) > 10] == []
    unsupported = [
        e.id
        for e in examples()
        if e.answerable
        and not any(" ".join(tokens(a)) in " ".join(tokens(quote)) for a in e.answers for quote in quotes(e))
    ]
    assert unsupported == []


def test_slices_are_what_they_say() -> None:
    assert [e.id for e in of("multi_hop") if len({x.document for x in e.evidence}) < 2] == []
    assert [e.id for e in of("table") if not any("|" in quote for quote in quotes(e))] == []
    shared = {name: sum(map(overlap, of(name))) / len(of(name)) for name in ("vocabulary", "direct")}
    assert shared["vocabulary"] < shared["direct"] / 2


def overlap(example: Example) -> float:
    """Return the share of the question's words that stand in its quotes."""
    asked = set(tokens(example.question))
    return len(asked & {word for quote in quotes(example) for word in tokens(quote)}) / len(asked)


def test_no_question_is_asked_twice() -> None:
    pairs = near_duplicates([example.question for example in examples()])
    assert [(examples()[i].id, examples()[j].id) for i, j in pairs] == []


def test_no_question_stands_in_the_corpus() -> None:
    assert verbatim_in_corpus(examples(), corpus()) == ()


def test_no_two_documents_or_sections_are_the_same() -> None:
    sections = Counter(text.partition("\n")[2].strip() for _, text in sections_of(corpus()))
    assert [text for text, count in sections.items() if count > 1 and text] == []
    assert len({document.title for document in corpus().documents}) == len(corpus().documents)


def test_sections_are_short() -> None:
    long = [
        f"{document}: {text[:40]!r}"
        for document, text in sections_of(corpus())
        if len(re.findall(r"\w+|[^\w\s]", text)) > MOST_TOKENS or len(text) > MOST_CHARACTERS
    ]
    assert long == []


def sections_of(corpus: Corpus) -> list[tuple[str, str]]:
    return [
        (document.id, text.strip())
        for document in corpus.documents
        for text in re.split(r"(?m)^(?=#{1,6} )", document.text)
        if text.strip()
    ]


def test_every_document_is_asked_about() -> None:
    asked = {evidence.document for example in examples() for evidence in example.evidence}
    assert {document.id for document in corpus().documents} - asked == set()


@pytest.mark.parametrize("committed", [True, False])
def test_splits_are_balanced_over_the_slices(tmp_path: Path, committed: bool) -> None:
    path = tmp_path / "splits.json"
    if committed:
        path.write_bytes((HANDBOOK / "splits.json").read_bytes())
    splits = assign_splits(examples(), path)
    assert splits.aside == ()
    assert not committed or splits.added == 0
    find_leaks(splits)
    for part, share in ((splits.train, 0.2), (splits.validation, 0.3), (splits.test, 0.5)):
        assert abs(len(part) / len(examples()) - share) < 0.02
        counts = Counter(example.slice for example in part)
        assert all(abs(counts[name] / len(of(name)) - share) < 0.08 for name in SLICES)
