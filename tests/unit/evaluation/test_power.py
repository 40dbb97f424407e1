"""How many questions a difference needs."""

from __future__ import annotations

import pytest

from ragc.evaluation import Evaluation, Outcome, questions_needed


@pytest.mark.parametrize("right", [3, 5, 8])
def test_a_larger_difference_never_needs_more_questions(right: int) -> None:
    baseline = Evaluation(tuple(Outcome(str(number), float(number < right)) for number in range(12)))
    needed = [questions_needed(points / 100, baseline) or 0 for points in range(2, 30)]
    assert needed == sorted(needed, reverse=True)
