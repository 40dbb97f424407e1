"""Examples' other keys against a program's inputs."""

from __future__ import annotations

from typing import Any

import pytest

from ragc.data import Example, check_inputs
from ragc.errors import DataError


class Plain:
    def forward(self, question: str) -> None: ...


class Everything:
    def forward(self, question: str, **inputs: Any) -> None: ...


class Localised:
    def forward(self, question: str, office: str, day: str = "today") -> None: ...


def example(**inputs: Any) -> Example:
    return Example("e", "How long?", ("five",), inputs=inputs, line=3)


def complaint(examples: list[Example], program: type, path: str) -> str:
    with pytest.raises(DataError) as caught:
        check_inputs(examples, program, path)
    return str(caught.value)


def test_inputs_that_fit_pass() -> None:
    check_inputs([example()], Plain)
    check_inputs([example(topic="x")], Everything)
    check_inputs([example(office="x"), example(office="y", day="z")], Localised)


def test_a_column_that_is_no_input_is_named() -> None:
    assert complaint([example(), example(topic="x")], Plain, "questions.csv") == (
        'questions.csv: column "topic" is no input of Plain (it takes question):'
        " remove the column, or add it to forward"
    )
    assert 'key "topic"' in complaint([example(office="x", topic="x")], Localised, "questions.jsonl")


def test_an_input_that_no_example_gives_is_named() -> None:
    assert complaint([example(), example()], Localised, "questions.csv") == (
        'questions.csv: Localised needs the input "office" and no example gives it:'
        " add the column, or give it a default in forward"
    )


def test_an_input_that_one_example_does_not_give_is_named_with_its_line() -> None:
    message = complaint([example(office="x"), example()], Localised, "questions.jsonl")
    assert '"e" (line 3) does not give it' in message
