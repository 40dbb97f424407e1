"""From the configuration to an LM and its adapter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dspy
import pytest

from provider import Asked, Provider
from ragc.errors import ConfigError, ModelError
from ragc.models import (
    PlainAdapter,
    RepairingChatAdapter,
    RepairingJSONAdapter,
    check_model,
    context_window,
    describe,
    find_price,
    make_adapter,
    make_lm,
    token_counter,
)
from unit.models.conftest import KEY, MakeLM, settings


@pytest.mark.parametrize("model", ["nonsense", "nonsense/model", "local/nonsense", "openai/"])
def test_unknown_model_is_refused_with_what_is_known(model: str) -> None:
    with pytest.raises(ModelError, match=r"unknown (local )?model .*smollm2-135m-instruct"):
        make_lm(settings(model))
    with pytest.raises(ModelError):
        check_model(settings(model))


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("openai/gpt-4o-mini", "OPENAI_API_KEY"),
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-flash", "GEMINI_API_KEY or GOOGLE_API_KEY"),
        ("groq/llama-3.3-70b-versatile", "GROQ_API_KEY"),
        ("mistral/mistral-small-latest", "MISTRAL_API_KEY"),
    ],
)
def test_missing_key_names_the_variable_before_any_call(
    model: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in variable.split(" or "):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match=f"{model}: no key: set {variable} in the environment"):
        make_lm(settings(model))


def test_configured_key_variable_is_the_only_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ModelError, match="OUR_KEY"):
        check_model(settings("openai/our-model", api_key_env="OUR_KEY", base_url="http://127.0.0.1:9/v1"))


def test_endpoint_of_ones_own_needs_no_key(provider: Provider) -> None:
    lm = make_lm(settings("openai/our-model", base_url=provider.base_url))
    assert lm("hello") == ["a scripted answer"]
    assert provider.requests[0].body["model"] == "our-model"


def test_base_url_of_the_environment_is_where_calls_go(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert make_lm(settings("openai/gpt-4o-mini"))("hello") == ["a scripted answer"]


def test_only_configured_parameters_are_sent(provider: Provider) -> None:
    make_lm(settings("openai/our-model", base_url=provider.base_url))("hello")
    make_lm(settings("openai/our-model", base_url=provider.base_url, temperature=0.5, max_tokens=77))("hello")
    plain, given = (request.body for request in provider.requests)
    assert not {"temperature", "max_tokens", "max_completion_tokens"} & set(plain)
    assert given["temperature"] == 0.5
    assert 77 in (given.get("max_tokens"), given.get("max_completion_tokens"))


def test_temperature_that_a_reasoning_model_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ConfigError, match="openai/gpt-5"):
        make_lm(settings("openai/gpt-5", temperature=0.5))


def test_litellm_answers_for_providers_that_dspy_does_not_know(provider: Provider) -> None:
    script = f"""
import warnings; warnings.simplefilter("ignore")
from ragc.models import make_lm
from ragc.project import ModelSettings
lm = make_lm(ModelSettings(model="mistral/mistral-small-latest", base_url={provider.base_url!r}, api_key_env="OUR_KEY"))
print(lm("hello"))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "['a scripted answer']", done.stderr
    assert provider.requests[0].key == KEY


def test_capabilities_are_those_of_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    lm = make_lm(settings("openai/gpt-4o-mini"))
    assert lm.supports_response_schema
    assert lm.supports_function_calling
    assert "response_format" in lm.supported_params
    assert not lm.supports_reasoning
    local = make_lm(settings("local/smollm2-135m-instruct"))
    assert local.supports_response_schema
    assert not local.supports_function_calling


def test_state_holds_no_key_and_loads_again(hosted: MakeLM, provider: Provider) -> None:
    lm = hosted()
    state = json.dumps(lm.dump_state())
    assert KEY not in state
    assert "OUR_KEY" in state
    loaded = dspy.LM.load_state(json.loads(state), allow_custom_lm_class=True)
    assert loaded("hello") == ["a scripted answer"]
    assert provider.requests[-1].key == KEY


def test_adapter_follows_the_configuration() -> None:
    assert isinstance(make_adapter(settings("local/smollm2-135m-instruct")), PlainAdapter)
    assert isinstance(make_adapter(settings("openai/x", adapter="plain")), PlainAdapter)
    json_adapter = make_adapter(settings("local/smollm2-135m-instruct", adapter="json"))
    assert isinstance(json_adapter, RepairingJSONAdapter) and isinstance(json_adapter, dspy.JSONAdapter)
    chat = make_adapter(settings("openai/gpt-4o-mini"))
    assert isinstance(chat, RepairingChatAdapter) and isinstance(chat, dspy.ChatAdapter)
    assert not chat.use_json_adapter_fallback


def test_parse_failure_is_repaired_once(hosted: MakeLM, provider: Provider) -> None:
    with (
        dspy.context(lm=hosted(), adapter=make_adapter(settings("openai/our-model"))),
        pytest.raises(dspy.utils.exceptions.AdapterParseError),
    ):
        dspy.Predict("question -> answer")(question="hello")
    assert len(provider.requests) == 2
    assert "answer is missing" in provider.requests[1].text


def test_plain_adapter_reaches_a_chat_model_without_the_mark_for_raw_text(hosted: MakeLM, provider: Provider) -> None:
    def script(asked: Asked) -> str:
        return "Answer: five days\nand more"

    provider.script = script
    with dspy.context(lm=hosted(), adapter=PlainAdapter()):
        assert dspy.Predict("question -> answer")(question="How many?").answer == "five days"
    body = provider.requests[0].body
    assert set(body) == {"model", "messages"}
    assert provider.requests[0].text.endswith("Question: How many?\nAnswer:")


def test_prices_come_from_the_configuration_else_from_the_packaged_list() -> None:
    listed = find_price(settings("openai/gpt-4o-mini"))
    assert listed is not None
    assert (listed.input, listed.output, listed.cached_input) == (0.15, 0.6, 0.075)
    given = find_price(settings("openai/gpt-4o-mini", price={"input": 1.0, "output": 2.0}))
    assert given is not None
    assert given.input == 1.0
    assert find_price(settings("openai/our-model")) is None
    local = find_price(settings("local/smollm2-135m-instruct"))
    assert local is not None
    assert (local.input, local.output) == (0, 0)


def test_context_window_and_token_counts() -> None:
    assert context_window(settings("openai/gpt-4o-mini")) == 128_000
    assert context_window(settings("openai/our-model")) is None
    assert context_window(settings("local/smollm2-135m-instruct", context=2048)) == 2048
    count = token_counter(settings("openai/gpt-4o-mini"))
    assert (count(""), count("abcd"), count("abcde"), count("££")) == (0, 1, 2, 1)


def test_description_of_a_hosted_model_names_its_provider() -> None:
    assert describe(settings("openai/gpt-4o-mini")) == {
        "model": "openai/gpt-4o-mini",
        "provider": "openai-chat",
        "revision": None,
    }


def test_import_and_prices_load_no_client_and_touch_no_network(tmp_path: Path) -> None:
    script = """
import socket, sys
def refuse(*args, **kwargs): raise AssertionError("network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import ragc.models
from ragc.project import ModelSettings
print(ragc.models.find_price(ModelSettings(model="openai/gpt-4o-mini")).input)
print(sorted(name for name in ("litellm", "xllamacpp", "mlflow", "openai", "anthropic") if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.splitlines() == ["0.15", "[]"], done.stderr
    assert list(tmp_path.iterdir()) == []  # DSPy's cache on disk was not made
