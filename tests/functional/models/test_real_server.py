"""Both wires against a server that nobody here wrote: llama.cpp's own, with the embedded model behind it."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import dspy
import openai
import pytest

from llama_server import MODEL, llama_server
from ragc.errors import ModelError
from ragc.models import Gateway, make_adapter, make_lm
from ragc.project import ModelSettings

pytestmark = pytest.mark.model

KEY = "sk-scripted-0123456789abcdef"
ITALY = {"context": "Rome is the capital of Italy.", "question": "What is the capital of Italy?"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the server, in a process of its own."""
    with llama_server(KEY) as address:
        yield address


@pytest.fixture(params=["openai", "anthropic"])
def settings(request: pytest.FixtureRequest, address: str, monkeypatch: pytest.MonkeyPatch) -> ModelSettings:
    """The model as a hosted one, over either wire."""
    monkeypatch.setenv("OUR_KEY", KEY)
    return ModelSettings(
        model=f"{request.param}/{MODEL}",
        base_url=f"{address}/v1",
        api_key_env="OUR_KEY",
        max_tokens=32,
        temperature=0.0,
    )


def test_a_program_has_its_answer_from_the_real_model(settings: ModelSettings) -> None:
    gateway = Gateway()
    predict = dspy.Predict("context, question -> answer")
    demo = {"context": "Paris is the capital of France.", "question": "What is the capital?", "answer": "Paris"}
    predict.demos = [dspy.Example(**demo)]
    plain = settings.model_copy(update={"adapter": "plain"})
    with dspy.context(lm=make_lm(settings, gateway=gateway), adapter=make_adapter(plain)):
        assert "Rome" in predict(**ITALY).answer
    # The server has kept the prompt of the first of the two: what it had in memory counts as input too.
    assert gateway.usage.input_tokens > 20
    assert 0 < gateway.usage.output_tokens <= 32
    assert gateway.usage.calls == 1


def test_a_wrong_key_is_refused_in_one_line(settings: ModelSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "sk-wrong-0123456789abcdef")
    with pytest.raises(ModelError, match="OUR_KEY") as caught:
        make_lm(settings)("hello")
    assert "0123456789abcdef" not in str(caught.value)


def test_the_official_clients_stream_and_count(address: str) -> None:
    question = "Rome is the capital of Italy. What is the capital of Italy?"
    with openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0) as ours:
        chunks = ours.chat.completions.create(
            model=MODEL, max_tokens=16, temperature=0, stream=True, messages=[{"role": "user", "content": question}]
        )
        assert "Rome" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    with anthropic.Anthropic(base_url=address, api_key=KEY, max_retries=0) as theirs:
        asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": question}]
        with theirs.messages.stream(
            model=MODEL, max_tokens=16, messages=asked, extra_body={"temperature": 0}
        ) as stream:
            assert "Rome" in "".join(stream.text_stream)
        counted = theirs.messages.count_tokens(model=MODEL, messages=asked)
    assert 12 < counted.input_tokens < 80
