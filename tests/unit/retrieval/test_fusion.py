"""Relative score fusion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragc.retrieval._fusion import fuse

LEGS = st.dictionaries(st.integers(0, 50), st.floats(-10, 10), max_size=20)


def test_worked_example() -> None:
    fused = fuse({1: 4.0, 2: 3.0, 3: 2.0}, {2: 0.9, 4: 0.5}, alpha=0.25, k=10)
    assert [(each.key, each.score) for each in fused] == [
        (1, pytest.approx(0.75)),
        (2, pytest.approx(0.75 * 0.5 + 0.25)),
        (3, 0),
        (4, 0),
    ]
    assert (fused[1].text_score, fused[1].vector_score) == (3.0, 0.9)
    assert (fused[3].text_score, fused[3].vector_score) == (None, 0.5)


def test_leg_of_equal_scores_counts_fully() -> None:
    assert [each.score for each in fuse({1: 2.0, 2: 2.0}, {}, alpha=0.5, k=5)] == [0.5, 0.5]


@given(LEGS, LEGS, st.floats(0, 1), st.integers(1, 60))
def test_scores_lie_between_0_and_1_and_fall(
    text: dict[int, float], vector: dict[int, float], alpha: float, k: int
) -> None:
    fused = fuse(text, vector, alpha, k)
    assert len(fused) == min(k, len(text.keys() | vector.keys()))
    assert all(-1e-9 <= each.score <= 1 + 1e-9 for each in fused)
    assert [(-each.score, each.key) for each in fused] == sorted((-each.score, each.key) for each in fused)
