"""One program of a comparison on its way: an arm with one seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ragc.comparison._arms import Arm
from ragc.compiler import PILOT, Candidate, Forecast, Search, Stops, state_of
from ragc.evaluation import Evaluation

if TYPE_CHECKING:
    from ragc.compiler import Bench, Run
    from ragc.models import SharedGateway, Step


@dataclass
class Contestant:
    """An arm with one seed, from its pilot to its test."""

    party: str
    """The arm's name; with repeats, those after the first have their seed behind it."""
    arm: Arm
    seed: int
    bench: Bench
    gateway: SharedGateway
    stops: Stops
    search: Search | None
    """None: it is not compiled."""
    forecast: Forecast
    pilot: Evaluation | None = None
    run: Run | None = None
    chosen: Candidate | None = None
    """What is tested."""
    step: Step | None = None
    """The step of its test."""
    evaluation: Evaluation | None = None
    """On the test split."""
    error: str | None = None
    """What ended it, in one line."""

    @property
    def optimizer(self) -> dict[str, Any] | None:
        """As it is sealed: name, settings and seed."""
        if self.search is None:
            return None
        return {"name": self.search.name, "settings": dict(self.search.settings), "seed": self.seed}

    def choose(self) -> None:
        """Chooses what is tested: the best candidate on validation, or the program as it is."""
        if self.search is None:
            program = self.bench.program()
            self.chosen = Candidate(self.party, program, state_of(program), Evaluation(()))
            return
        self.chosen = None if self.run is None else self.run.best
        if self.chosen is None:
            stopped = self.stops.stopped
            self.error = (
                "no candidate is within the task's limits"
                if stopped is None
                else f"no candidate was evaluated before the stop ({stopped})"
            )

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Calls made inside are of its test."""
        if self.step is None:
            raise LookupError("its test has not begun")
        with self.gateway.party(self.party), self.step.inside():
            yield


def party_of(arm: Arm, seed: int, first: int) -> str:
    """What a contestant is called."""
    return arm.name if seed == first else f"{arm.name}@{seed}"


def forecast_of(bench: Bench, search: Search | None, *, scores_baseline: bool, has_margin: bool) -> Forecast:
    """What a contestant will take."""
    if search is None:
        first = bench.labelled.splits.validation[:PILOT]
        return Forecast(bench, None, first, tests_baseline=True, is_searched=False, has_margin=has_margin)
    return replace(search.forecast(tests_baseline=False), scores_baseline=scores_baseline, has_margin=has_margin)
