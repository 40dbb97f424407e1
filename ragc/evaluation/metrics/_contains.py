"""`contains`: an accepted answer stands in the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragc._text import answer_key
from ragc.evaluation.metrics._score import Score, answered, expected

if TYPE_CHECKING:
    from ragc.data import Example


def contains(example: Example, prediction: Any) -> Score:
    """1 when an accepted answer stands in the answer as whole words, after SQuAD normalisation, else 0.

    Unlike `exact_match` it lets an answer say more, and a long one may hold the right words by chance.
    """
    answer, settled = answered(example, prediction)
    if settled is not None:
        return settled
    text = f" {answer_key(answer)} "
    hit = any(f" {answer_key(accepted)} " in text for accepted in example.answers)
    return Score(float(hit), None if hit else expected(example))
