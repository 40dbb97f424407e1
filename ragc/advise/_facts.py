"""What advice rests on: facts about a task, each asked as one question, given by a flag or measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from ragc.errors import ConfigError

Changes = Literal["often", "seldom"]
CHANGES: tuple[str, ...] = get_args(Changes)


@dataclass(frozen=True)
class Facts:
    """What is known of a task; None: nobody said, and no rule that needs it applies."""

    labels: int | None = None
    """Labelled questions."""
    changes: Changes | None = None
    """How often the knowledge changes: `often` is more than once a quarter."""
    attribution: bool | None = None
    """Whether an answer must show where it comes from."""
    controlled: bool | None = None
    """Whether answers may come from a controlled corpus alone."""
    tone: bool | None = None
    """Whether answers need a tone that the prompt does not hold."""
    faster: float | None = None
    """How many times faster an answer must be than now."""
    prompt_tokens: int | None = None
    """Tokens of the instructions and demonstrations that the behaviour needs."""
    tokens_a_month: int | None = None
    """Input and output tokens of all queries."""

    def __post_init__(self) -> None:
        for name in ("labels", "faster", "prompt_tokens", "tokens_a_month"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigError(f"{name} {value} is negative; it must be 0 or more")
        if self.changes is not None and self.changes not in CHANGES:
            raise ConfigError(f'changes "{self.changes}": expected {" or ".join(CHANGES)}')

    def over(self, given: Facts) -> Facts:
        """These facts with those of `given` that are known over them."""
        return Facts(**{**vars(self), **{name: value for name, value in vars(given).items() if value is not None}})

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the facts that nobody said."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is None)

    def as_json(self) -> dict[str, Any]:
        """The facts for a program to read."""
        return {**vars(self)}


@dataclass(frozen=True)
class Question:
    """How a fact is asked for in the terminal, and the flag that answers it."""

    text: str
    flag: str
    kind: Literal["yes", "number", "changes"]


QUESTIONS: Mapping[str, Question] = {
    "labels": Question("How many labelled questions are there?", "--labels", "number"),
    "changes": Question(
        "Does the knowledge change more than once a quarter (often) or not (seldom)?", "--changes", "changes"
    ),
    "attribution": Question("Must an answer show where it comes from?", "--attribution", "yes"),
    "controlled": Question("Must answers come from a controlled corpus alone?", "--controlled", "yes"),
    "tone": Question("Do answers need a tone that the prompt does not hold?", "--tone", "yes"),
    "faster": Question(
        "How many times faster must an answer be than now (1: it is fast enough)?", "--faster", "number"
    ),
    "prompt_tokens": Question(
        "How many tokens of instructions and examples does it need?", "--prompt-tokens", "number"
    ),
    "tokens_a_month": Question("How many tokens a month, input and output?", "--tokens-a-month", "number"),
}
"""In the order in which they are asked."""
