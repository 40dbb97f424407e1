"""Test questions that a program is told: in a demonstration, or in its instructions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ragc._text import tokens
from ragc.data._edited import nearly_same, perhaps_same
from ragc.data._examples import Example
from ragc.data._splits import Splits
from ragc.errors import DataError

_LONGEST = 1_000
"""Characters of a text that may be a question; what is longer is a passage."""
_LEAST = 50.0
"""rapidfuzz's ratio of the sorted words below which nothing lies that `nearly_same` finds; such pairs are left out."""
_FEWEST_WORDS = 4
"""Words from which a question is looked for in instructions: a shorter one stands there by chance."""
_ALIKE = 90.0
"""rapidfuzz's `partial_ratio`, 0 to 100, from which a question stands in a text."""


@dataclass(frozen=True)
class Told:
    """A test question that stands where a program's model reads it."""

    example: Example
    where: str
    """`a demonstration of respond`, `the instructions of respond`."""


def find_told(splits: Splits, state: Mapping[str, Any]) -> tuple[Told, ...]:
    """Return the test questions that stand in the state of a program (`dump_state`), in the split's order.

    In a demonstration: a field that asks nearly the same, a word apart included where the answer is the same; but not a
    training question as it stands, which `find_leaks` has seen. In instructions: the question, nearly word for word,
    with an accepted answer, or alone where there is none.
    """
    found: dict[str, Told] = {}
    for name, part in state.items():
        if not isinstance(part, Mapping):
            continue
        for example in _shown(splits, _demonstrations(part)):
            found.setdefault(example.id, Told(example, f"a demonstration of {name}"))
        for example in _instructed(splits.test, _instructions(part)):
            found.setdefault(example.id, Told(example, f"the instructions of {name}"))
    return tuple(found[example.id] for example in splits.test if example.id in found)


def refuse_told(splits: Splits, state: Mapping[str, Any], what: str) -> None:
    """Raise DataError, naming the first, where `find_told` finds test questions; `what` has them: `the program`."""
    told = find_told(splits, state)
    if told:
        more = f" and {len(told) - 1:,} more" if len(told) > 1 else ""
        raise DataError(
            f"{what} knows test questions: {told[0].example.named} stands in {told[0].where}{more};"
            " take them out, or give them the split train"
        )


def _demonstrations(part: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """The short texts of every demonstration."""
    return tuple(
        tuple(text for text in _texts(demonstration) if text.strip() and len(text) <= _LONGEST)
        for demonstration in part.get("demos") or ()
    )


def _shown(splits: Splits, demonstrations: Iterable[tuple[str, ...]]) -> Iterator[Example]:
    for texts in demonstrations:
        yield from _asked_by(splits, texts)


@lru_cache(maxsize=1024)
def _asked_by(splits: Splits, texts: tuple[str, ...]) -> tuple[Example, ...]:
    """The test questions that a text asks, with the others as its answers. Candidates share demonstrations."""
    from rapidfuzz.fuzz import ratio

    found: dict[str, Example] = {}
    for text in texts:
        words = _sorted_words(text)
        if words in _other_words(splits):
            continue
        near = [
            example
            for example, others in zip(splits.test, _test_words(splits), strict=True)
            if ratio(words, others, score_cutoff=_LEAST)
        ]
        asked = Example("", text, tuple(other for other in texts if other != text))
        together = [*near, asked]
        pairs = [*nearly_same(together), *perhaps_same(together)] if near else []
        found |= {near[i].id: near[i] for i, j in pairs if j == len(near)}
    return tuple(found.values())


@lru_cache(maxsize=4)
def _test_words(splits: Splits) -> tuple[str, ...]:
    return tuple(_sorted_words(example.question) for example in splits.test)


@lru_cache(maxsize=4)
def _other_words(splits: Splits) -> frozenset[str]:
    return frozenset(_sorted_words(example.question) for example in (*splits.train, *splits.validation))


def _sorted_words(text: str) -> str:
    return " ".join(sorted(tokens(text)))


def _instructions(part: Mapping[str, Any]) -> str:
    signature = part.get("signature")
    return " ".join(tokens(" \n".join(_texts(signature)))) if isinstance(signature, Mapping) else ""


def _instructed(test: Sequence[Example], instructions: str) -> Iterator[Example]:
    if not instructions:
        return
    from rapidfuzz.fuzz import partial_ratio

    padded = f" {instructions} "
    for example in test:
        words = tokens(example.question)
        if len(words) < _FEWEST_WORDS or sum(map(len, words)) > len(instructions):
            continue
        if not partial_ratio(" ".join(words), instructions, score_cutoff=_ALIKE):
            continue
        if not example.answerable or any(f" {' '.join(tokens(answer))} " in padded for answer in example.answers):
            yield example


def _texts(value: Any) -> Iterator[str]:
    """Every text in JSON, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
