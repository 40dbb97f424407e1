"""An answer that does not parse is asked for once more, and no more than once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from dspy.utils.exceptions import AdapterParseError

from ragc.models import RepairingChatAdapter, RepairingJSONAdapter

CHAT = "[[ ## answer ## ]]\nfive days\n\n[[ ## completed ## ]]"
JSON = '{"answer": "five days"}'
ADAPTERS = [pytest.param(RepairingChatAdapter, CHAT, id="chat"), pytest.param(RepairingJSONAdapter, JSON, id="json")]


class Scripted:
    """An engine that answers with what is next, and keeps what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers: Iterator[str] = iter(answers)
        self.requests: list[Request] = []

    def __deepcopy__(self, memo: object) -> Scripted:
        return self

    def complete(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(next(self.answers))]),
            finish_reason="stop",
            usage=Usage(input_tokens=1, output_tokens=1),
        )


class Awaited:
    """The awaited side of a `Scripted` engine."""

    def __init__(self, engine: Scripted) -> None:
        self.engine = engine

    async def complete(self, request: Request) -> Response:
        return self.engine.complete(request)


def ask(
    engine: Scripted,
    adapter: dspy.Adapter,
    signature: str = "question -> answer",
    *,
    awaited: bool = False,
    **given: Any,
) -> dspy.Prediction:
    lm = dspy.LM("openai/our-model", engine=engine, async_engine=Awaited(engine), cache=False, num_retries=0)
    with dspy.context(lm=lm, adapter=adapter):
        predict = dspy.Predict(signature)
        if awaited:
            return asyncio.run(predict.acall(question="How many?", **given))
        return predict(question="How many?", **given)


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(("adapter", "good"), ADAPTERS)
def test_the_second_answer_counts(adapter: type[dspy.Adapter], good: str, awaited: bool) -> None:
    engine = Scripted("It is five days.", good)
    assert ask(engine, adapter(), awaited=awaited).answer == "five days"
    first, second = engine.requests
    assert second.messages[: len(first.messages)] == first.messages
    assert second.system == first.system
    failed, line = second.messages[len(first.messages) :]
    assert (failed.role, failed.text) == ("assistant", "It is five days.")
    assert line.role == "user"
    assert line.text.startswith("That answer cannot be read: answer is missing. Respond with ")
    assert second.config == first.config


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(("adapter", "good"), ADAPTERS)
def test_an_answer_that_parses_is_asked_for_once(adapter: type[dspy.Adapter], good: str, awaited: bool) -> None:
    engine = Scripted(good)
    assert ask(engine, adapter(), awaited=awaited).answer == "five days"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(("adapter", "good"), ADAPTERS)
def test_a_second_failure_is_the_error(adapter: type[dspy.Adapter], good: str, awaited: bool) -> None:
    engine = Scripted("one", "two", good)
    with pytest.raises(AdapterParseError, match="two"):
        ask(engine, adapter(), awaited=awaited)
    assert len(engine.requests) == 2


def test_only_what_is_missing_is_named() -> None:
    engine = Scripted("[[ ## reasoning ## ]]\nIt says so.", CHAT.replace("answer", "reasoning") + "\n" + CHAT)
    ask(engine, RepairingChatAdapter(), "question -> reasoning, answer")
    assert "read: answer is missing. Respond" in engine.requests[1].messages[-1].text


@pytest.mark.parametrize(
    ("adapter", "bad", "good"),
    [
        (RepairingChatAdapter, "[[ ## days ## ]]\nfive", "[[ ## days ## ]]\n5"),
        (RepairingJSONAdapter, '{"days": "five"}', '{"days": 5}'),
    ],
)
def test_a_value_of_another_type_is_named(adapter: type[dspy.Adapter], bad: str, good: str) -> None:
    engine = Scripted(bad, good)
    assert ask(engine, adapter(), "question -> days: int").days == 5
    line = engine.requests[1].messages[-1].text
    assert line.startswith("That answer cannot be read: days does not have its form. Respond with ")
    assert "http" not in line  # nothing that changes with a version of a library: it is part of a journal key


def test_an_empty_answer_is_repaired_without_an_empty_message() -> None:
    engine = Scripted("", CHAT)
    assert ask(engine, RepairingChatAdapter()).answer == "five days"
    assert [message.text for message in engine.requests[1].messages[1:-1]] == ["(nothing)"]


def test_of_several_answers_those_that_parse_are_kept() -> None:
    engine = Scripted("nothing", CHAT, "nothing")
    found = ask(engine, RepairingChatAdapter(), config={"n": 3, "temperature": 1.0})
    assert found.completions.answer == ["five days"]
    assert len(engine.requests) == 3


def test_when_none_of_several_parses_one_is_asked_for_again() -> None:
    engine = Scripted("a", "b", "c", CHAT)
    found = ask(engine, RepairingChatAdapter(), config={"n": 3, "temperature": 1.0})
    assert found.completions.answer == ["five days"]
    assert len(engine.requests) == 4
    assert engine.requests[3].messages[-2].text == "a"


def test_traces_and_demonstrations_do_not_see_the_repair() -> None:
    engine = Scripted("prose", CHAT)
    lm = dspy.LM("openai/our-model", engine=engine, cache=False, num_retries=0)
    predict = dspy.Predict("question -> answer")
    predict.demos = [dspy.Example(question="When?", answer="In March")]
    with dspy.context(lm=lm, adapter=RepairingChatAdapter(), trace=[]):
        predict(question="How many?")
        ((predictor, inputs, outputs),) = dspy.settings.trace
    assert predictor is predict
    assert (inputs, outputs.toDict()) == ({"question": "How many?"}, {"answer": "five days"})
    assert len(predict.demos) == 1


def test_one_adapter_repairs_for_many_threads() -> None:
    adapter = RepairingChatAdapter()
    engines = [Scripted(f"prose {number}", CHAT) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda engine: ask(engine, adapter), engines))
    for number, engine in enumerate(engines):
        assert [message.text for message in engine.requests[1].messages[1:-1]] == [f"prose {number}"]


def test_what_the_lm_raises_is_not_repaired() -> None:
    class Refuses(Scripted):
        def complete(self, request: Request) -> Response:
            self.requests.append(request)
            raise dspy.utils.exceptions.LMAuthError("no")

    engine = Refuses()
    with pytest.raises(dspy.utils.exceptions.LMAuthError):
        ask(engine, RepairingChatAdapter())
    assert len(engine.requests) == 1


def test_an_answer_that_was_streamed_to_a_user_is_not_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    from dspy.clients.call_context import stream_emitted

    class Shown(Scripted):
        def complete(self, request: Request) -> Response:
            stream_emitted()
            return super().complete(request)

    engine = Shown("prose", CHAT)
    with pytest.raises(AdapterParseError):
        ask(engine, RepairingChatAdapter())
    assert len(engine.requests) == 1
