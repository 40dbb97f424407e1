"""`exact_match`: all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragc._text import answer_key
from ragc.evaluation.metrics._score import Score, answered, expected

if TYPE_CHECKING:
    from ragc.data import Example


def exact_match(example: Example, prediction: Any) -> Score:
    """1 when the answer equals an accepted one after SQuAD normalisation, else 0."""
    answer, settled = answered(example, prediction)
    if settled is not None:
        return settled
    hit = answer_key(answer) in {answer_key(accepted) for accepted in example.answers}
    return Score(float(hit), None if hit else expected(example))
