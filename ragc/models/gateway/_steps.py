"""The steps of a run: what was decided on what, in order, so that a run can be stopped at a place and replayed to it.

A step is a unit of decision: the pilot, the baseline, the training, one candidate, the test. Its calls may be made
early (a candidate's first examples run while the one before it ends); what they were used for is recorded when the
step is complete, in the order of the steps. A step that was cut short leaves no record, and a run's cost is what its
complete steps used. So a stop is the number of the step that it cut, and decisions never depend on the order of
arrival.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dspy

from ragc.models.gateway._calls import Call
from ragc.models.gateway._journal import Use

_STEP = "ragc_step"
"""Among DSPy's settings, because DSPy takes them along into the threads that it starts itself (`dspy.Parallel`)."""


@dataclass
class Step:
    """One step; `inside` marks the context (with contexts copied from it, and DSPy's threads) whose calls are its."""

    number: int
    label: str
    used: list[tuple[Use, Call]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def inside(self) -> Iterator[Step]:
        """Calls made inside belong to this step."""
        with dspy.context(**{_STEP: self}):
            yield self

    @property
    def is_aside(self) -> bool:
        """Whether it decides nothing, and is in no record: see `Gateway.aside`."""
        return self.number < 0

    def note(self, use: Use, call: Call) -> None:
        """A call of this step has ended."""
        with self._lock:
            self.used.append((use, call))

    def keep(self, examples: Collection[str]) -> None:
        """Nothing but these examples was looked at: what others used decided nothing, and is no part of the step."""
        with self._lock:
            self.used = [(use, call) for use, call in self.used if use.example in examples]


@dataclass(frozen=True)
class StopAt:
    """Where a run was stopped the last time, so that it stops there again."""

    step: int
    error: BaseException


def current_step() -> Step | None:
    """The step that this context's calls belong to; None: they are made between steps."""
    step: Step | None = dspy.settings.get(_STEP)
    return step
