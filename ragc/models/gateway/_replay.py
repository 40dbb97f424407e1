"""A run from its journal alone: nothing is sent, and what is missing is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dspy.utils.exceptions import LMError

from ragc._secrets import redact_json
from ragc.errors import ExampleError, ModelError
from ragc.models.gateway._journal import Failure

if TYPE_CHECKING:
    from ragc.models.gateway._journal import Journal, Use
    from ragc.models.gateway._key import Asked
    from ragc.models.gateway._steps import Step

TRANSIENT = "transient"
"""The kind of a failure that may have passed when it is asked again; other kinds are names of errors."""
_SHOWN = 60
"""Characters of a text that are shown on either side of a difference."""


class NotInJournal(ModelError, LMError):  # type: ignore[misc]  # dspy ships no types
    """A replay asked for what the journal does not hold."""


class FailedBefore(ExampleError, LMError):  # type: ignore[misc]  # dspy ships no types
    """What the journal holds for this request is that it failed."""

    def __init__(self, text: str, *, transient: bool = False) -> None:
        super().__init__(text)
        self.transient = transient


def failure_of(error: ExampleError) -> Failure:
    """What the journal keeps of a call that failed."""
    return Failure(TRANSIENT if error.transient else type(error).__name__, str(error))


@dataclass
class Replay:
    """Answers for a run whose calls must all stand in the journal."""

    journal: Journal
    run: str | None
    """The run that is replayed; None: the journal holds none of this task with the same inputs."""
    changed: str | None = None
    """What differs between this run's inputs and the last run's, where that is known."""
    is_look: bool = False
    """Whether what is missing is that example's error alone: for a look at what is known already."""
    _uses: dict[tuple[int, str | None], list[Use]] = field(default_factory=dict)
    """By step and example."""

    def __post_init__(self) -> None:
        if self.run is not None:
            for step in self.journal.steps_of(self.run):
                for use in step.uses:
                    self._uses.setdefault((step.number, use.example), []).append(use)

    def missing(self, asked: Asked, step: Step | None, example: str | None, ordinal: int) -> Exception:
        """The error for a request that the journal does not answer: its failure of then, or what differs."""
        if self.run is not None:
            failure = self.journal.failure_of(self.run, asked.key)
            if failure is not None:
                return FailedBefore(failure.text, transient=failure.kind == TRANSIENT)
        if self.is_look:
            return FailedBefore("not in the journal")
        where = "between two steps" if step is None else step.label
        if example is not None:
            where += f", example {example}"
        return NotInJournal(f"not in the journal: {where}: {self._why(asked, step, example, ordinal)}")

    def failed_then(self, asked: Asked, step: Step | None, example: str | None, before: int) -> Exception | None:
        """The error that a request had in the run at this place, after as many of the same for the same example.

        The journal may hold an answer by now: the run asked again in a later step, and decided without it in this one.
        """
        if self.run is None or step is None:
            return None
        same = [use for use in self._uses.get((step.number, example), ()) if use.key == asked.key]
        error = same[before].error if before < len(same) else None
        if error is None:
            return None
        failure = self.journal.failure_of(self.run, asked.key)
        return FailedBefore(error, transient=failure is not None and failure.kind == TRANSIENT)

    def _why(self, asked: Asked, step: Step | None, example: str | None, ordinal: int) -> str:
        uses = [] if step is None else self._uses.get((step.number, example), [])
        use = next((use for use in uses if use.ordinal == ordinal), None)
        then = None if use is None else self.journal.find(use.key)
        if then is not None:
            found = first_difference(dict(then.request), redact_json(asked.request))  # as the journal keeps it
            return found or "the same request under another key"
        if self.changed is not None:
            return f"since the last run have changed: {self.changed}"
        return "no run of this task with these inputs is in it" if self.run is None else "the run made no such call"


def first_difference(then: Any, now: Any, at: str = "") -> str | None:
    """The first place where two JSON values differ, with what stands there; None: nowhere."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*then, *now]):
            place = f"{at}.{name}" if at else str(name)
            if name not in now or name not in then:
                return f"{place} is {'gone' if name not in now else 'new'}"
            if (found := first_difference(then[name], now[name], place)) is not None:
                return found
        return None
    if isinstance(then, list) and isinstance(now, list):
        for number, (old, new) in enumerate(zip(then, now, strict=False)):
            if (found := first_difference(old, new, f"{at}[{number}]")) is not None:
                return found
        return None if len(then) == len(now) else f"{at} has {len(now)} items, it had {len(then)}"
    if then == now:
        return None
    if isinstance(then, str) and isinstance(now, str):
        start = next((n for n, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now)))
        return f"{at}: {_around(then, start)} in the journal, {_around(now, start)} now"
    return f"{at}: {then!r} in the journal, {now!r} now"


def _around(text: str, start: int) -> str:
    begin = max(0, start - _SHOWN // 3)
    cut = text[begin : begin + _SHOWN].replace("\n", " ")
    return f'"{"…" if begin else ""}{cut}{"…" if begin + _SHOWN < len(text) else ""}"'
