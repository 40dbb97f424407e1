"""How texts are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragc._text import answer_key, find_span, normalise, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Two\n\twords ", "two words"),
        ("five–six — seven", "five-six - seven"),
        ("it’s “so” «there»", 'it\'s "so" "there"'),
        ("ﬁve ½", "five 1⁄2"),
        ("co\u00adoperate zero\u200bwidth", "cooperate zerowidth"),
        ("cafe\u0301", "café"),
        ("STRASSE Straße", "strasse strasse"),
        ("no\u00a0break", "no break"),
        ("", ""),
        ("acute´s", "acute's"),
        ("wait -- what", "wait - what"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize("text", ["Łódź ‑ “x” ﬁ İstanbul ß", "plain", "ｆｕｌｌ　ｗｉｄｔｈ"])
def test_normalise_is_idempotent(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(max_size=40))
def test_the_way_back_is_the_same_normalisation(text: str) -> None:
    span = find_span(text, text)
    if not normalise(text):
        assert span is None
    else:
        assert span is not None
        assert normalise(text[span[0] : span[1]]) == normalise(text)


@pytest.mark.parametrize(
    ("quote", "text", "found"),
    [
        ("at most five days", "You keep at most\n  five days.", "at most\n  five days"),
        ("AT MOST - five", "so at most – five", "at most – five"),
        ("don't", "We don’t.", "don’t"),
        ("| Amsterdam | 30 |", "| Office | Days |\n| Amsterdam  |  30 |", "| Amsterdam  |  30 |"),
        ("strasse", "In der Straße hier", "Straße"),
        ("café", "Le cafe\u0301 noir", "cafe\u0301"),
        ("fi", "ﬁ", "ﬁ"),
        ("five days", "twentyfive days or five days", "five days"),
        ("day", "days", "day"),
        ("a - b", "a --- b", "a --- b"),
    ],
)
def test_find_span_points_into_the_original_text(quote: str, text: str, found: str) -> None:
    span = find_span(quote, text)
    assert span is not None
    assert text[span[0] : span[1]] == found


def test_find_span_prefers_whole_words() -> None:
    assert find_span("five", "twentyfive or five") == (14, 18)


@pytest.mark.parametrize(("quote", "text"), [("six days", "five days"), ("", "text"), (" \n", "text"), ("x", "")])
def test_find_span_without_match_is_none(quote: str, text: str) -> None:
    assert find_span(quote, text) is None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The five days.", "five days"),
        ("1,250 EUR", "1250 eur"),
        ("Gdańsk!", "gdańsk"),
        ("well-known", "well known"),
        ("£20", "£ 20"),
        ("25%", "25"),
        ("“yes”", "Yes"),
    ],
)
def test_answers_that_mean_the_same_have_one_key(left: str, right: str) -> None:
    assert answer_key(left) == answer_key(right)


@pytest.mark.parametrize(("left", "right"), [("1.5 days", "15 days"), ("£20", "€20"), ("a", "the"), ("Łódź", "Lodz")])
def test_answers_that_differ_have_different_keys(left: str, right: str) -> None:
    assert answer_key(left) != answer_key(right)


def test_tokens_are_words_of_the_key() -> None:
    assert tokens("The £1,250.50, at most!") == ["£", "1250.50", "at", "most"]
    assert tokens("年休假5天") == ["年", "休", "假", "5", "天"]
    assert tokens("...") == []
