"""`kill -9` at any moment, then the same command: nothing that was received is paid for again, one artifact for all."""

from __future__ import annotations

from random import Random

import pytest

from kills import Clean, broken, killed, moments, undisturbed
from provider import lognormal
from scenes import FEW, THREADS, Scene

TRAINED = ("--optimizer", "bootstrap", "--set", "candidates=2", "--set", "attempts=4")


@pytest.fixture(scope="module")
def clean(shared: Scene) -> Clean:
    return undisturbed(shared, *FEW)


@pytest.mark.parametrize(("seed", "kills"), [(1, 1), (2, 2), (3, 4)])
def test_a_killed_compile_goes_on_without_paying_twice(shared: Scene, clean: Clean, seed: int, kills: int) -> None:
    story = killed(shared, moments(Random(seed), clean.calls // kills, kills), *FEW)
    assert broken(story, clean) == [], story.kills


def test_so_does_one_that_trains(shared: Scene) -> None:
    clean = undisturbed(shared, *TRAINED)
    story = killed(shared, moments(Random(4), clean.calls // 5, 5), *TRAINED)
    assert broken(story, clean) == [], story.kills


def test_a_killed_evaluation_pays_for_nothing_twice(shared: Scene) -> None:
    shared.forget()
    words = ("eval", "allotments", "--uncompiled", "--json")
    running = shared.start(*words)
    running.until(lambda: shared.asked >= 3 + THREADS - 1)
    running.kill()
    known = shared.in_journal()
    assert shared.run(*words).returncode == shared.run(*words).returncode == 0
    assert shared.in_journal() == len(shared.provider.counts()) == 6
    assert shared.asked <= 6 + THREADS and known > 0


@pytest.mark.parametrize("threads", ["1", "16"])
def test_neither_threads_nor_the_order_of_arrival_decide_anything(shared: Scene, clean: Clean, threads: str) -> None:
    shared.forget()
    shared.provider.latency = lognormal(0.01, 1.0, seed=int(threads))
    done = shared.compile(*FEW, "--threads", threads)
    shared.provider.latency = 0.01
    assert (done.json["id"], shared.provider.counts()) == (clean.done.json["id"], clean.counts), done.stderr
