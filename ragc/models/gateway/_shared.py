"""One gateway for several parties: the arms of a comparison have one budget and one journal, and fail each alone.

Unlike `Gateway`, a refusal for good (a wrong key) and a model that is called past it end the party in whose context
they happened; a run may be stopped at several places and stop there again; and what each party used is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dspy

from ragc.models.gateway._calls import Call, Usage, total
from ragc.models.gateway._gateway import Gateway
from ragc.models.gateway._watch import Watcher

if TYPE_CHECKING:
    from ragc.errors import RagcError
    from ragc.models.gateway._steps import Step, StopAt

_PARTY = "ragc_party"
"""Among DSPy's settings, because DSPy takes them along into the threads that it starts itself."""
_NOBODY = ""


def current_party() -> str:
    """The party that this context belongs to; empty outside of `SharedGateway.party`."""
    name: str = dspy.settings.get(_PARTY, _NOBODY)
    return name


class _Watcher(Watcher):
    """Unlike `Watcher`: a model that is called past the gateway is a stranger to the party that called it."""

    def __init__(self, gateway: Gateway) -> None:
        self._by_party: dict[str, dict[str, str]] = defaultdict(dict)
        super().__init__(gateway)

    @property
    def _strangers(self) -> dict[str, str]:
        return self._by_party[current_party()]

    @_strangers.setter
    def _strangers(self, none: dict[str, str]) -> None:
        """Nobody has any yet."""


class SharedGateway(Gateway):
    """See the module. Steps that are begun in a party's context are labelled with its name."""

    def __init__(self, *args: Any, **given: Any) -> None:
        self._refusals: dict[str, RagcError] = {}
        self._stops: list[StopAt] = []
        self._begun: dict[str, list[Step]] = defaultdict(list)
        self._done: dict[str, list[Step]] = defaultdict(list)
        self._loose: dict[str, list[Call]] = defaultdict(list)
        super().__init__(*args, **given)
        self._watcher = _Watcher(self)

    @contextmanager
    def party(self, name: str) -> Iterator[None]:
        """Calls made inside, and steps begun inside, are this party's."""
        with dspy.context(**{_PARTY: name}):
            yield

    @contextmanager
    def search(self, name: str) -> Iterator[None]:
        """Like `party`, for what also makes calls between steps, as an optimizer does."""
        with self.party(name), self.recording() as calls:
            try:
                yield
            finally:
                self._loose[name] += calls

    def used_by(self, *names: str) -> Usage:
        """What the complete steps of parties used, and their calls between them, each response counted once."""
        calls = []
        for name in names:
            stepped = {id(call) for step in self._begun[name] for _, call in step.used}
            calls += [call for step in self._done[name] for _, call in step.used]
            calls += [call for call in self._loose[name] if id(call) not in stepped]
        return total({call.key: call for call in calls if call.has_response}.values())

    def stop_again_at(self, stops: Sequence[StopAt]) -> None:
        """Stop the run where it was stopped before, at each of these places."""
        self._stops = list(stops)

    @property
    def stops_here(self) -> bool:
        """Whether the run is to stop again where it now stands."""
        return bool(self._stops) and self._stops[0].step <= self.position

    # -- what is the party's own

    @property
    def fatal(self) -> RagcError | None:
        """The first refusal for good in this context's party."""
        return self._refusals.get(current_party())

    @fatal.setter
    def fatal(self, error: RagcError | None) -> None:
        if error is not None:
            self._refusals[current_party()] = error

    # -- steps

    def new_step(self, label: str) -> Step:
        """The next step of the run, labelled with the party's name."""
        party = current_party()
        step = super().new_step(f"{party}: {label}" if party else label)
        self._begun[party].append(step)
        return step

    def admit(self, step: Step) -> None:
        """The step is begun. Raises what stopped the run here before; see `Gateway.admit`."""
        if self._stops and step.number >= self._stops[0].step:
            raise self._stops[0].error
        super().admit(step)

    def complete_step(self, step: Step) -> None:
        """The step is complete; see `Gateway.complete_step`."""
        super().complete_step(step)
        self._done[current_party()].append(step)

    def cut(self) -> None:
        """The run was stopped here; the next step takes the place of those that are given up."""
        super().cut()
        self._stops = [stop for stop in self._stops if stop.step > self.position]
