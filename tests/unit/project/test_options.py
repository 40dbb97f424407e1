"""Settings of an optimizer from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

from ragc.errors import ConfigError
from ragc.project import optimizer_settings

if TYPE_CHECKING:
    from decimal import Decimal as Run


def search(  # type: ignore[no-untyped-def]
    program: Any,
    run: Run,
    *,
    demos: int = 3,
    share: float = 0.5,
    fast: bool = False,
    style: Literal["plain", "rich"] = "plain",
    cap: int | None = None,
    sizes: tuple[int, ...] = (1, 2),
    names: tuple[str | None, ...] = (),
    plain=7,
) -> Any:
    """An optimizer whose `Run` is imported for the type checker alone, as in real ones."""


def test_defaults_are_filled_in() -> None:
    assert optimizer_settings(search, {}) == {
        "demos": 3,
        "share": 0.5,
        "fast": False,
        "style": "plain",
        "cap": None,
        "sizes": (1, 2),
        "names": (),
        "plain": 7,
    }


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("demos", "4", 4),
        ("share", "1", 1.0),
        ("fast", "true", True),
        ("style", "rich", "rich"),
        ("cap", "9", 9),
        ("cap", "none", None),
        ("sizes", "3, 4", (3, 4)),
        ("names", "none,cohere/rerank-v3.5", (None, "cohere/rerank-v3.5")),
        ("names", "None", (None,)),
        ("plain", "8", 8),
    ],
)
def test_texts_are_converted(key: str, text: str, value: object) -> None:
    assert optimizer_settings(search, {key: text})[key] == value


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("demo", "4", 'search has no setting "demo", did you mean "demos"? Its settings: demos=3, '),
        (
            "run",
            "4",
            'search has no setting "run"; its settings: demos=3, share=0.5, fast=false, style=plain, cap=none, '
            "sizes=1,2, names=, plain=7",
        ),
        ("demos", "four", '--set demos=four: expected a whole number, found "four"'),
        ("demos", "4.5", "expected a whole number"),
        ("share", "x", "expected a number"),
        ("fast", "maybe", "expected true or false"),
        ("style", "x", "expected 'plain' or 'rich'"),
        ("cap", "x", "expected a whole number or none"),
        ("plain", "x", "expected a whole number"),
        ("sizes", "1,x", "expected a whole number (several parted by commas)"),
    ],
)
def test_bad_setting_is_one_line(key: str, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        optimizer_settings(search, {key: text})
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_setting_without_default_must_be_given() -> None:
    def needy(program: Any, run: Any, *, size: int) -> Any: ...

    with pytest.raises(ConfigError, match="needy needs --set size=…"):
        optimizer_settings(needy, {})
    assert optimizer_settings(needy, {"size": "2"}) == {"size": 2}
