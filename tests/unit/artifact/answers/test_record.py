"""A record is made of whatever a program answers: its names may mean anything there."""

from __future__ import annotations

import json
from typing import Any

import dspy
import pytest

from ragc.artifact.answers._record import Asked, Digests, record

ASKED = Asked("0" * 20, {"question": "Why?", "weight": float("nan"), "tags": {"b"}}, "openai/x", ())


def made(**fields: Any) -> dict[str, Any]:
    found = record(ASKED, {"task": "t", "artifact": "a"}, (), Digests(None), 0.12345, dspy.Prediction(**fields))
    reread: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return reread


def test_a_plain_answer() -> None:
    found = made(answer="Because.", reasoning="Well.", score=0.5)
    assert (found["answer"], found["outputs"]) == ("Because.", {"reasoning": "Well.", "score": 0.5})
    assert (found["question"], found["inputs"]) == ("Why?", {"weight": "nan", "tags": ["b"]})
    assert (found["passages"], found["citations"], found["dropped"], found["seconds"]) == ([], [], [], 0.123)


@pytest.mark.parametrize("odd", [3, "text", None, {"a": 1}, [{"a": 1}, 2], object()])
def test_odd_values_under_the_names_of_ours_are_no_error(odd: Any) -> None:
    provenance = {"dropped": odd, "differs": odd, "citation_method": odd}
    found = made(answer=odd, passages=odd, citations=odd, provenance=provenance)
    assert found["passages"] == []
    assert all(isinstance(one, str) for one in [*found["citations"], *found["dropped"]])


def test_an_answer_that_is_no_text_is_kept_as_it_is() -> None:
    assert made(answer=["a", {"b": (1, True)}])["answer"] == ["a", {"b": [1, True]}]
