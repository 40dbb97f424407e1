"""`kill -9` at any moment, then the same command: nothing that was received is paid for again, one artifact for all."""

from __future__ import annotations

from random import Random

import pytest

from kills import Clean, broken, killed, moments, undisturbed
from scenes import FEW, Scene


@pytest.fixture(scope="module")
def clean(shared: Scene) -> Clean:
    return undisturbed(shared, *FEW)


@pytest.mark.parametrize(("seed", "kills"), [(1, 1), (2, 2), (3, 4), (4, 5)])
def test_a_killed_compile_goes_on_without_paying_twice(shared: Scene, clean: Clean, seed: int, kills: int) -> None:
    story = killed(shared, moments(Random(seed), clean.calls // kills, kills), *FEW)
    assert broken(story, clean) == [], story.kills
