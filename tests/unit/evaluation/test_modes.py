"""Why an answer is not right."""

from __future__ import annotations

from typing import Any

import pytest

from ragc.data import Corpus, Document, Evidence, Example
from ragc.evaluation import Evaluation, Outcome, crossed, failure_mode, failure_modes
from ragc.retrieval import Passage

GOLD = "Staff may carry over five days of leave into the new year, with the consent of their manager and no later."
OTHER = "Until 2023 staff could carry over eight days of leave."
TEXT = f"{GOLD}\n{OTHER}"
EXAMPLE = Example(
    id="carry", question="How many days may I carry over?", answers=("five days",),
    evidence=(Evidence(document="leave.md", quote=GOLD),),
)  # fmt: skip
UNANSWERABLE = Example(id="gym", question="Is there a gym?", answers=())
CORPUS = Corpus((Document(id="leave.md", title="Leave", text=TEXT),))
RIGHT_ONE = Passage("p1", "leave.md", "Leave", GOLD, start=0, end=len(GOLD))
WRONG_ONE = Passage("p2", "leave.md", "Leave", OTHER, start=len(GOLD) + 1, end=len(TEXT))


def outcome(answer: str | None, score: float | None, **more: Any) -> Outcome:
    given = {"recall": 1.0, "given": (RIGHT_ONE, WRONG_ONE), **more}
    return Outcome("carry", score, answer=answer, **given)


@pytest.mark.parametrize(
    ("answered", "mode"),
    [
        (outcome("five days", 1.0), None),
        (outcome(None, None, error="reset"), "error"),
        (outcome(None, None, error="too long", over_context=True), "over the context"),
        (outcome("five days or so", 0.6), "partly right"),
        (outcome("eight", 0.0, recall=0.0, given=(WRONG_ONE,)), "retrieval miss"),
        (outcome("eight", 0.0, recall=0.0, given=(WRONG_ONE,), dropped=("p1",)), "over the context"),
        (outcome("The documents do not say.", 0.0, abstained=True), "refused wrongly"),
        (outcome(GOLD, 0.2), "parroting"),
        (outcome("How many days may I carry over?", 0.0), "parroting"),
        (outcome("eight days", 0.4), "conflict picked wrongly"),
        (outcome("a fortnight", 0.0), "unsupported"),
        (outcome("a fortnight", 0.0, given=(), recall=None), "no passages"),
        (outcome("the consent of their manager", 0.0), "misread"),
    ],
)
def test_an_answer_that_is_not_right_has_a_reason(answered: Outcome, mode: str | None) -> None:
    found = failure_modes([EXAMPLE], {"arm": Evaluation((answered,))}, CORPUS)
    assert found["arm"].get("carry") == mode


def test_a_doubted_label_is_not_the_programs_fault() -> None:
    assert failure_mode(EXAMPLE, outcome("a fortnight", 0.0), (), doubted=True) == "label in doubt"


def test_answering_what_the_corpus_does_not_know_is_named() -> None:
    answered = Outcome("gym", 0.0, answer="Yes", answerable=False)
    assert failure_mode(UNANSWERABLE, answered, ()) == "answered the unanswerable"


def test_retrieval_is_crossed_with_the_answer() -> None:
    outcomes = [
        outcome("five days", 1.0),
        outcome("five", 0.5),
        outcome("eight", 0.49),
        outcome("five", 1.0, recall=0.5),
        outcome("eight", 0.0, recall=0.0),
        outcome("eight", 0.0, recall=None),
        outcome(None, None),
        Outcome("gym", 0.0, answerable=False, recall=1.0),
    ]
    found = crossed(outcomes)
    assert (found.found_right, found.found_wrong, found.missed_right, found.missed_wrong) == (2, 1, 1, 1)
