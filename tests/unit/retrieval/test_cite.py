"""Citations are checked against the passages."""

from __future__ import annotations

import pytest

from ragc.retrieval import CITATION_METHOD, Passage, cite


def passages(*texts: str) -> list[Passage]:
    return [Passage(f"p{number}", "d", "Title", text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("five days", "You may carry FIVE   days over."),
        ("five-days", "at most five – days"),
        ("the five days.", "five days"),
        ("£1,200", "costs £1200 a year"),
        ("Gdańsk", "the office in Gdan\u0301sk"),
        ("5 days off", "up to five days"),
        ("It is 1,200 or so", "the limit is 1200 per year"),
        ("on 1 May 2026, I think", "from 2026-05-01"),
        ("starting May 1st", "from the 1st of May 2026"),
        ("sometime in May 2026", "on 3 May 2026"),
        ("it opens 9:30 sharp", "hours are 09:30 to 17:00"),
        ("1.50 each", "the price is 1.5 a piece"),
        ("Title", "anything"),
    ],
)
def test_supports(answer: str, text: str) -> None:
    assert cite(answer, passages("nothing here", text))[-1:] == ("p1",)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("five days", "fifty or sixty days"),
        ("5", "15 or 50"),
        ("rent", "the renter"),
        ("5 days in 2024", "5 days in 2025"),
        ("1.5 hours", "15 hours"),
        ("1 May", "1 June"),
        ("9:30 today", "at 9 or 30"),
        ("no number at all", "number"),
        ("one of them", "1"),
        ("", "text"),
        ("the", ""),
        ("?!", "?!"),
    ],
)
def test_does_not_support(answer: str, text: str) -> None:
    assert cite(answer, passages(text)) == ()


def test_all_that_hold_the_answer_are_cited_in_their_order() -> None:
    assert cite("five days", passages("five days", "six days", "about five days")) == ("p0", "p2")


def test_numbers_count_only_where_no_passage_holds_the_answer() -> None:
    assert cite("5 days", passages("5 offices", "5 days")) == ("p1",)
    assert cite("5 whole days", passages("5 offices", "five days", "six days")) == ("p0", "p1")


def test_the_method_has_a_name() -> None:
    assert CITATION_METHOD == "string-match"
