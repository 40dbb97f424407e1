"""Neighbours of a hit as a setting that a compile searches and seals."""

from __future__ import annotations

from pathlib import Path

import pytest

import ragc
from ragc.artifact import verify
from ragc.compiler import Sizes, dearer


def test_candidates_take_turns_in_what_stands_around_a_hit(hosted_project: Path) -> None:
    settings = {"k": (1,), "expand": (0, 1), "candidates": 2, "demos": 2, "bootstrapped": 0}
    result = ragc.compile(project=hosted_project, optimizer="bootstrap", settings=settings)
    assert result.artifact is not None
    assert [one["settings"]["expand"] for one in verify(result.artifact).candidates] == [0, 1]


@pytest.mark.parametrize(("around", "times"), [(1, 1.0), (3, 3.5 / 1.5), (None, 1.0)])
def test_the_estimate_knows_how_much_longer_prompts_get(around: int | None, times: float) -> None:
    sizes = Sizes(train=10, validation=10, passages=1)
    assert dearer(sizes, demos=0, demo_passages=1, around=around) == pytest.approx(times)
    wide = Sizes(train=10, validation=10, passages=3, around=3)
    assert dearer(wide, demos=0, demo_passages=1, passages=1) == 1.0
