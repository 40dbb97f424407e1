"""The model that runs in the process, for real."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dspy
import pytest

from ragc.errors import ExampleError, ModelError
from ragc.models import Gateway, PlainAdapter, make_adapter, make_lm, prepare_model, token_counter
from ragc.models._llama import pool
from unit.models.conftest import settings

pytestmark = pytest.mark.model

MODEL = settings("local/smollm2-135m-instruct", threads=2, context=1024)
ITALY = {"context": "Rome is the capital of Italy.", "question": "What is the capital of Italy?"}


@pytest.fixture(scope="module")
def lm() -> dspy.LM:
    """The embedded model, loaded once for these tests."""
    prepare_model(MODEL)
    return make_lm(MODEL)


@pytest.fixture
def ask(lm: dspy.LM) -> Iterator[dspy.Predict]:
    """A predictor with one demonstration, on the embedded model."""
    predict = dspy.Predict("context, question -> answer")
    demo = {"context": "Paris is the capital of France.", "question": "What is the capital?", "answer": "Paris"}
    predict.demos = [dspy.Example(**demo)]
    with dspy.context(lm=lm, adapter=make_adapter(MODEL)):
        yield predict


def test_answer_comes_from_the_context(ask: dspy.Predict) -> None:
    assert ask(**ITALY).answer == "Rome"


def test_same_request_has_the_same_answer_whatever_was_asked_before_and_beside_it(
    ask: dspy.Predict, lm: dspy.LM
) -> None:
    # Questions that the model is unsure of: the last bits of a probability decide.
    questions = [f"What is the capital of Italy, and is it {number}?" for number in range(4)]

    def one(question: str) -> str:
        with dspy.context(lm=lm, adapter=PlainAdapter()):
            return str(ask(context=ITALY["context"], question=question).answer)

    async def together() -> list[str]:
        answers = await asyncio.gather(
            *(ask.acall(context=ITALY["context"], question=question) for question in questions)
        )
        return [str(answer.answer) for answer in answers]

    in_turn = [one(question) for question in questions]
    assert [one(question) for question in reversed(questions)] == in_turn[::-1]
    assert [one(questions[0]), one(questions[0])] == [in_turn[0]] * 2
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(one, questions)) == in_turn
    assert asyncio.run(together()) == in_turn


def test_usage_is_counted_and_a_shared_beginning_is_not_read_again(ask: dspy.Predict) -> None:
    gateway = Gateway()
    with dspy.context(lm=make_lm(MODEL, gateway=gateway)), gateway.recording() as calls:
        ask(**ITALY)
        ask(context=ITALY["context"], question="Which country has Rome?")
    assert gateway.usage.calls == 2
    assert gateway.usage.usd == 0
    assert calls[1].cached_input_tokens > calls[1].input_tokens / 2
    assert all(call.output_tokens > 0 for call in calls)


def test_every_field_is_written_and_parses(lm: dspy.LM) -> None:
    judge = dspy.Predict("claim -> reasoning, is_true: bool, confidence: int, sources: list[str]")
    with dspy.context(lm=lm, adapter=PlainAdapter()):
        judged = judge(claim="Rome is the capital of Italy.")
    assert judged.reasoning
    assert isinstance(judged.is_true, bool)
    assert isinstance(judged.confidence, int)
    assert isinstance(judged.sources, list)


def test_json_adapter_gets_its_schema(lm: dspy.LM) -> None:
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        assert isinstance(dspy.Predict("question -> answer")(question="What is the capital of Italy?").answer, str)


def test_prompt_that_does_not_fit_is_the_examples_error(ask: dspy.Predict) -> None:
    with pytest.raises(ExampleError, match=r"a prompt of \d+ tokens does not fit the context of 1024"):
        ask(context="Rome " * 2000, question="Where?")


def test_control_tokens_of_a_passage_are_text(lm: dspy.LM) -> None:
    count = token_counter(MODEL)
    assert count("hello there world") == 3
    assert count("<|im_end|>") > 1  # as the token itself it would be 1


def test_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "not.gguf"
    path.write_bytes(b"nothing" * 100)
    with pytest.raises(ModelError, match=r"llama\.cpp cannot load it"):
        make_lm(settings(f"local/{path}"))("hello")


def test_forked_child_loads_a_model_of_its_own_and_ends(ask: dspy.Predict) -> None:
    ask(**ITALY)
    child = os.fork()
    if child == 0:
        # As a forked web worker does it: answer, then end through Python's own finalization.
        try:
            answer = ask(**ITALY).answer
        except BaseException:  # noqa: BLE001 the child must not go on as a second test session
            os._exit(2)
        os._exit(0 if answer == "Rome" else 1)
    assert _ended(child) == 0


def test_forked_child_that_finalizes_does_not_hang(tmp_path: Path) -> None:
    script = tmp_path / "forks.py"
    script.write_text(
        "import os, sys\n"
        "from ragc.models import make_lm\n"
        "from ragc.project import ModelSettings\n"
        "lm = make_lm(ModelSettings(model='local/smollm2-135m-instruct', context=512, max_tokens=4))\n"
        "lm('hello')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    lm('hello')\n"
        "    sys.exit(3)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n",
        encoding="utf-8",
    )
    child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, str(script)])
    assert _ended(child) == 3


def test_workers_are_loaded_as_calls_come_in_side_by_side() -> None:
    from ragc.models._weights import require_weights

    workers = pool(require_weights("smollm2-135m-instruct"), 512, 2)
    with workers.worker("a") as first:
        pass
    with workers.worker("b") as again, workers.worker("c") as second:
        assert again is first
        assert second is not first
        first.last, second.last = "one prompt", "another prompt"
    with workers.worker("another question") as best:
        assert best is second


def _ended(child: int, seconds: float = 60.0) -> int:
    """The exit status of a child; kills it when it takes longer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1
