"""Demonstrations of labelled and of bootstrapped examples."""

from __future__ import annotations

import json
from typing import Any

import dspy
import pytest

from ragc.compiler import Demonstration, with_demonstrations
from ragc.compiler._candidate import state_of
from ragc.compiler._demonstrations import labelled
from ragc.data import Example
from ragc.evaluation import ABSTENTION
from ragc.retrieval import Passage, Passages, Retrieve, bind

TEXTS = {
    "leave": "You may carry over five days of leave.",
    "rent": "Rent is due on 1 October.",
    "water": "The taps are on from March.",
}


class Shelf:
    """An index of three passages, the one that is asked for first."""

    corpus_version = "v1"

    def __deepcopy__(self, memo: object) -> Shelf:
        return self

    def search(self, query: str, **_: Any) -> list[Passage]:
        found = [Passage(id=name, document=f"{name}.md", title=name, text=text) for name, text in TEXTS.items()]
        return sorted(found, key=lambda passage: passage.id not in query)

    def passages(self, documents: list[str]) -> list[Passage]:
        return []


class AnswerFromPassages(dspy.Signature):  # type: ignore[misc]  # dspy ships no types
    passages: Passages = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Answering(dspy.Module):  # type: ignore[misc]  # dspy ships no types
    def __init__(self) -> None:
        super().__init__()
        self.retrieve = Retrieve(k=3)
        self.respond = dspy.Predict(AnswerFromPassages)

    def forward(self, question: str) -> dspy.Prediction:
        passages = self.retrieve(question)
        return dspy.Prediction(answer=self.respond(passages=passages, question=question).answer, passages=passages)


@pytest.fixture
def program() -> dspy.Module:
    made = Answering()
    bind(made, Shelf())  # type: ignore[arg-type]  # all that a Retrieve needs of an index
    return made


def make(program: dspy.Module, *examples: Example, passages: int = 1) -> list[Demonstration]:
    return labelled(program, examples, lm=dspy.utils.DummyLM([]), passages=passages, recall=None)


def test_a_labelled_demonstration_shows_the_passage_that_holds_the_answer(program: dspy.Module) -> None:
    (one,) = make(program, Example(id="e1", question="How much leave carries over?", answers=("five days", "5 days")))
    shown = one.fields["respond"]
    assert shown["answer"] == "five days"
    assert [passage.id for passage in shown["passages"]] == ["leave"]
    assert not one.abstains


def test_an_unanswerable_example_shows_the_abstention(program: dspy.Module) -> None:
    (one,) = make(program, Example(id="e2", question="Is there a sauna?", answers=()), passages=2)
    assert one.fields["respond"]["answer"] == ABSTENTION
    assert len(one.fields["respond"]["passages"]) == 2
    assert one.abstains


def test_an_answer_that_no_passage_holds_is_left_out(program: dspy.Module) -> None:
    assert make(program, Example(id="e3", question="Who chairs the committee?", answers=("Idris Vaughan",))) == []


def test_a_program_that_cannot_run_on_labels_alone_is_left_out(program: dspy.Module) -> None:
    class Broken(dspy.Module):  # type: ignore[misc]  # dspy ships no types
        def forward(self, question: str) -> dspy.Prediction:
            raise KeyError("query")

    assert make(Broken(), Example(id="e1", question="leave?", answers=("five days",))) == []


def test_state_with_demonstrations_survives_json_and_sets_nothing_compiled(program: dspy.Module) -> None:
    chosen = make(program, Example(id="e1", question="How much leave carries over?", answers=("five days",)))
    candidate = with_demonstrations(program, chosen)
    candidate._compiled = True
    state = state_of(candidate)
    assert json.loads(json.dumps(state)) == state
    assert state["respond"]["lm"] is None
    demo = state["respond"]["demos"][0]
    assert demo["answer"] == "five days"
    assert "You may carry over five days of leave." in demo["passages"]
    assert program.respond.demos == []
