"""What a compile run tells while it goes on; the command line prints it, Python may ignore it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragc.evaluation import OnOutcome, Outcome


@dataclass(frozen=True)
class Finished:
    """A step is done: its label and what came out, in lines as a person reads them."""

    label: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Working:
    """How far a step is."""

    label: str
    done: int
    total: int
    text: str = ""


@dataclass(frozen=True)
class Warned:
    """Something the user should know; the run goes on."""

    text: str


Event = Finished | Working | Warned
OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener of whoever does not listen."""


def telling(on_event: OnEvent, label: str, text: str = "") -> OnOutcome:
    """What tells `on_event` how far an evaluation is."""

    def tell(_: Outcome, done: int, total: int) -> None:
        on_event(Working(label, done, total, text))

    return tell
