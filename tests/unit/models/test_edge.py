"""What comes back from a provider holds no key, whatever the provider echoes."""

from __future__ import annotations

import asyncio
from typing import Any

import dspy
import pytest
from dspy.lm15 import Message, Response, TextPart, ToolCallPart, Usage

from provider import Answer, Provider
from ragc.models import Engine, Gateway, make_lm
from ragc.models._edge import Edge, without_secrets
from unit.models.conftest import KEY, settings


def response(*parts: Any, **more: Any) -> Response:
    return Response(
        id="r1", model="m", message=Message.assistant(list(parts)), finish_reason="stop", usage=Usage(7, 3), **more
    )


@pytest.mark.parametrize("model", ["openai/our-model", "anthropic/claude-sonnet-4-5"])
@pytest.mark.parametrize("awaited", [False, True])
def test_an_echoed_key_does_not_reach_the_program(provider: Provider, model: str, awaited: bool) -> None:
    provider.script = lambda asked: Answer(f"your key is {asked.key}, keep it")
    lm = make_lm(settings(model, base_url=provider.base_url, api_key_env="OUR_KEY"))
    assert (asyncio.run(lm.acall("hello")) if awaited else lm("hello")) == ["your key is ***, keep it"]
    assert KEY not in str(lm.history)


def test_a_key_that_an_lm_was_made_with_is_a_secret_too(provider: Provider) -> None:
    provider.script = lambda asked: Answer(f"your key is {asked.key}")
    engine = Engine(settings("openai/our-model", base_url=provider.base_url), key="my-own-0123456789-key")
    lm = dspy.LM("openai/our-model", engine=engine, cache=False, num_retries=0)
    assert lm("hello") == ["your key is ***"]


def test_an_lm_that_the_gateway_takes_over_tells_no_key_either(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own:
        def complete(self, request: Any) -> Response:
            return response(TextPart(f"it is {KEY}"))

    monkeypatch.setenv("OUR_KEY", KEY)
    gateway = Gateway()
    lm = dspy.LM("openai/our-model", engine=Own(), cache=False, num_retries=0)
    with gateway.watching():
        assert lm("hello") == ["it is ***"]
    assert gateway.usage.calls == 1


def test_every_part_of_a_response_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    found = without_secrets(
        response(
            TextPart(f"a {KEY}"),
            ToolCallPart(id="t1", name="look", input={"with": [KEY]}),
            provider_data={"headers": {"x": KEY}, "seconds": 0.5},
        )
    )
    assert KEY not in repr(found)
    assert found.message.parts[0].text == "a ***"
    assert found.message.parts[1].input == {"with": ["***"]}
    assert (found.id, found.model, found.usage, found.provider_data["seconds"]) == ("r1", "m", Usage(7, 3), 0.5)


def test_a_response_without_a_key_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    plain = response(TextPart("five days"), provider_data={"a": [1, None]})
    assert without_secrets(plain) is plain


def test_closing_closes_what_is_below() -> None:
    class Below:
        closed = False

        def complete(self, request: Any) -> Response:
            return response(TextPart("x"))

        def close(self) -> None:
            self.closed = True

    below = Below()
    Edge(below, None).close()
    assert below.closed
