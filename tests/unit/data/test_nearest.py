"""Evidence that is gone, and the text that is nearest to it now."""

from __future__ import annotations

import time

from ragc.data import Corpus, Document, Evidence, Example, find_lost

TEXT = "# Leave\n\nYou have 25 days.\n\nYou carry over at most six days – no more. Ask first."
CORPUS = Corpus(
    (
        Document("leave-2026.md", "Leave", TEXT),
        Document("travel.md", "Travel", "Ask before you book a train.\nKeep the receipt of every ticket for a year."),
    )
)


def example(*evidence: Evidence) -> Example:
    return Example("e1", "q", ("a",), evidence, line=7)


def test_evidence_that_holds_is_not_lost() -> None:
    assert find_lost([example(Evidence("travel.md", "before you book"), Evidence("travel.md"))], CORPUS) == ()


def test_changed_quote_is_shown_with_its_sentence_and_line() -> None:
    (lost,) = find_lost([example(Evidence("leave-2026.md", "carry over at most five days"))], CORPUS)
    assert lost.why == 'quote "carry over at most five days" does not occur in leave-2026.md'
    assert lost.nearest is not None
    assert (lost.nearest.document, lost.nearest.line) == ("leave-2026.md", 5)
    assert lost.nearest.text == "You carry over at most six days – no more."
    assert 0.8 < lost.nearest.similarity < 1


def test_quote_of_a_renamed_document_is_found_where_it_stands() -> None:
    gone = Evidence("leave.md", "you have 25  DAYS.")
    (lost,) = find_lost([example(gone)], CORPUS)
    assert lost.why == 'unknown document "leave.md"'
    assert lost.document == "leave-2026.md"
    assert lost.nearest is not None
    assert (lost.nearest.document, lost.nearest.text, lost.nearest.similarity) == (
        "leave-2026.md",
        "You have 25 days.",
        1.0,
    )


def test_quote_that_moved_into_another_document() -> None:
    (lost,) = find_lost([example(Evidence("leave-2026.md", "Keep the receipt of every ticket"))], CORPUS)
    assert lost.nearest is not None
    assert (lost.nearest.document, lost.nearest.line) == ("travel.md", 2)
    assert lost.nearest.text == "Keep the receipt of every ticket for a year."


def test_nothing_is_near_to_what_was_never_said() -> None:
    (lost,) = find_lost([example(Evidence("pension.md", "ξύλο και πέτρα"))], CORPUS)
    assert lost.nearest is None
    assert lost.document is None


def test_every_evidence_of_a_label_is_looked_at_and_one_without_a_quote_has_no_text() -> None:
    lost = find_lost(
        [example(Evidence("travels.md"), Evidence("travel.md"), Evidence("travel.md", "no train"))], CORPUS
    )
    assert [(one.evidence.document, one.document) for one in lost] == [("travels.md", "travel.md"), ("travel.md", None)]
    assert lost[0].nearest is None


def test_many_labels_and_long_documents_take_seconds() -> None:
    words = [f"word{n}" for n in range(40_000)]
    long = Corpus((*CORPUS.documents, Document("long.md", "Long", " ".join(words))))
    quotes = [
        example(Evidence("long.md", " ".join(words[n : n + 12]).replace("7", "x"))) for n in range(0, 20_000, 500)
    ]
    begun = time.monotonic()
    lost = find_lost(quotes, long)
    assert len(lost) == 40
    assert all(one.nearest is not None and one.nearest.document == "long.md" for one in lost)
    assert time.monotonic() - begun < 20
