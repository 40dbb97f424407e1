"""Examples that ask nearly the same: by their questions alone, or by near questions with labels that agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ragc._text import answer_key, tokens
from ragc.data._examples import Example
from ragc.data._near import near_duplicates

ALIKE = 75.0
"""rapidfuzz's ratio of the sorted words (0 to 100) from which two questions with an accepted answer and a
document in common are one question, edited. Questions of the handbook that share both, and are two, reach 52."""
_FEWEST_WORDS = 3
UNTOLD_ALIKE = 88.0
"""The same where no evidence tells two questions apart. Two unanswerable ones of the handbook reach 56."""


def nearly_same(examples: Sequence[Example]) -> list[tuple[int, int]]:
    """Return every pair of positions, i < j, of examples that ask nearly the same, in order.

    These are `near_duplicates` of the questions; and questions of which a word was changed, or more in a longer one,
    where the labels agree: another word may make another question (Halifax, Lisbon), but hardly one with the same
    answer from the same document. A question with other numbers stays another one.
    """
    return sorted({*near_duplicates([example.question for example in examples]), *_edited(examples, is_sure=True)})


def perhaps_same(examples: Sequence[Example]) -> list[tuple[int, int]]:
    """Return the pairs of which a person must say whether they ask the same: a word apart, and no evidence to tell.

    Both are unanswerable, or they share an answer and one of them names no evidence. None is in `nearly_same`.
    """
    found = set(_edited(examples, is_sure=False))
    return sorted(found - set(near_duplicates([example.question for example in examples]))) if found else []


def share_answer(one: Example, other: Example) -> bool:
    """Return whether an answer to one is accepted for the other; both being unanswerable is no shared answer."""
    return bool(_answers(one) & _answers(other))


def contradict(one: Example, other: Example) -> bool:
    """Return whether no answer to one is accepted for the other, where both ask nearly the same."""
    return one.answers != other.answers and not share_answer(one, other)


def share_evidence(one: Example, other: Example) -> bool:
    """Return whether both name evidence in the same document."""
    return not {evidence.document for evidence in one.evidence}.isdisjoint(each.document for each in other.evidence)


def _edited(examples: Sequence[Example], *, is_sure: bool) -> Iterator[tuple[int, int]]:
    """Pairs that share an answer, or are unanswerable: few enough to compare each."""
    from rapidfuzz.fuzz import ratio

    words = [tokens(example.question) for example in examples]
    texts = [" ".join(sorted(one)) for one in words]
    numbers = [sorted(word for word in one if any(map(str.isdigit, word))) for one in words]
    least = ALIKE if is_sure else UNTOLD_ALIKE
    holders: dict[str, list[int]] = defaultdict(list)
    for j, example in enumerate(examples):
        keys = _answers(example) or {""}
        for i in sorted({i for key in keys for i in holders[key]}):
            other = examples[i]
            is_told = bool(example.evidence and other.evidence)
            if is_told != is_sure or numbers[i] != numbers[j] or (is_told and not share_evidence(other, example)):
                continue
            if _one_word_apart(words[i], words[j]) or ratio(texts[i], texts[j], score_cutoff=least):
                yield i, j
        for key in keys:
            holders[key].append(j)


def _one_word_apart(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether one word is another, or is left out; of a question of two words nothing would remain."""
    from rapidfuzz.distance import Levenshtein

    enough = max(len(words), len(others)) >= _FEWEST_WORDS
    return enough and Levenshtein.distance(words, others, score_cutoff=1) <= 1


def _answers(example: Example) -> set[str]:
    return {answer_key(answer) for answer in example.answers}
