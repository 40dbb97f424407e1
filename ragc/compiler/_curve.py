"""The own learning curve: the same search with 25, 50 and 100% of the training labels, under one budget.

Every point is a real search: baseline, optimizer, the best on validation, through the gateway and its journal.
The bench that it runs on has no test split, and nothing is sealed. The last point asks what a compile with the same
seed asks, so that neither pays for what the other did.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ragc.advise import SHARES, Compiled, Curve, draw_curve
from ragc.compiler._bench import Bench, open_bench
from ragc.compiler._compile import caps_of
from ragc.compiler._estimate import refuse_unfundable
from ragc.compiler._events import Finished, OnEvent, ignore
from ragc.compiler._history import Opened, identify, only_run, open_run
from ragc.compiler._interrupts import Interrupts
from ragc.compiler._lines import describe_estimate
from ragc.compiler._result import Stopped, cost_of
from ragc.compiler._search import Search
from ragc.compiler._stops import Stops
from ragc.errors import BudgetExhausted, ConfigError, Interrupted, RagcError
from ragc.evaluation import clusters_of
from ragc.project import Project, load_optimizer, optimizer_settings

if TYPE_CHECKING:
    import dspy

    from ragc.compiler._bench import Labelled
    from ragc.data import Example
    from ragc.models import Gateway, RunChanges, Usage
    from ragc.project import Budget

FEWEST = 4
"""Training labels below which a quarter of them is no example."""
LEAST = "the first point of a curve"


@dataclass(frozen=True)
class LearningCurve:
    """The curve, and what it took."""

    curve: Curve
    usage: Usage
    """What it took in all, whoever paid for it and when."""
    paid: Usage
    """What this command paid for anew."""
    stopped: Stopped | None = None

    @property
    def exit_code(self) -> int:
        """0 done, 3 stopped by budget, time or errors, 130 interrupted."""
        return {None: 0, "interrupted": 130}.get(self.stopped, 3)

    def as_json(self) -> dict[str, Any]:
        """The curve for a program to read."""
        cost = {"cost": cost_of(self.usage), "paid_usd": self.paid.usd, "paid_calls": self.paid.calls}
        return {**self.curve.as_json(), **cost, "stopped": self.stopped}


def learning_curve(
    task: str | None = None,
    *,
    project: Project,
    optimizer: str | None = None,
    settings: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int | None = None,
    on_event: OnEvent = ignore,
) -> LearningCurve:
    """Search with growing parts of a task's training labels, seeded and each within the next, and draw the curve.

    `optimizer`, `settings`, `budget`, `seed` and `threads` are those of `compile`; the budget is for all searches
    together. The same command goes on with a curve that was killed. A stop leaves the points behind it empty.

    Raises:
        BudgetError: the budget cannot fund the first point. RagcError: what else the user can mend.
    """
    chosen = project.task(task)
    name = optimizer or chosen.optimizer
    if name is None:
        raise RagcError(f'task "{chosen.name}" has no optimizer: set one in [tool.ragc.tasks.{chosen.name}]')
    function = load_optimizer(project, name)
    values = optimizer_settings(function, settings or {})
    caps = caps_of(chosen.budget, budget or {})
    opened: list[Opened] = []

    def gateway_for(labelled: Labelled, program: type[dspy.Module]) -> Gateway:
        count = len(labelled.splits.train)
        if count < FEWEST:
            raise ConfigError(
                f"{count} training labels are no curve: it takes {FEWEST} or more, and says little below 40"
            )
        modules = {"program": program.__module__, "optimizer": function.__module__}
        decisions = {"program name": program.__qualname__, "optimizer name": name, "settings": values, "seed": seed}
        identity = identify(project, chosen, labelled, modules, curve=list(SHARES), **decisions)
        opened.append(open_run(project, chosen, identity, caps, on_event=on_event))
        return opened[0].gateway

    with only_run(project, chosen, on_event):
        bench = open_bench(project, chosen, gateway_for=gateway_for, threads=threads, on_event=on_event)
        with closing(bench), bench.context(), Interrupts(bench.gateway):
            drawn = _Drawing(bench, opened[0], caps, on_event).draw(
                lambda part, stops: Search(part, name, function, values, seed, stops, on_event, lambda *_: None), seed
            )
            return drawn


@dataclass
class _Drawing:
    bench: Bench
    opened: Opened
    caps: Budget
    on_event: OnEvent
    stopped: Stopped | None = None
    position: int | None = None

    def draw(self, search_on: Any, seed: int) -> LearningCurve:
        labelled = self.bench.labelled
        found: list[Compiled] = []
        try:
            for share, train in zip(SHARES, nested(labelled.splits.train, SHARES, seed), strict=True):
                found.append(
                    self._point(share, train, search_on) if self.stopped is None else self._empty(share, train)
                )
        except BaseException as error:
            self._note("interrupted" if isinstance(error, KeyboardInterrupt | Interrupted) else "failed")
            raise
        self._note(self.stopped or "sealed")
        clusters = clusters_of(labelled.splits.validation, labelled.corpus)
        curve = draw_curve(found, clusters, seed=seed)
        return LearningCurve(curve, self.bench.gateway.cost, self.bench.gateway.usage, self.stopped)

    def _point(self, share: float, train: tuple[Example, ...], search_on: Any) -> Compiled:
        splits = replace(self.bench.labelled.splits, train=train, test=())
        part = replace(self.bench, labelled=replace(self.bench.labelled, splits=splits))
        was_time = self.opened.stops_again and self.opened.record.state == "time"
        stops = Stops(part, self.on_event, was_time)
        search: Search = search_on(part, stops)
        self.on_event(Finished("curve", (f"{len(train)} training labels ({share:.0%})",)))
        try:
            if share == SHARES[0]:
                self._refuse(search)
            run = search.run({})
        except BudgetExhausted:
            if share == SHARES[0]:
                raise
            self.stopped = "budget"
            return self._empty(share, train)
        self.stopped, self.position = stops.stopped, stops.position
        best = None if stops.stopped is not None or run.best is None else run.best.evaluation
        return Compiled(share, len(train), best, stops.stopped or (None if run.best else "no candidate"))

    def _refuse(self, search: Search) -> None:
        """Estimates from a pilot, and refuses a budget that cannot fund the first point."""
        forecast = search.forecast(tests_baseline=False)
        fundable = self.opened.known or self.bench.gateway.admitted > 1  # it has got past here before
        if not fundable:  # not even the pilot is paid for where one call a question is too much
            refuse_unfundable(self.caps, forecast.from_prompts(1), what=LEAST)
        plan = forecast.observe(forecast.pilot(self.on_event)) or forecast.from_prompts()
        if not fundable:
            refuse_unfundable(self.caps, plan, what=LEAST)
        self.on_event(describe_estimate(plan, None, self.bench.project.settings.lm.model))
        text = f"for each of {len(SHARES)} points, less what the journal holds of it"
        self.on_event(Finished("", (text,)))

    def _empty(self, share: float, train: Sequence[Example]) -> Compiled:
        return Compiled(share, len(train), None, self.stopped)

    def _note(self, state: Any) -> None:
        changes: RunChanges = {"state": state, "seconds": self.bench.gateway.account.seconds, "stop": self.position}
        self.bench.gateway.journal.update_run(self.opened.record.id, **changes)


def nested(train: Sequence[Example], shares: Sequence[float], seed: int) -> list[tuple[Example, ...]]:
    """Seeded parts of `train` in its own order, as many as `shares` say (rounded up), each within the next larger."""
    order = sorted(range(len(train)), key=lambda number: train[number].id)
    random.Random(f"{seed}/curve").shuffle(order)
    counts = [math.ceil(share * len(train)) for share in shares]
    return [tuple(train[number] for number in sorted(order[:count])) for count in counts]
