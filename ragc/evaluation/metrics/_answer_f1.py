"""`answer_f1`: how many words an answer shares with the closest accepted one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ragc._text import tokens
from ragc.evaluation.metrics._score import Score, answered, expected

if TYPE_CHECKING:
    from ragc.data import Example


def answer_f1(example: Example, prediction: Any) -> Score:
    """Token F1 against the closest accepted answer, after SQuAD normalisation.

    Unlike DSPy's `answer_passage_match` and `F1`, decimal points, currency signs and scripts without spaces count.
    """
    answer, settled = answered(example, prediction)
    if settled is not None:
        return settled
    best = max(_f1(answer, accepted) for accepted in example.answers)
    return Score(best, None if best == 1 else expected(example))


def _f1(answer: str, accepted: str) -> float:
    """Token F1 of SQuAD (Rajpurkar et al. 2016): harmonic mean of token precision and recall, as bags of words."""
    given, wanted = tokens(answer), tokens(accepted)
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted))
