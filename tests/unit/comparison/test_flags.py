"""Arms as flags."""

from __future__ import annotations

from typing import Any

import pytest

from ragc.comparison._flags import read_arms
from ragc.errors import ConfigError


@pytest.mark.parametrize(
    ("flag", "name", "settings"),
    [
        ("program=closed_book", "closed_book", {"program": "closed_book"}),
        ("program=programs.mine:Closed,k=5", "Closed+k=5", {"program": "programs.mine:Closed", "k": 5}),
        ("optimizer=bootstrap,lm=openai/gpt-5-mini", "bootstrap+gpt-5-mini", None),
        ("optimizer=labeled,set={demos = 2, candidates = 1}", "labeled+demos=2+candidates=1", None),
        ('lm={ model = "openai/x", price = { input = 1.0, output = 2.0 } },alpha=0.5', "x+alpha=0.5", None),
        ("artifact=compiled/handbook/", "handbook", {"artifact": "compiled/handbook/"}),
        ("store=qdrant://127.0.0.1:6333", "qdrant", {"store": "qdrant://127.0.0.1:6333"}),
        ("name=mine,expand=document", "mine", {"expand": "document"}),
    ],
)
def test_a_flag_is_read_and_named(flag: str, name: str, settings: dict[str, Any] | None) -> None:
    ((found, arm),) = read_arms([flag]).items()
    assert found == arm.name == name
    if settings is not None:
        assert arm.model_dump(exclude_unset=True, exclude={"name"}) == settings


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["k=5", "k=5"], 'two arms are called "k=5"'),
        (["name=a,k=1", "name=a,k=2"], 'two arms are called "a"'),
        (["optimiser=x"], 'did you mean "optimizer"?'),
        (["k"], "expected key=value"),
        (["k=1,k=2"], '"k" is given twice'),
        (["k=0"], "must be greater than 0"),
        (["alpha=nan"], 'key "alpha"'),
        (["artifact=a,program=b"], "an artifact is compiled already"),
        (["set={a = 1}"], "name the optimizer as well"),
        (["name=../up,k=1"], "is no name for an arm"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(flags: list[str], error: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_arms(flags)
    assert error in str(raised.value) and "\n" not in str(raised.value)
