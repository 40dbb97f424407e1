"""One line on what went wrong with an example, without a key in it."""

from __future__ import annotations

import pytest

from ragc.errors import ExampleError
from ragc.evaluation._failures import describe_error

KEY = "sk-planted-0123456789abcdef"


def chained(cause: Exception) -> Exception:
    error = RuntimeError(f"wrapped {cause}")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError(f"no\n{KEY}\naccepted"), "ValueError: no *** accepted"),
        (chained(ExampleError(f"openai/x: said {KEY}")), "openai/x: said ***"),
        (ConnectionError("to postgresql://me:hunter22@db/x"), "ConnectionError: to postgresql://***@db/x"),
        (KeyError(), "KeyError"),
    ],
)
def test_an_error_is_one_line_without_a_key(error: Exception, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    assert describe_error(error) == line


def test_a_key_is_taken_out_before_the_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    assert "sk-planted" not in describe_error(ValueError("x" * 290 + " " + KEY))
