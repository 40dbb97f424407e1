"""What counts as a secret, and that nothing else is taken out."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from ragc import _secrets
from ragc._files import canonical_json
from ragc._secrets import MASK, find_secret, has_password, hide, hide_password, redact, redact_json
from ragc.project import ModelSettings

KEY = "sk-planted-0123456789abcdef"
ODD = 'p"la/n té<d>&\\ 0123456789'


@pytest.fixture(autouse=True)
def nothing_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_secrets, "_values", {})
    monkeypatch.setattr(_secrets, "_variables", set())


def test_values_of_key_variables_and_what_looks_like_a_key_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_NAME", "letmein-please")
    monkeypatch.setenv("SOME_API_KEY", "plain-words-here")
    text = redact("letmein-please plain-words-here sk-abcdefghijklmnop1234 Bearer xyz.123 fine", ("ODD_NAME",))
    assert text == "*** *** *** Bearer *** fine"


@pytest.mark.parametrize(
    "variable",
    [
        *("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_PAT", "OPENAI_API_KEY_2"),
        *("OUR_KEY", "CLIENT_SECRET", "PGPASSWORD", "MLFLOW_TRACKING_PASSWORD", "WATSONX_APIKEY", "db_passwd"),
    ],
)
def test_variables_that_hold_keys_are_known_by_their_names(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "qW3rtzUi0pAsdf")
    assert redact("said qW3rtzUi0pAsdf.") == "said ***."
    assert redact_json({"said": ["qW3rtzUi0pAsdf"]}) == {"said": [MASK]}
    assert find_secret(b"x = qW3rtzUi0pAsdf") == variable


@pytest.mark.parametrize("variable", ["PATH", "HOME", "MONKEY", "TOKENIZERS_PARALLELISM", "KEYBOARD", "PWD"])
def test_other_variables_hold_none(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/opt/qW3rtzUi0pAsdf")
    assert redact("at /opt/qW3rtzUi0pAsdf") == "at /opt/qW3rtzUi0pAsdf"


def test_a_configured_variable_is_a_secret_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LOGIN", "s3same")
    assert redact_json("open s3same") == "open s3same"
    ModelSettings(model="openai/ours", base_url="http://host/v1", api_key_env="GATEWAY_LOGIN")
    assert redact_json("open s3same") == redact("open s3same") == "open ***"


def test_a_key_that_was_used_stays_secret_when_its_variable_goes() -> None:
    hide(KEY, "OUR_KEY")
    assert redact_json(f"x{KEY}x") == "x***x"
    assert find_secret(KEY) == "OUR_KEY"


@pytest.mark.parametrize(
    "written",
    [
        ODD,
        json.dumps(ODD),
        json.dumps(ODD, ensure_ascii=False),
        json.dumps(json.dumps(ODD)),
        quote(ODD),
        quote(ODD, safe=""),
        html.escape(ODD),
        repr(ODD),
    ],
)
def test_every_written_form_is_found(written: str) -> None:
    hide(ODD, "OUR_KEY")
    assert "0123456789" not in redact(f"error: {written}!")
    assert "0123456789" not in json.dumps(redact_json([written]))
    assert find_secret(written.encode()) == "OUR_KEY"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:hunter22@db.local:5432/x", "postgresql://***@db.local:5432/x"),
        ("https://me:p%40ss/word1@host/v1?a=b", "https://me:p%40ss/word1@host/v1?a=b"),  # the path has the @
        ("http://token99@host", "http://***@host"),
        ("sqlite:///a/b@c.db", "sqlite:///a/b@c.db"),
        ("see https://example.org/@me", "see https://example.org/@me"),
    ],
)
def test_addresses_are_shown_without_user_and_password(address: str, shown: str) -> None:
    assert redact(address) == shown


def test_the_password_of_an_address_is_a_secret_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_password("postgresql://me:hunter%2222@db/x")
    assert redact('for user "me" (hunter"22)') == 'for user "me" (***)'
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:aB3dE6gH9jK2@db/x")
    assert redact_json("aB3dE6gH9jK2") == MASK
    assert has_password("https://a:b@c") and not has_password("https://c") and not has_password("no address")


@pytest.mark.parametrize(
    "text",
    [
        *("gsk_abcd1234efgh5678", "AIzaSyA1234567890abcdefghijk", "AKIAIOSFODNN7EXAMPLE", "hf_abcdef1234567890xyz"),
        *("sk-proj-****************1234", "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ", "github_pat_11ABCDEFG0123456789xyz"),
    ],
)
def test_what_looks_like_a_key_is_taken_out_of_messages_alone(text: str) -> None:
    assert redact(f"Incorrect key: {text}, sorry") == "Incorrect key: ***, sorry"
    assert redact_json(text) == text


@pytest.mark.parametrize(
    "text",
    ["key-performance-indicators", "sk-learn pipelines and so on", "the bearer of this letter", "Basic needs", "a@b.c"],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_password_that_is_a_word_damages_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in [("DB_PASSWORD", "password"), ("MAX_TOKEN", "1000000"), ("REDIS_URL", "redis://x:postgres@h")]:
        monkeypatch.setenv(name, value)
    data = {"answer": "The postgres password is changed after 1000000 logins."}
    assert redact_json(data) is data
    assert find_secret(json.dumps(data)) is None


def test_no_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "ollama")
    monkeypatch.setenv("LM_STUDIO_API_KEY", "lm-studio")
    monkeypatch.setenv("VLLM_API_KEY", "EMPTY")
    assert redact("ollama/llama3.2 at lm-studio: EMPTY") == "ollama/llama3.2 at lm-studio: EMPTY"


def test_a_key_that_is_a_word_is_found_where_it_stands_alone() -> None:
    hide("letmein", "OUR_KEY")
    assert redact_json("letmein, (letmein) \\nletmein letmeinnow") == "***, (***) \\n*** letmeinnow"


def test_data_without_a_secret_is_the_same_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    data = {"a": [1, 2.5, None, True, {"b": "text"}], "t": ("x",)}
    assert redact_json(data) is data
    assert redact_json({KEY: (KEY, 1)}) == {MASK: (MASK, 1)}


def test_a_longer_secret_goes_before_one_that_begins_it() -> None:
    hide("abcdef12345678", "A_KEY")
    hide("abcdef12345678-suffix-90", "B_KEY")
    assert redact_json("abcdef12345678-suffix-90") == MASK


@pytest.mark.parametrize(
    "key", ["plain-0123456789-key", 'with"quote-0123456789', "with\\slash-0123456789", "ümlaut-0123456789-key"]
)
@pytest.mark.parametrize("form", [str, repr, json.dumps, lambda key: json.dumps(json.dumps(key)), quote])
def test_canonical_json_at_hand_hides_no_secret(
    monkeypatch: pytest.MonkeyPatch, key: str, form: Callable[[str], str]
) -> None:
    monkeypatch.setenv("OUR_API_KEY", key)
    value = {"messages": [{"text": f"it is\n{form(key)}"}], "n": 1}
    assert redact_json(value) == redact_json(value, canonical_json(value)) != value
    assert key not in json.dumps(redact_json(value, canonical_json(value)), ensure_ascii=False)
    harmless = {"text": "five days"}
    assert redact_json(harmless, canonical_json(harmless)) is harmless


def test_a_secret_that_is_set_later_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"text": "it is late-0123456789-key"}
    assert redact_json(said) is said
    monkeypatch.setenv("LATE_API_KEY", "late-0123456789-key")
    assert redact_json(said) == {"text": "it is ***"}
    monkeypatch.delenv("LATE_API_KEY")
    assert redact_json(said) is said
