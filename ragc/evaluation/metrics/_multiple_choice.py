"""`multiple_choice`: which of the offered options an answer names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragc._text import answer_key
from ragc.errors import DataError
from ragc.evaluation.metrics._score import Score, answered, expected

if TYPE_CHECKING:
    from ragc.data import Example

_LETTER = re.compile(
    r"^\W*(?:(?:the\s+)?(?:correct\s+|right\s+|best\s+)?(?:answer|option|choice)\s*(?:is\b|:)?\s*)?"
    r"(?:[(\[]\s*(?P<bracketed>[A-Za-z])\s*[)\]]|(?P<plain>[A-Z]|[a-z](?=\s*[.):]|\s*$))(?=\s*[.):,;]|\s+[-–—]\s|\s*$))",
    re.IGNORECASE,
)


def multiple_choice(example: Example, prediction: Any, *, choices: str = "choices") -> Score:
    """1 when the answer names an option that is accepted, and no other; else 0.

    `choices` is the example's key with the options: a list (A, B, C, … in their order) or a table of letter and text;
    without it the options are letters alone. An answer names an option by its letter at the beginning (`B`, `(b)`,
    `B. Ten days`, `The answer is B`), by its text, or by holding exactly one option's text. Accepted answers are read
    alike.
    """
    answer, settled = answered(example, prediction)
    if settled is not None:
        return settled
    options = _options(example, choices)
    chosen = _named(answer, options)
    right = {_named(accepted, options) for accepted in example.answers}
    if chosen in right and chosen is not None:
        return Score(1.0)
    told = "names no option, or several" if chosen is None else f"names {chosen}"
    return Score(0.0, f"The answer {told}. {expected(example)}")


def check_choices(examples: tuple[Example, ...], settings: Mapping[str, Any]) -> None:
    """Raises DataError, in one line, where an accepted answer names no option of its example."""
    for example in examples:
        options = _options(example, settings["choices"])
        for accepted in example.answers:
            if _named(accepted, options) is None:
                offered = ", ".join(f"{letter}: {text}" for letter, text in options.items()) or "letters alone"
                raise DataError(
                    f'multiple_choice: answer "{accepted}" of example {example.named} names no option ({offered}); '
                    f'write its letter or its text, and the options under "{settings["choices"]}"'
                )


def _options(example: Example, key: str) -> dict[str, str]:
    """Letter and text of every option; empty where the example has none."""
    given = example.inputs.get(key)
    if isinstance(given, Mapping):
        return {str(letter).upper(): str(text) for letter, text in given.items()}
    if isinstance(given, list | tuple):
        return {chr(ord("A") + number): str(text) for number, text in enumerate(given)}
    return {}


def _named(answer: str, options: Mapping[str, str]) -> str | None:
    """The letter of the option that a text names; None for none, or several."""
    keys = {letter: answer_key(text) for letter, text in options.items()}
    said = answer_key(answer)
    same = [letter for letter, text in keys.items() if text == said]
    if len(same) == 1:
        return same[0]
    match = _LETTER.match(answer)
    letter = (match["bracketed"] or match["plain"]).upper() if match else None
    if letter is not None and (letter in options or not options):
        return letter
    held = [letter for letter, text in keys.items() if text and f" {text} " in f" {said} "]
    # Of "ten days" and "ten days or more" the longer one is meant where both stand in the answer.
    held = [one for one in held if not any(one != other and keys[one] in keys[other] for other in held)]
    return held[0] if len(held) == 1 else None
