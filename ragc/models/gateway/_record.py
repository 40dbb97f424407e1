"""The record of a run: the calls that were made for each example, the steps they belong to, and what these cost.

Invariant: what the journal holds of a run are its complete steps, each with its uses in the order of the examples and
not of arrival, and what was used between two steps stands with the later one. So a replay meets the same uses at the
same places, and a step that was cut short leaves nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dspy

from ragc.models.gateway._calls import Call, Recording, Usage, total
from ragc.models.gateway._journal import Journal, Use
from ragc.models.gateway._steps import Step, StopAt, current_step


class Record:
    """See the module. Safe in threads."""

    def __init__(self, journal: Journal | None, run: str, *, admitted: int = 0, stop_at: StopAt | None = None) -> None:
        """Without a journal nothing is written: a replay. `admitted`: the steps of the run so far."""
        self._journal = journal if run else None
        self._run = run
        self.admitted = admitted
        self._stop_at = stop_at
        self._begun = self._complete = 0
        self._between = Step(-1, "between steps")
        self._used: dict[str, Call] = {}
        self._hits = 0
        self._lock = threading.Lock()
        self._setting = f"ragc_recordings_{id(self)}"  # DSPy takes its settings along into the threads that it starts

    # -- calls

    @contextmanager
    def recording(self, example: str | None = None) -> Iterator[Recording]:
        """Collects the calls made inside, in this context: see `Gateway.recording`."""
        calls = Recording(example)
        with dspy.context(**{self._setting: (*self._open, calls)}):
            yield calls

    @property
    def _open(self) -> tuple[Recording, ...]:
        """The recordings around this context, the innermost last."""
        found: tuple[Recording, ...] = dspy.settings.get(self._setting, ())
        return found

    @property
    def inner(self) -> Recording | None:
        """The innermost recording around this context."""
        recordings = self._open
        return recordings[-1] if recordings else None

    def note(self, key: str, call: Call) -> None:
        """A call has ended: every recording around it has it, and so has its step."""
        recordings = self._open
        inner = recordings[-1] if recordings else None
        use = Use(
            example=None if inner is None else inner.example,
            ordinal=0 if inner is None else len(inner),
            key=key,
            error=call.error,
        )
        for calls in recordings:
            calls.append(call)
        with self._lock:
            self._hits += call.hit
        step = current_step()
        if step is not None:
            step.note(use, call)
        else:
            with self._lock:
                self._between.note(use, call)

    @property
    def hits(self) -> int:
        """Calls that the journal answered."""
        with self._lock:
            return self._hits

    @property
    def cost(self) -> Usage:
        """What the complete steps used, each response counted once."""
        with self._lock:
            return total(self._used.values())

    # -- steps

    def new_step(self, label: str) -> Step:
        """The next step of the run."""
        with self._lock:
            self._begun += 1
            return Step(self._begun - 1, label)

    @property
    def begun_before(self) -> bool:
        """Whether an earlier command of this run had begun the step that comes next."""
        return self._begun < self.admitted

    def admitted_before(self, step: Step) -> bool:
        """Whether an earlier command of this run had begun the step."""
        return step.number < self.admitted

    def admit(self, step: Step) -> None:
        """The step is begun, for good. Raises what stopped the run here before, where it is to stop here again."""
        stop = self._stop_at
        if stop is not None and step.number >= stop.step:
            raise stop.error
        if step.number >= self.admitted:
            self.admitted = step.number + 1
            if self._journal is not None:
                self._journal.update_run(self._run, admitted=self.admitted)

    def complete(self, step: Step) -> None:
        """The step is complete: what it used, and what was used since the last one, is written to the journal."""
        with self._lock:
            between, self._between = self._between, Step(-1, "between steps")
            self._complete = step.number + 1
            noted = [*between.used, *sorted(_decided(step.used), key=_place)]
            for use, call in noted:
                if call.has_response:
                    self._used.setdefault(use.key, call)
        if self._journal is not None:
            self._journal.record_step(self._run, step.number, step.label, [use for use, _ in noted])

    @property
    def position(self) -> int:
        """The number of the step that is to be complete next: where a stop stands."""
        return self._complete

    def cut(self) -> None:
        """The run was stopped: steps that were begun and are not complete are given up, the next takes their place."""
        with self._lock:
            self._begun = self._complete
            self._stop_at = None


def _decided(used: Sequence[tuple[Use, Call]]) -> list[tuple[Use, Call]]:
    """Without what was refused before its step's turn and asked again in it: nothing was decided on the refusal."""
    answered = {(use.example, use.key) for use, _ in used if use.error is None}
    return [(use, call) for use, call in used if not (call.refused and (use.example, use.key) in answered)]


def _place(noted: tuple[Use, Call]) -> tuple[str, int, str]:
    """Where a use stands in its step: threads end in any order, records do not."""
    use, _ = noted
    return use.example or "", use.ordinal, use.key
