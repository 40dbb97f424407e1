"""How much of the evidence was retrieved, and what counts as evidence where a label names none."""

from __future__ import annotations

import pytest

from ragc.data import Corpus, Document, Evidence, Example
from ragc.evaluation import recall_of
from ragc.retrieval import Passage, sections

RENT = Document("rent.md", "Rent", "# Rent\n\nA full plot costs £62 a year.\n\n## Deposit\n\nThe key costs £50.\n")
SHOP = Document("shop.md", "Shop", "# Shop\n\nOpen on Sundays, ten to noon. Twelve tools are lent.\n")
CORPUS = Corpus((RENT, SHOP))
PLOT, KEY, HOURS = *sections(RENT), *sections(SHOP)


def labelled(*answers: str, evidence: tuple[Evidence, ...] = ()) -> Example:
    return Example("e", "What?", answers, evidence)


def test_with_evidence_it_is_the_share_that_passages_overlap() -> None:
    evidence = (Evidence("rent.md", "A full plot costs £62"), Evidence("rent.md", "The key costs £50"))
    recall = recall_of(CORPUS)
    assert recall(labelled("whatever", evidence=evidence), [PLOT, HOURS]) == 0.5
    assert recall(labelled("whatever", evidence=evidence), [PLOT, KEY]) == 1.0
    assert recall_of(CORPUS)(labelled("whatever", evidence=(Evidence("gone.md"),)), [PLOT]) is None


@pytest.mark.parametrize(
    ("answers", "passages", "expected"),
    [
        (("£62",), [PLOT], 1.0),
        (("£62", "62 pounds"), [HOURS, KEY], 0.0),
        (("62 pounds", "the full plot"), [HOURS, PLOT], 1.0),
        (("open on Sundays",), [], 0.0),
        (("12 tools",), [HOURS], 1.0),
        (("12 tools",), [PLOT], None),
        (("on Mondays",), [PLOT, KEY, HOURS], None),
        (("yes",), [PLOT], None),
        (("50",), [PLOT], None),
        ((), [PLOT], None),
    ],
)
def test_without_evidence_a_passage_that_holds_an_accepted_answer_is_enough(
    answers: tuple[str, ...], passages: list[Passage], expected: float | None
) -> None:
    recall = recall_of(CORPUS)
    for _ in range(2):  # the second time from what was found out before
        assert recall(labelled(*answers), passages) == expected
