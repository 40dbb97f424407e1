from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragc.artifact.answers._redact import RedactionFailed, load_redact, redacted, without_content
from ragc.errors import ConfigError

RECORD: dict[str, Any] = {
    "id": "MARK id",
    "artifact": "MARK artifact",
    "model": "MARK model",
    "question": "MARK question",
    "inputs": {"id": "MARK input", "document": {"field": ["MARK deep"]}},
    "answer": ["MARK answer"],
    "outputs": {"type": "MARK output"},
    "citations": ["MARK passage"],
    "passages": [
        {
            "id": "MARK passage",
            "document": "MARK document",
            "sha256": "MARK hash",
            "title": "MARK title",
            "heading": ["MARK heading"],
            "text": "MARK text",
            "start": 3,
            "metadata": {"id": "MARK metadata", "document": "MARK metadata"},
        }
    ],
    "searches": [
        {
            "query": "MARK query",
            "filters": [{"field": "MARK field", "operator": "MARK eq", "value": "MARK value"}],
            "passages": ["MARK passage"],
            "dropped": ["MARK dropped"],
        }
    ],
    "filters": [{"field": "MARK field", "operator": "MARK eq", "value": ["MARK value"]}],
    "error": {"type": "MARK type", "message": "MARK message"},
}
STAYS = {"id", "artifact", "model", "passage", "document", "hash", "dropped", "field", "eq", "type"}


def test_every_text_that_somebody_wrote_goes_through_it_and_no_name_of_ours() -> None:
    kept = json.dumps(redacted(RECORD, lambda text: text.replace("MARK ", "gone ")))
    assert {word.split('"')[0] for word in kept.split("MARK ")[1:]} == STAYS
    assert kept.count("gone ") == 14


def test_without_a_function_nothing_changes_but_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert redacted(RECORD, None) == RECORD
    monkeypatch.setenv("OUR_API_KEY", "sk-planted-0123456789abcdef")
    kept = redacted({**RECORD, "question": "my key is sk-planted-0123456789abcdef"}, None)
    assert "planted" not in json.dumps(kept)


@pytest.mark.parametrize("returned", [None, b"bytes", 3, ["text"]])
def test_what_is_no_text_is_a_failure(returned: Any) -> None:
    with pytest.raises(RedactionFailed, match=r"it returned .*, not text"):
        redacted(RECORD, lambda text: returned)


def test_a_failure_says_nothing_of_the_text() -> None:
    def redact(text: str) -> str:
        raise ValueError(text)

    with pytest.raises(RedactionFailed) as caught:
        redacted(RECORD, redact)
    assert str(caught.value) == "it raised ValueError"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_without_content_only_names_and_hashes_are_left() -> None:
    kept = without_content(RECORD, "redact: it raised ValueError")
    assert {word.split('"')[0] for word in json.dumps(kept).split("MARK ")[1:]} == {
        *("id", "artifact", "model", "passage", "document", "hash")
    }
    assert kept["withheld"] == "redact: it raised ValueError"


@pytest.mark.parametrize(
    ("source", "spec", "said"),
    [
        ("", "redaction:hide", "redact"),
        ("hide = 3", "redaction:hide", "not a function"),
        ("def hide(text): raise ValueError(text)", "redaction:hide", "it raised ValueError; it takes a text"),
        ("def hide(text): return None", "redaction:hide", "it returned NoneType, not text; it takes a text"),
        ("def hide(text): return text", "nowhere:hide", "nowhere"),
        ("1/0", "redaction:hide", "ZeroDivisionError"),
    ],
)
def test_a_function_that_cannot_be_used_is_one_line(tmp_path: Path, source: str, spec: str, said: str) -> None:
    (tmp_path / "redaction.py").write_text(source)
    with pytest.raises(ConfigError, match=said) as caught:
        load_redact(spec, tmp_path)
    assert "\n" not in str(caught.value)
