"""What a compile run tells while it goes on; the command line prints it, Python may ignore it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragc.evaluation import OnOutcome, Outcome
    from ragc.models import Usage


@dataclass(frozen=True)
class Seen:
    """What can be seen of a run's calls while it goes on."""

    paid: Usage
    """What this command has paid for."""
    hits: int
    """Calls that the journal answered."""
    calls_per_second: float
    """Paid calls, over the last seconds."""
    concurrency: int
    """Calls that may be under way at once, as the limiters have it now."""
    retries: int
    spent: float | None
    """US dollars that the run has spent, in all its commands; None: no price is known."""
    cap: float | None
    """US dollars that it may spend."""
    waiting_for: str | None
    """What it waits for, where that is no answer (a provider that asks for an hour)."""


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
    seen: Seen | None = None


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
