"""Exact token counts: asked of the provider's own endpoint, with the body that a call would have."""

from __future__ import annotations

import json
import subprocess
import sys

import dspy
import pytest

from provider import Answer, Provider, always
from ragc.errors import ModelError
from ragc.models import NotCounted, NotSent, exact_counter, make_adapter, make_lm, text_of, unsent
from ragc.project import ModelSettings
from unit.models.conftest import KEY, settings

MODELS = ["openai/our-model", "anthropic/claude-sonnet-4-5"]


def kept(model: ModelSettings, *, signature: str = "question -> answer") -> dspy.lm15.Request:
    """What a program would send to `model`."""
    lm = unsent(make_lm(model))
    with dspy.context(lm=lm, adapter=make_adapter(model)), pytest.raises(NotSent):
        dspy.Predict(signature)(question="How many days?")
    (request,) = lm.engine.requests
    return request


@pytest.mark.parametrize("name", MODELS)
def test_the_provider_counts_what_a_call_would_send(provider: Provider, name: str) -> None:
    model = settings(name, base_url=provider.base_url, api_key_env="OUR_KEY", max_tokens=50)
    request = kept(model)
    assert provider.requests == []
    counted = exact_counter(model)(request)
    (asked,) = provider.requests
    assert counted == asked.tokens > 10
    assert (asked.endpoint, asked.key) == ("count", KEY)
    assert asked.body["model"] == name.partition("/")[2]
    assert "How many days?" in asked.text and "max_tokens" not in json.dumps(asked.body)
    assert asked.prompt.split() == text_of(request).split()


@pytest.mark.parametrize("name", ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5"])
def test_a_schema_is_counted_too(provider: Provider, name: str) -> None:
    model = settings(name, base_url=provider.base_url, api_key_env="OUR_KEY", adapter="json")
    exact_counter(model)(kept(model, signature="question -> days: int"))
    assert '"days"' in json.dumps({**provider.requests[0].body, "messages": "", "input": "", "system": ""})


@pytest.mark.parametrize("name", MODELS)
def test_an_endpoint_that_counts_nothing_is_named(provider: Provider, name: str) -> None:
    provider.faults = always(lambda asked, answer: Answer(status=404))
    model = settings(name, base_url=provider.base_url, api_key_env="OUR_KEY")
    with pytest.raises(NotCounted, match=f"{name}: its endpoint counts no tokens") as caught:
        exact_counter(model)(kept(model))
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["groq/llama-3.3-70b-versatile", "gemini/gemini-2.5-flash", "mistral/mistral-small"])
def test_other_providers_do_not_count(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    with pytest.raises(NotCounted, match="only OpenAI and Anthropic"):
        exact_counter(settings(name, api_key_env="OUR_KEY"))


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        exact_counter(settings("openai/gpt-4o-mini"))


def test_a_model_that_sends_nothing_plans_its_prompts_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    real = make_lm(settings("openai/gpt-4o-mini", api_key_env="OUR_KEY", temperature=0.5))
    lm = unsent(real)
    assert lm.supported_params == real.supported_params
    assert lm.supports_response_schema and lm.supports_function_calling
    assert lm.kwargs == real.kwargs
    assert not hasattr(lm.engine, "acomplete")


def test_no_sdk_is_imported_before_it_counts() -> None:
    script = "import sys, ragc.models; print([name for name in ('openai', 'anthropic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
