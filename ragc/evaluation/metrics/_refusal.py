"""`refusal`: whether the program refuses where, and only where, the corpus does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragc.evaluation._abstention import is_abstention
from ragc.evaluation.metrics._score import Score

if TYPE_CHECKING:
    from ragc.data import Example


def refusal(example: Example, prediction: Any) -> Score:
    """Unanswerable: 1 when the program abstains. Answerable: 1 when it does not, whatever it answers.

    The two rates behind it stand beside every evaluation, whatever its metric: `correct_abstentions` (refusal on the
    unanswerable) and `false_abstentions` (false refusal on the answerable).
    """
    abstained = is_abstention(str(getattr(prediction, "answer", "") or ""))
    if example.answerable:
        return Score(0.0, f"The documents do answer this: {example.answers[0]}") if abstained else Score(1.0)
    return Score(1.0) if abstained else Score(0.0, "The documents do not hold the answer; say so.")
