"""What a metric says of one answer, and what abstention settles before anything is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragc.evaluation._abstention import is_abstention

if TYPE_CHECKING:
    from ragc.data import Example


@dataclass(frozen=True)
class Score:
    """What a metric says of one answer."""

    value: float
    """0 (wrong) to 1 (right)."""
    feedback: str | None = None
    """Why, in words, for optimizers that read it."""


Metric = Callable[["Example", Any], Score]
"""A metric as the evaluator calls it: example and `dspy.Prediction` in, `Score` out."""


def answered(example: Example, prediction: Any) -> tuple[str, Score | None]:
    """The answer, and the score that abstention settles (None where the texts have to be compared).

    Unanswerable: 1 when the program abstains, else 0. Answerable: abstaining scores 0.
    """
    answer = str(getattr(prediction, "answer", "") or "")
    abstained = is_abstention(answer)
    if not example.answers:
        return answer, Score(1.0) if abstained else Score(0.0, "The documents do not hold the answer; say so.")
    if abstained:
        return answer, Score(0.0, f"The documents do answer this: {example.answers[0]}")
    return answer, None


def expected(example: Example) -> str:
    """The feedback that names what is accepted."""
    return f"Expected: {' | '.join(example.answers)}"
