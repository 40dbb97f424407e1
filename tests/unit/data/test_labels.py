"""Labels against the corpus."""

from __future__ import annotations

import pytest

from ragc.data import (
    Corpus,
    Document,
    Evidence,
    Example,
    Span,
    check_labels,
    gold_spans,
    is_gold,
)
from ragc.errors import DataError

TEXT = "# Leave\n\nYou carry over at most\nfive days – no more.\n\n| Office | Days |\n|---|---|\n| Gdańsk | 28 |\n"
CORPUS = Corpus((Document("leave.md", "Leave", TEXT), Document("travel.md", "Travel", "Ask before you book a train.")))


def example(number: int, *evidence: Evidence, question: str = "q") -> Example:
    return Example(f"e{number}", question, ("a",), evidence)


@pytest.mark.parametrize(
    "quote",
    ["at most five days", "AT MOST  FIVE DAYS", "five days - no more", "| Gdańsk | 28 |", "over at most\nfive", None],
)
def test_evidence_that_occurs_is_valid(quote: str | None) -> None:
    labels = check_labels([example(1, Evidence("leave.md", quote))], CORPUS)
    assert len(labels.valid) == 1
    assert labels.stale == ()


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence("leav.md"), 'unknown document "leav.md"'),
        (Evidence("leave.md", "six days"), 'quote "six days" does not occur in leave.md'),
        (Evidence("travel.md", "at most five days"), "does not occur in travel.md"),
        (Evidence("leave.md", "Gdańsk 28"), "does not occur"),
    ],
)
def test_evidence_that_is_gone_is_stale(evidence: Evidence, reason: str) -> None:
    good = [example(i, Evidence("leave.md")) for i in range(4)]
    labels = check_labels([*good, example(9, Evidence("travel.md"), evidence)], CORPUS)
    assert labels.valid == tuple(good)
    assert [one.example.id for one in labels.stale] == ["e9"]
    assert reason in labels.stale[0].reason


def test_more_than_a_fifth_stale_stops_the_run() -> None:
    good = [example(i) for i in range(15)]
    stale = [example(100 + i, Evidence("gone.md")) for i in range(4)]
    with pytest.raises(DataError) as caught:
        check_labels([*good, *stale], CORPUS)
    message = str(caught.value)
    assert message.startswith('4 of 19 labels are stale, at most 20% may be: "e100": unknown document "gone.md"')
    assert '"e102"' in message
    assert '"e103"' not in message
    assert "\n" not in message


def test_exactly_a_fifth_stale_is_borne() -> None:
    labels = check_labels([*(example(i) for i in range(4)), example(9, Evidence("gone.md"))], CORPUS)
    assert len(labels.stale) == 1


def test_gold_spans_stand_in_the_original_text() -> None:
    spans = gold_spans(example(1, Evidence("leave.md", "at most five days"), Evidence("travel.md")), CORPUS)
    assert TEXT[spans[0].start : spans[0].end] == "at most\nfive days"
    assert spans[1] == Span("travel.md", 0, len("Ask before you book a train."))


def test_gold_span_is_a_whole_word_where_there_is_one() -> None:
    corpus = Corpus((Document("a", "A", "twentyfive or five"),))
    assert gold_spans(example(1, Evidence("a", "five")), corpus) == (Span("a", 14, 18),)


def test_a_passage_is_gold_when_it_overlaps() -> None:
    spans = (Span("a", 10, 20),)
    assert is_gold(spans, "a", 0, 11)
    assert is_gold(spans, "a", 19, 30)
    assert not is_gold(spans, "a", 0, 10)
    assert not is_gold(spans, "a", 20, 30)
    assert not is_gold(spans, "b", 0, 30)


def test_evidence_that_is_gone_has_no_span() -> None:
    assert gold_spans(example(1, Evidence("gone.md"), Evidence("leave.md", "no such words")), CORPUS) == ()
