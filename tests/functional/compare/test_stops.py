"""A comparison that is killed, interrupted, or out of money: nothing is lost, and it goes on where it was."""

from __future__ import annotations

import signal

import pytest

from scenes import Scene

from .conftest import LABELED, arms_of, forget

COMPARE = ("compare", "--json", "--arm", "program=closed_book", "--arm", LABELED)


@pytest.fixture
def clean(shared: Scene) -> dict[str, object]:
    """The same comparison, not disturbed; the project knows nothing of it."""
    forget(shared)
    done = shared.run(*COMPARE)
    found = {"arms": arms_of(done.json), "verdict": done.json["verdict"], "calls": shared.asked}
    forget(shared)
    return found


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_killed_comparison_goes_on_without_paying_twice(
    shared: Scene, clean: dict[str, object], share: float
) -> None:
    calls = int(str(clean["calls"]))
    running = shared.start(*COMPARE)
    running.until(lambda: shared.asked >= share * calls)
    running.kill()
    known = shared.in_journal()
    done = shared.run(*COMPARE)
    assert done.returncode == 0, done.stderr
    assert (arms_of(done.json), done.json["verdict"]) == (clean["arms"], clean["verdict"])
    assert known > 0 and done.json["paid_calls"] == calls - known
    assert shared.in_journal() == calls


def test_an_interrupted_one_too(shared: Scene, clean: dict[str, object]) -> None:
    running = shared.start(*COMPARE)
    running.until(lambda: shared.asked >= 20)
    running.signal(signal.SIGINT)
    done = running.wait()
    assert done.returncode == 130 and "the same command goes on" in done.stderr
    assert done.json["stopped"] == "interrupted" and done.json["arms"][0]["score"] is None
    again = shared.run(*COMPARE)
    assert (again.returncode, arms_of(again.json)) == (0, clean["arms"])
    assert shared.in_journal() == clean["calls"]


def test_a_budget_that_cuts_a_search_leaves_every_test_whole(shared: Scene, clean: dict[str, object]) -> None:
    smallest = int(shared.run(*COMPARE, "--budget-calls", "20").stderr.rpartition("--budget-calls ")[2].rstrip(")\n"))
    assert shared.asked == 0
    capped = (*COMPARE, "--budget-calls", str(smallest))
    done = shared.run(*capped)
    assert done.returncode == 3 and done.json["stopped"] == "budget", done.stderr
    assert shared.asked <= smallest
    tested = {arm["name"]: (arm["n"], arm["stopped"]) for arm in done.json["arms"]}
    assert set(tested.values()) == {(10, None), (10, "budget")} and tested["labeled+candidates=2"][1] == "budget"
    for again in (shared.run(*capped), shared.run(*COMPARE, "--replay")):
        assert (again.returncode, arms_of(again.json)) == (3, arms_of(done.json)), again.stderr
    raised = shared.run(*COMPARE)
    assert (raised.returncode, arms_of(raised.json)) == (0, clean["arms"])


def test_without_its_protection_a_test_would_be_cut(shared: Scene, clean: dict[str, object]) -> None:
    """What the one above protects: the searches leave the tests their share."""
    nothing_aside = (
        "from ragc.models import Amounts, SharedGateway\n"
        "kept = SharedGateway.set_aside\n"
        "SharedGateway.set_aside = lambda self, share, seconds=0.0: kept(self, Amounts(), 0.0)\n"
    )
    smallest = int(shared.run(*COMPARE, "--budget-calls", "20").stderr.rpartition("--budget-calls ")[2].rstrip(")\n"))
    done = shared.run(*COMPARE, "--budget-calls", str(smallest), before=nothing_aside)
    assert done.returncode == 3 and {arm["score"] for arm in done.json["arms"]} == {None}
