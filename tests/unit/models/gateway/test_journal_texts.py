"""Requests become small, and come back as they were, whatever they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journals import request
from ragc.models.gateway._journal._schema import Damaged
from ragc.models.gateway._journal._texts import deflated, encoded, inflated, put_together, taken_apart

PIECES = st.sampled_from(["\n\n", "\n", "</passage>\n", "\0", "word " * 20, '{"\0": 2}', "é\ud800", '"', "\\n\\n"])
TEXTS = st.one_of(st.text(max_size=20), st.lists(PIECES, max_size=12).map("".join))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(["\0", "text"]), st.text(max_size=5)), children, max_size=4),
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.one_of(st.just("\0"), st.text(max_size=5)), VALUES, max_size=4))
def test_what_is_put_together_is_what_was_taken_apart(value: dict[str, Any]) -> None:
    back = put_together(taken_apart(value))
    assert back == value
    assert list(back) == list(value), "names keep their order"


@given(TEXTS)
def test_what_is_inflated_is_what_was_deflated(text: str) -> None:
    for words in (b"", b"word word"):
        assert inflated(deflated(encoded(text * 50), words), words) == encoded(text * 50)


def test_requests_share_what_stands_in_both() -> None:
    first, second = taken_apart(request(1)), taken_apart(request(2))
    assert len(first) == len(second) > 3
    assert sum(one != other for one, other in zip(first, second, strict=True)) == 1
    assert len(first[0]) < 200, "the shape holds no long text"


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["{}", "one too many"],
        ['{"a":{"\\u0000":3}}', "one too few"],
        ["{", ""],
        ['{"a":{"\\u0000":"x"}}'],
    ],
)
def test_texts_that_cannot_be_a_request_are_damage(texts: list[str]) -> None:
    with pytest.raises(Damaged):
        put_together(texts)


def test_what_was_cut_off_is_damage() -> None:
    data = deflated(json.dumps(request(1)).encode())
    with pytest.raises(Damaged, match="breaks off"):
        inflated(data[: len(data) // 2])
    with pytest.raises(Damaged, match="broken"):
        inflated(b"\0" + data)
