"""Questions that ask the same in other words, found by their embeddings and their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragc.data._edited import share_answer, share_evidence
from ragc.data._examples import Example

if TYPE_CHECKING:
    import numpy as np

Embed = Callable[[list[str]], Any]
"""From texts to their vectors, one a row, as `Embedder.embed_documents` makes them."""

NEAR = 0.5
"""Cosine from which two questions with an accepted answer and a document in common are taken for one: .50. Pairs of
the handbook that share both, and are not one, reach .42 between splits and about .50 within one. Both thresholds were
set on the handbook and are not held out: on other data they may find less, or raise false alarms. See
`benchmarks/leaks.py`."""
NEAR_UNTOLD = 0.75
"""The same where no evidence tells them apart: one names none, or the corpus answers neither. In the handbook: .58."""
_NEVER = 2.0
_ROWS = 512
"""Rows of the matrix of similarities that are held at once: 10,000 questions then take 20 MB and not 400."""


@dataclass(frozen=True)
class Paraphrase:
    """Two examples that may ask the same in other words."""

    first: int
    """The position of the earlier one."""
    second: int
    similarity: float
    """Cosine of their questions' embeddings, up to 1."""


def find_paraphrases(examples: Sequence[Example], embed: Embed) -> list[Paraphrase]:
    """Return the pairs whose questions are near and whose labels agree, by position.

    How near they must be depends on what the labels say. Near questions with other answers are no pair: what a notice
    period is in Bristol and in Lisbon lies closer together than two ways of asking for one of them. Those that
    `nearly_same` finds are not left out.
    """
    import numpy as np

    if len(examples) < 2:
        return []
    vectors = np.asarray(embed([example.question for example in examples]), dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths == 0, 1, lengths)
    return [
        Paraphrase(i, j, float(similarity))
        for start in range(0, len(examples), _ROWS)
        for i, j, similarity in _near(vectors, start)
        if similarity >= _least(examples[i], examples[j])
    ]


def _near(vectors: np.ndarray, start: int) -> list[tuple[int, int, float]]:
    """Pairs i < j, i from `start` on, that are near enough for some label."""
    import numpy as np

    similarities = vectors[start : start + _ROWS] @ vectors.T
    rows, columns = np.nonzero(similarities >= NEAR)
    return [
        (start + int(row), int(column), float(similarities[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if start + row < column
    ]


def _least(one: Example, other: Example) -> float:
    if not one.answerable and not other.answerable:
        return NEAR_UNTOLD
    is_told = bool(one.evidence and other.evidence)
    if not share_answer(one, other) or (is_told and not share_evidence(one, other)):
        return _NEVER
    return NEAR if is_told else NEAR_UNTOLD
