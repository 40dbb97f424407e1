"""What counts as not knowing."""

from __future__ import annotations

import pytest

from ragc.evaluation import ABSTENTION, is_abstention


@pytest.mark.parametrize(
    "answer",
    [
        ABSTENTION,
        "the documents do not say",
        "The passages don't mention it.",
        "The handbook does not specify a limit for dogs.",
        "I don't know.",
        "I do not know",
        "I cannot find that in the passages.",
        "Not mentioned in the handbook.",
        "It is not stated in the documents.",
        "Not in the passages",
        "There is no information on that.",
        "No mention",
        "Unknown.",
        "Not specified",
        "N/A",
        "Unfortunately, the provided context does not contain the answer.",
    ],
)
def test_a_sentence_that_says_so_is_an_abstention(answer: str) -> None:
    assert is_abstention(answer)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "five days",
        "up to five days, unless the contract does not say so",
        "No",
        "no more than five",
        "not more than £45",
        "not before the 27th",
        "No policy for dogs is needed",
        "Nothing",
        "the handbook board",
        "The information desk",
        "not allowed",
    ],
)
def test_an_answer_is_no_abstention(answer: str | None) -> None:
    assert not is_abstention(answer)
