"""A gateway that parties share: each fails alone, stops are many, costs are each one's own."""

from __future__ import annotations

import pytest
from dspy.utils.exceptions import LMError

from ragc.errors import ModelError
from ragc.models import BudgetReached, SharedGateway, StopAt
from scripted import scripted_lm


def test_a_refusal_for_good_ends_its_party_alone() -> None:
    gateway = SharedGateway()
    lm = scripted_lm(lambda prompt: "yes", gateway)
    with gateway.party("a"):
        gateway.refuse(ModelError("wrong key"))
        with pytest.raises(LMError, match="wrong key"):
            lm("one?")
    with gateway.party("b"):
        assert lm("one?") == ["yes"]
    assert gateway.fatal is None


def test_so_does_a_model_that_is_called_past_it() -> None:
    gateway = SharedGateway()
    with gateway.party("a"):
        gateway.note_stranger("other/model")
        with pytest.raises(ModelError, match="other/model"), gateway.step("test"):
            pass
    with gateway.party("b"), gateway.step("test") as step:
        assert gateway.strangers == () and step.label == "b: test"


def test_it_stops_again_at_each_place() -> None:
    gateway = SharedGateway()
    gateway.stop_again_at([StopAt(1, BudgetReached("first")), StopAt(3, BudgetReached("second"))])
    labels: list[int] = []

    def candidates() -> None:
        for _ in range(9):
            with gateway.step("candidate") as step:
                labels.append(step.number)

    for error in ("first", "second"):
        with pytest.raises(BudgetReached, match=error):
            candidates()
        assert gateway.stops_here
        gateway.cut()
        with gateway.step("stopped"):
            pass
    assert (labels, gateway.position, gateway.stops_here) == ([0, 2], 4, False)


def test_what_a_party_used_is_counted_once_and_is_its_own() -> None:
    gateway = SharedGateway()
    lm = scripted_lm(lambda prompt: "yes", gateway)
    with gateway.search("a"):
        lm("between the steps?")
        with gateway.step("one"):
            lm("one?")
            lm("two?")
    with gateway.party("b"), gateway.step("one"):
        lm("two?")
    assert [gateway.used_by(*names).calls for names in (("a",), ("b",), ("a", "b"))] == [3, 1, 3]
    assert gateway.cost.calls == 3
