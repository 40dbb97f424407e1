"""`list_f1`: answers that are lists, whatever the order of their items."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ragc._text import answer_key
from ragc.evaluation.metrics._score import Score, answered

if TYPE_CHECKING:
    from ragc.data import Example

_BULLET = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.)])\s+")
_LINES = re.compile(r"[\n;]")
_WITHIN = re.compile(r",(?!\d{3}(?!\d))\s*(?:and\s|or\s|&\s*)?|\s(?:and|or|&)\s")


def list_f1(example: Example, prediction: Any) -> Score:
    """F1 of the answer's items as a set against the closest accepted list: 2 × common ÷ (given + expected).

    Each accepted answer is one whole list. Items stand on lines or between semicolons; where there are neither, between
    commas, "and", "or" and "&". Two items are the same when they are equal after SQuAD normalisation; repeats count
    once. (Set F1 as in QAMPARI, Amouyal et al. 2022, without its aliases: label them as another accepted list.)
    """
    answer, settled = answered(example, prediction)
    if settled is not None:
        return settled
    given = items_of(answer)
    best = max((items_of(accepted) for accepted in example.answers), key=lambda wanted: _f1(given, wanted))
    value = _f1(given, best)
    if value == 1:
        return Score(value)
    missing, extra = sorted(best - given), sorted(given - best)
    parts = [f"missing: {', '.join(missing)}"] if missing else []
    parts += [f"not in the list: {', '.join(extra)}"] if extra else []
    return Score(value, "; ".join(parts))


def items_of(text: str) -> frozenset[str]:
    """The items of a list in words, normalised."""
    lines = [_BULLET.sub("", line) for line in _LINES.split(text)]
    parts = lines if len([line for line in lines if line.strip()]) > 1 else _WITHIN.split(lines[0] if lines else "")
    return frozenset(key for part in parts if (key := answer_key(part)))


def _f1(given: frozenset[str], wanted: frozenset[str]) -> float:
    total = len(given) + len(wanted)
    return 2 * len(given & wanted) / total if total else 1.0
