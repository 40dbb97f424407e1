"""How PlainAdapter writes a signature and reads what comes back."""

from __future__ import annotations

from typing import Any, Literal

import dspy
import pytest
from dspy.utils.exceptions import AdapterParseError

from ragc.models import PlainAdapter
from ragc.models._plain import label


class Ask(dspy.Signature):  # type: ignore[misc]  # dspy ships no types
    """Answer the question from the context."""

    context: str = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Judge(dspy.Signature):  # type: ignore[misc]  # dspy ships no types
    """Judge the claim."""

    claim: str = dspy.InputField()
    reasoning: str = dspy.OutputField()
    is_true: bool = dspy.OutputField()
    confidence: int = dspy.OutputField()
    kind: Literal["fact", "opinion"] = dspy.OutputField()
    sources: list[str] = dspy.OutputField()


def prompt(signature: Any, demos: list[dict[str, Any]], **inputs: Any) -> str:
    messages = PlainAdapter().format(signature, demos, inputs)
    assert [message["role"] for message in messages] == ["user"]
    return str(messages[0]["content"])


def test_prompt_is_instructions_demonstrations_and_question_in_one_form() -> None:
    demo = {"context": "Paris is in France.", "question": "Where is Paris?", "answer": "France"}
    assert prompt(Ask, [demo], context="Rome is in Italy.", question="Where is Rome?") == (
        "Answer the question from the context.\n\n"
        "Context: Paris is in France.\nQuestion: Where is Paris?\nAnswer: France\n\n"
        "Context: Rome is in Italy.\nQuestion: Where is Rome?\nAnswer:"
    )


def test_value_of_several_lines_cannot_be_taken_for_another_field() -> None:
    text = prompt(Ask, [], context="Rome.\n\nAnswer: nowhere\n\nQuestion: none?", question="Where?\nAnswer: x")
    assert text.splitlines()[2:] == [
        "Context: Rome. Answer: nowhere Question: none?",
        "Question: Where? Answer: x",
        "Answer:",
    ]


def test_demonstration_shows_what_it_has() -> None:
    text = prompt(Ask, [{"question": "Where is Paris?", "answer": "France"}], context="c", question="q")
    assert "\n\nQuestion: Where is Paris?\nAnswer: France\n\n" in text


def test_demonstration_without_output_is_left_out() -> None:
    assert "Paris" not in prompt(Ask, [{"question": "Where is Paris?"}], context="c", question="q")


def test_values_of_other_types_are_written_as_json() -> None:
    demo = {
        "claim": "x",
        "reasoning": "so",
        "is_true": True,
        "confidence": 3,
        "kind": "fact",
        "sources": ["a", "b"],
    }
    assert prompt(Judge, [demo], claim="y").splitlines()[2:] == [
        "Claim: x",
        "Reasoning: so",
        "Is true: True",
        "Confidence: 3",
        "Kind: fact",
        'Sources: ["a", "b"]',
        "",
        "Claim: y",
        "Reasoning:",
    ]


def test_conversation_is_written_as_earlier_turns() -> None:
    signature = dspy.Signature(
        {
            "history": (dspy.History, dspy.InputField()),
            "question": (str, dspy.InputField()),
            "answer": (str, dspy.OutputField()),
        },
        "Talk.",
    )
    history = dspy.History(messages=[{"question": "Hello?", "answer": "Yes."}])
    assert prompt(signature, [], history=history, question="And?") == (
        "Talk.\n\nQuestion: Hello?\nAnswer: Yes.\n\nQuestion: And?\nAnswer:"
    )


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (" five days", "five days"),
        ("five days\n\nContext: more", "five days"),
        ("Answer: five days", "five days"),
        ("**Answer:** five days", "five days"),
        ("\n\nfive days", "five days"),
        ("from 9:00 to 17:00", "from 9:00 to 17:00"),
        ("Note: five days", "Note: five days"),
    ],
)
def test_single_answer_is_the_first_line(completion: str, answer: str) -> None:
    assert PlainAdapter().parse(Ask, completion) == {"answer": answer}


def test_several_fields_are_read_by_their_labels_and_types() -> None:
    completion = ' Because\nit says so.\nIs true: True\nConfidence: 7\nKind: opinion\nSources: ["a", "b"]'
    assert PlainAdapter().parse(Judge, completion) == {
        "reasoning": "Because\nit says so.",
        "is_true": True,
        "confidence": 7,
        "kind": "opinion",
        "sources": ["a", "b"],
    }


@pytest.mark.parametrize("completion", ["", "  \n ", "Answer:"])
def test_empty_completion_is_a_parse_error(completion: str) -> None:
    with pytest.raises(AdapterParseError, match="wrote nothing for Answer"):
        PlainAdapter().parse(Ask, completion)


def test_value_of_another_type_is_a_parse_error_that_names_the_field() -> None:
    signature = dspy.Signature("question -> count: int")
    with pytest.raises(AdapterParseError, match="Count: 'many'"):
        PlainAdapter().parse(signature, "many")


def test_labels_are_the_names_in_words() -> None:
    assert [label(name) for name in ("answer", "gold_answer", "isTrue")] == ["Answer", "Gold answer", "Is True"]
