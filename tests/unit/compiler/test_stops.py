"""What ends a run ends it also where a program or an optimizer has made another error of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ragc.compiler._stops import Stops
from ragc.errors import BudgetExhausted, ConfigError, Interrupted, ModelError
from ragc.models import Gateway


def stops(*, has_something: bool) -> Stops:
    bench: Any = SimpleNamespace(evaluator=SimpleNamespace(cancel=lambda: None), gateway=Gateway())
    return Stops(bench, lambda event: None, has_something=has_something)


def wrapped(cause: Exception) -> None:
    try:
        raise cause
    except Exception as error:
        raise RuntimeError("the optimizer failed") from error


@pytest.mark.parametrize(
    ("cause", "stopped"), [(BudgetExhausted("used up"), "budget"), (Interrupted("interrupted"), "interrupted")]
)
def test_a_stop_that_was_renamed_stops_the_run_in_order(cause: Exception, stopped: str) -> None:
    found = stops(has_something=True)
    with found:
        wrapped(cause)
    assert (found.stopped, found.position) == (stopped, 0)


@pytest.mark.parametrize(
    ("cause", "has_something"), [(ModelError("no key"), True), (BudgetExhausted("used up"), False)]
)
def test_what_the_run_cannot_go_on_after_is_told_in_its_own_words(cause: Exception, has_something: bool) -> None:
    found = stops(has_something=has_something)
    with pytest.raises(type(cause), match=str(cause)), found:
        wrapped(cause)
    assert found.stopped is None


def test_another_error_is_itself() -> None:
    with pytest.raises(RuntimeError, match="the optimizer failed"), stops(has_something=True):
        wrapped(ValueError("a bug"))
    with pytest.raises(ConfigError), stops(has_something=True):
        raise ConfigError("no such setting") from BudgetExhausted("used up")
