"""Ctrl-C: the first seals the best so far, the second leaves at once, and the same command goes on from there."""

from __future__ import annotations

import signal
import time
from random import Random

import pytest

from kills import Clean, undisturbed
from launcher import Done
from provider import Asked
from scenes import FEW, THREADS, Scene


@pytest.fixture(scope="module")
def clean(shared: Scene) -> Clean:
    return undisturbed(shared, *FEW)


@pytest.fixture
def scene(shared: Scene) -> Scene:
    """In this module: the shared one, as if nothing had been done."""
    shared.forget()
    shared.provider.latency = 0.02
    return shared


def goes_on(scene: Scene, clean: Clean, lost: int = 0) -> Done:
    """The same command once more: what an undisturbed run comes to, and nothing is paid twice."""
    before, known = scene.asked, scene.in_journal()
    done = scene.compile(*FEW)
    assert (done.returncode, done.json["id"]) == (0, clean.done.json["id"]), done.stderr
    assert scene.asked - before == done.json["paid_calls"] == clean.calls - known
    assert (scene.provider.counts() - clean.counts).total() <= lost
    return done


def test_the_first_seals_the_best_so_far_and_the_same_command_goes_on(scene: Scene, clean: Clean) -> None:
    running = scene.start("compile", "--json", *FEW)
    running.until(lambda: scene.asked >= clean.calls * 0.45)
    running.signal(signal.SIGINT)
    done = running.wait(30)
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr
    assert (done.json["stopped"], done.json["verdict"]) == ("interrupted", "not tested")
    assert done.json["sealed"] == "candidate" and scene.run("verify").returncode == 0
    assert "the same command goes on" in done.stderr
    assert scene.in_journal("flights") == 0, "what was in flight was waited for"
    assert scene.asked == scene.in_journal() == done.json["paid_calls"]
    goes_on(scene, clean)


def test_wherever_it_strikes_it_is_one_line_and_nothing_is_paid_twice(scene: Scene, clean: Clean) -> None:
    luck = Random(5)
    for _ in range(4):
        scene.forget()
        running = scene.start("compile", "--json", *FEW)
        asked = luck.randrange(clean.calls + 1)
        running.until(lambda asked=asked: scene.asked >= asked)  # type: ignore[misc]
        running.until(lambda: False, luck.uniform(0, 0.1))
        running.signal(signal.SIGINT)
        done = running.wait(30)
        assert done.returncode in (0, 130, -signal.SIGINT), (asked, done.stderr)  # the last: when all was done
        assert "Traceback" not in done.stderr and "a bug" not in done.stderr
        if (scene.root / "compiled" / "allotments").exists():
            assert scene.run("verify").returncode == 0
        goes_on(scene, clean)


def test_the_second_leaves_at_once(scene: Scene, clean: Clean) -> None:
    scene.provider.latency = lambda asked: 0.02 if asked.number <= 20 else 60.0
    running = scene.start("compile", "--json", *FEW)
    running.until(lambda: scene.asked >= 20 + THREADS)
    running.signal(signal.SIGINT)
    assert not running.until(lambda: False, timeout=1.0), "it waits for what is in flight"
    began = time.monotonic()
    running.signal(signal.SIGINT)
    done = running.wait(10)
    assert time.monotonic() - began < 2
    assert done.returncode == 130
    assert "left at once; the same command goes on from here" in done.stderr
    scene.provider.latency = 0.02
    goes_on(scene, clean, lost=THREADS)


def test_what_is_in_flight_is_waited_for_as_long_as_a_call_may_take(scene: Scene, clean: Clean) -> None:
    def slow(asked: Asked) -> float:
        return 1.5 if 20 < asked.number <= 20 + THREADS else 0.02

    scene.provider.latency = slow
    running = scene.start("compile", "--json", *FEW)
    running.until(lambda: scene.asked >= 20 + THREADS)
    running.signal(signal.SIGINT)
    done = running.wait(30)
    assert done.returncode == 130
    assert scene.provider.counts(delivered=True).total() == scene.in_journal() == 20 + THREADS == scene.asked
    goes_on(scene, clean)


def test_before_there_is_a_candidate_nothing_is_sealed(scene: Scene, clean: Clean) -> None:
    running = scene.start("compile", "--json", *FEW)
    running.until(lambda: scene.asked >= 2)
    running.signal(signal.SIGINT)
    done = running.wait(30)
    assert done.returncode == 130
    assert done.stderr.strip().splitlines()[-1] == "interrupted" or "nothing is sealed" in done.stderr
    assert not (scene.root / "compiled" / "allotments").exists()
    goes_on(scene, clean)


def test_an_interrupted_run_replays_to_the_same_artifact(scene: Scene, clean: Clean) -> None:
    running = scene.start("compile", "--json", *FEW)
    running.until(lambda: scene.asked >= clean.calls * 0.45)
    running.signal(signal.SIGINT)
    done = running.wait(30)
    replayed = scene.compile(*FEW, "--replay", env={})
    assert (replayed.returncode, replayed.json["id"]) == (130, done.json["id"]), replayed.stderr
    checked = scene.run("verify", "--replay", env={})
    assert checked.returncode == 0, checked.stderr
