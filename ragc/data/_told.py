"""Test questions that a program is told: in a demonstration, or in its instructions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragc._text import tokens
from ragc.data._edited import nearly_same
from ragc.data._examples import Example
from ragc.data._splits import Splits
from ragc.errors import DataError

_LONGEST = 1_000
"""Characters of a text that may be a question; what is longer is a passage."""
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

    In a demonstration: a field that asks nearly the same. In instructions: the question, nearly word for word, with an
    accepted answer, or alone where there is none.
    """
    found: dict[str, Told] = {}
    for name, part in state.items():
        if not isinstance(part, Mapping):
            continue
        for example in _shown(splits.test, _demonstrations(part)):
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


def _demonstrations(part: Mapping[str, Any]) -> list[Example]:
    """Every short text of a demonstration as a question, with its other texts as the answers."""
    asked = []
    for number, demonstration in enumerate(part.get("demos") or ()):
        texts = [text for text in _texts(demonstration) if text.strip() and len(text) <= _LONGEST]
        asked += [
            Example(f"{number}-{place}", text, tuple(other for other in texts if other != text))
            for place, text in enumerate(texts)
        ]
    return asked


def _shown(test: Sequence[Example], asked: list[Example]) -> Iterator[Example]:
    if asked:
        for i, j in nearly_same([*test, *asked]):
            if i < len(test) <= j:
                yield test[i]


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
