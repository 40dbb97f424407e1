"""The caps that a caller of `ragc.compile` gives."""

from __future__ import annotations

import pytest

from ragc.compiler._compile import caps_of
from ragc.errors import ConfigError
from ragc.project import Budget


def test_caps_stand_over_the_configured_ones() -> None:
    assert caps_of(Budget(usd=1, calls=5), {"usd": 2}) == Budget(usd=2, calls=5)


@pytest.mark.parametrize(("name", "near"), [("call", 'Did you mean "calls"'), ("dollars", 'unknown cap "dollars"')])
def test_an_unknown_cap_is_named(name: str, near: str) -> None:
    with pytest.raises(ConfigError, match=near):
        caps_of(Budget(), {name: 1})
