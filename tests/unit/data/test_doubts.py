"""Labels that the documents may no longer support."""

from __future__ import annotations

from ragc.data import Corpus, Document, Evidence, Example, doubt_labels, unsupported_in_words

CORPUS = Corpus((Document("leave.md", "Leave", "You carry over at most five days."),))
QUOTED = (Evidence("leave.md", "at most five days"),)


def labelled(*answers: str, evidence: tuple[Evidence, ...] = (), id: str = "e") -> Example:
    return Example(id, f"What of {id}?", answers, evidence, line=3)


def test_labels_that_hold_are_in_no_doubt() -> None:
    examples = [labelled("five days"), labelled("whatever", evidence=QUOTED), labelled()]
    doubts = doubt_labels(examples, CORPUS)
    assert doubts.valid == tuple(examples)
    assert (doubts.lines, doubts.refused, doubts.listed("x")) == ((), None, [])


def test_each_is_listed_with_its_line_and_why() -> None:
    gone = labelled("five", evidence=(Evidence("travel.md"),), id="gone")
    moved = labelled("seven days", id="moved")
    fine = [labelled("five days", id=f"fine {number}") for number in range(8)]
    doubts = doubt_labels([gone, moved, *fine], CORPUS)
    assert doubts.listed("faq.csv") == [
        {"file": "faq.csv", "line": 3, "id": "gone", "kind": "stale", "why": 'unknown document "travel.md"'},
        {
            "file": "faq.csv",
            "line": 3,
            "id": "moved",
            "kind": "unsupported",
            "why": '"seven days" stands in no document',
        },
    ]
    stale, unsupported = doubts.lines
    assert stale == '1 stale label, such as "gone" (line 3): unknown document "travel.md"; mend them'
    assert unsupported == unsupported_in_words(doubts.valid, CORPUS)
    assert unsupported.startswith("1 of 9 labels has an answer that stands in no document")


def test_too_many_stale_ones_are_refused_in_the_words_of_a_run() -> None:
    doubts = doubt_labels([labelled("five", evidence=(Evidence("travel.md"),))], CORPUS)
    assert doubts.refused is not None
    assert doubts.lines == (doubts.refused,)
    assert len(doubts.listed("faq.csv")) == 1
