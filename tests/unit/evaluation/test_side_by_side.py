"""Programs on the same examples, question by question."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import dspy
import pytest

from ragc.data import Example
from ragc.errors import ConfigError, ModelError
from ragc.evaluation import Evaluation, Side, TooManyErrors, side_by_side
from ragc.models import Gateway
from scripted import make_evaluator, number_in

EXAMPLES = [Example(id=f"q{n}", question=f"What is number {n}?", answers=(str(n),)) for n in range(30)]


class Asks(dspy.Module):  # type: ignore[misc]  # dspy ships no types
    """Answers after it has told a list that it was asked."""

    def __init__(self, name: str, told: list[str], fails_from: int = 99, error: Exception | None = None) -> None:
        super().__init__()
        self.name, self.told, self.fails_from, self.error = name, told, fails_from, error
        self.respond = dspy.Predict("question -> answer")

    def forward(self, question: str) -> dspy.Prediction:
        number = number_in(question)
        self.told.append(f"{number}{self.name}")
        if self.error is not None and number >= self.fails_from:
            raise self.error
        return dspy.Prediction(answer=self.respond(question=question).answer)


def sides(**programs: Any) -> dict[str, Side]:
    gateway = Gateway()
    evaluator = make_evaluator(lambda prompt: str(number_in(prompt)), gateway=gateway, max_error_rate=0.2)
    return {name: Side(evaluator, program, nullcontext) for name, program in programs.items()}


def test_all_answer_a_question_before_the_next_is_asked() -> None:
    told: list[str] = []
    found = side_by_side(sides(a=Asks("a", told), b=Asks("b", told)), EXAMPLES, threads=1)
    assert told == [f"{n}{name}" for n in range(30) for name in "ab"]
    assert {name: isinstance(one, Evaluation) and one.score for name, one in found.items()} == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("threads", [1, 8])
def test_one_that_is_refused_for_good_ends_alone(threads: int) -> None:
    told: list[str] = []
    error = ModelError("no such key")
    found = side_by_side(sides(a=Asks("a", told, 4, error), b=Asks("b", told)), EXAMPLES, threads=threads)
    assert str(found["a"]) == "no such key" and isinstance(found["b"], Evaluation) and found["b"].n == 30
    assert sum(one.endswith("a") for one in told) < 4 + 1 + threads


def test_so_does_one_with_too_many_errors() -> None:
    found = side_by_side(sides(a=Asks("a", [], 10, ValueError("odd")), b=Asks("b", [])), EXAMPLES, threads=2)
    assert isinstance(found["a"], TooManyErrors) and "10 of 20" in str(found["a"])
    assert isinstance(found["b"], Evaluation)


def test_what_ends_the_run_ends_them_all() -> None:
    with pytest.raises(KeyboardInterrupt):
        side_by_side(sides(a=Asks("a", [])), EXAMPLES, threads=2, on_outcome=_interrupt)


def _interrupt(done: int, total: int) -> None:
    raise KeyboardInterrupt


def test_a_program_at_fault_is_its_own_end() -> None:
    told: list[str] = []
    found = side_by_side(sides(a=Asks("a", told, 0, ConfigError("no answer"))), EXAMPLES, threads=1)
    assert (str(found["a"]), told) == ("no answer", ["0a"])
