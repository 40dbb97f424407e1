"""What a refusal becomes: a line that names model and variable, and never the key."""

from __future__ import annotations

import asyncio
import traceback

import dspy
import pytest
from dspy.utils.exceptions import ContextWindowExceededError, LMError

from provider import Answer, Delivery, Provider
from ragc.errors import ExampleError, ModelError
from ragc.models import Gateway, make_lm
from unit.models.conftest import KEY, MakeLM, settings


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, "invalid_api_key", "refuses the key in OUR_KEY"),
        (403, "permission_denied", "refuses the key in OUR_KEY"),
        (402, "billing", "no credit"),
        (429, "insufficient_quota", "no credit"),
        (404, "model_not_found", "does not know this model"),
    ],
)
@pytest.mark.parametrize("awaited", [False, True])
def test_refusal_for_good_is_one_line_that_names_model_and_variable(
    hosted: MakeLM, provider: Provider, status: int, code: str, says: str, awaited: bool
) -> None:
    provider.script = lambda asked: Answer(status=status, code=code)
    lm = hosted()
    with pytest.raises(ModelError) as caught:
        asyncio.run(lm.acall("hello")) if awaited else lm("hello")
    message = str(caught.value)
    assert says in message
    assert "openai/our-model" in message
    assert "\n" not in message
    assert len(provider.requests) == 1
    assert provider.requests[0].key == KEY
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_refusal_is_a_dspy_error_as_well(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=401)
    with dspy.context(lm=hosted()), pytest.raises(LMError) as caught:
        dspy.Predict("question -> answer")(question="hello")
    assert isinstance(caught.value, ModelError)


def test_refusal_for_good_is_remembered_and_nothing_is_sent_after_it(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=401)
    gateway = Gateway()
    lm = hosted(gateway)
    for _ in range(3):
        with pytest.raises(ModelError):
            lm("hello")
    assert len(provider.requests) == 1
    assert isinstance(gateway.fatal, ModelError)
    with gateway.recording() as calls, pytest.raises(ModelError, match="OUR_KEY"):
        hosted(gateway, model="openai/another")("hello")
    assert "OUR_KEY" in (calls[0].error or "")
    assert len(provider.requests) == 1


def test_anthropic_refusal_names_its_variable(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789abcdef")
    provider.script = lambda asked: Answer(status=401, code="authentication_error")
    lm = make_lm(settings("anthropic/claude-sonnet-4-5", base_url=provider.base_url))
    with pytest.raises(ModelError, match="ANTHROPIC_API_KEY") as caught:
        lm("hello")
    assert "0123456789abcdef" not in str(caught.value)


def test_context_exceeded_is_the_examples_error(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=400, code="context_length_exceeded")
    with pytest.raises(ExampleError, match="does not fit") as caught:
        hosted()("hello")
    assert isinstance(caught.value, ContextWindowExceededError)


def test_withheld_answer_is_the_examples_error_and_is_paid_for(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer("", finish="content_filter")
    gateway = Gateway()
    with gateway.recording() as calls, pytest.raises(ExampleError, match="content filter"):
        hosted(gateway)("hello")
    assert gateway.usage.calls == 1
    assert [call.error is None for call in calls] == [False]


def test_address_that_never_answered_is_fatal(hosted: MakeLM) -> None:
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9/v1 cannot be reached"):
        hosted(base_url="http://127.0.0.1:9/v1")("hello")


def test_address_that_has_answered_is_an_outage(hosted: MakeLM, provider: Provider) -> None:
    lm = hosted()
    lm("hello")
    provider.script = lambda asked: Answer(delivery=Delivery.HANG_UP)
    with pytest.raises(ExampleError):
        lm("hello")
