"""`ragc.compare`: read and check, index, estimate, search, test once, seal, log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc import tracking
from ragc.comparison._contest import Contest
from ragc.comparison._experiment import Experiment, experiment_of, with_flags
from ragc.comparison._page import with_page
from ragc.comparison._power import PowerResult, power_of
from ragc.comparison._sealing import check_targets
from ragc.compiler import (
    Interrupts,
    OnEvent,
    Opened,
    Teller,
    Warned,
    caps_of,
    ignore,
    only_run,
    open_look,
    open_replay,
    open_run,
    read_labelled,
    scoring_of,
    thread_count,
)
from ragc.data import check_inputs, check_openings
from ragc.errors import ConfigError
from ragc.models import SharedGateway, find_price, prepare_model
from ragc.project import Budget, Project
from ragc.retrieval import check_embedder

if TYPE_CHECKING:
    from ragc.comparison._result import CompareResult
    from ragc.compiler import Labelled


def compare(  # noqa: PLR0913  the public name of what a comparison does, and its command's flags
    task: str | None = None,
    *,
    experiment: str | None = None,
    arms: Sequence[str | Mapping[str, Any]] = (),
    alone: bool = False,
    project: Project | Path | str | None = None,
    baseline: str | None = None,
    repeats: int | None = None,
    budget: Mapping[str, Any] | None = None,
    margin: float | None = None,
    queries: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    fresh: bool = False,
    replay: bool | Path = False,
    dry_run: bool = False,
    events: Path | None = None,
    on_event: OnEvent = ignore,
    on_second_interrupt: Callable[[], None] | None = None,
) -> CompareResult:
    """Compares arms on the test questions of a task: quality, cost and speed, paired, under one budget.

    `experiment` names a table of the configuration; `arms` are as on the command line (`program=closed_book,k=5`), or
    mappings, and are put to the experiment's, or without one to the task as it is (`rag`, the baseline) and to the arms
    that were compared with it before; `alone` leaves those out. `budget`, `margin`, `queries` (questions a month),
    `baseline` and `repeats` stand in for the configured ones.

    What was paid for once is in the project's journal: the same command goes on with a comparison that was killed, one
    more arm pays for itself alone, and with `replay` everything comes from the journal or from an export of it. With
    `dry_run` no call is made and the result holds the estimate. An arm that fails is in the result with its error.

    Raises:
        BudgetError: the budget cannot fund every arm's search and test.
        RagcError: anything else the user can mend; arms that are the same, and where not one could be tested.
    """
    if replay and (fresh or dry_run):
        raise ConfigError("a replay asks nothing: it goes neither with --fresh nor with --dry-run")
    started = time.perf_counter()
    teller = Teller(on_event, events)
    found = project if isinstance(project, Project) else Project.find(project)
    chosen = _chosen(
        found, task, experiment, arms, alone=alone, on_event=teller, baseline=baseline, repeats=repeats, budget=budget,
        margin=margin, queries=queries, replay=bool(replay),
    )  # fmt: skip
    waits = nullcontext() if dry_run or replay else only_run(found, chosen.task, teller)
    with teller, waits, ExitStack() as stack:
        labelled = _checked(found, chosen, teller, threads, is_replay=bool(replay))
        scoring = scoring_of(found, chosen.task, labelled)
        identity = chosen.identity(labelled, seed)
        if dry_run:
            opened = open_look(found, chosen.task, SharedGateway)
        elif replay:
            opened = open_replay(found, chosen.task, identity, replay, on_event=teller, kind=SharedGateway)
        else:
            check_openings(labelled.openings.path)
            check_targets(chosen, list(chosen.arms.values()), found.root)
            opened = open_run(
                found, chosen.task, identity, chosen.budget, fresh=fresh, on_event=teller, kind=SharedGateway
            )
        gateway = _shared(opened)
        stack.callback(gateway.close)
        teller.follow(gateway)
        contest = Contest(
            chosen,
            opened,
            gateway,
            labelled,
            scoring,
            chosen.budget,
            seed,
            threads,
            teller,
            started,
            replay=bool(replay),
        )
        stack.callback(contest.release)
        stack.enter_context(gateway.watching())
        stack.enter_context(Interrupts(gateway, on_second_interrupt))
        contest.prepare()
        result = contest.dry() if dry_run else with_page(contest.whole(), chosen, labelled.corpus, found.root)
        teller.result(result.as_json())
        if not dry_run and not replay:
            for warning in tracking.log_compare(uri=found.settings.tracking, root=found.root, study=result.tracked()):
                teller(Warned(warning))
        return result


def power(
    task: str | None = None,
    *,
    experiment: str | None = None,
    arms: Sequence[str | Mapping[str, Any]] = (),
    alone: bool = False,
    project: Project | Path | str | None = None,
    threads: int | None = None,
    on_event: OnEvent = ignore,
) -> PowerResult:
    """How many test questions a difference needs, judging by what the journal knows of the baseline. Asks nothing."""
    found = project if isinstance(project, Project) else Project.find(project)
    chosen = experiment_of(found, task, experiment, arms, alone=alone, on_event=on_event)
    labelled = read_labelled(found, chosen.task, on_event)
    chosen.identity(labelled, 0)  # refuses arms without any difference
    opened = open_look(found, chosen.task, SharedGateway)
    return power_of(chosen, labelled, _shared(opened), threads, on_event)


def _shared(opened: Opened) -> SharedGateway:
    gateway = opened.gateway
    if not isinstance(gateway, SharedGateway):
        raise LookupError("a comparison needs a gateway that its arms share")
    return gateway


def _chosen(
    project: Project,
    task: str | None,
    experiment: str | None,
    arms: Sequence[str | Mapping[str, Any]],
    *,
    alone: bool,
    on_event: OnEvent,
    budget: Mapping[str, Any] | None,
    replay: bool,
    **flags: Any,
) -> Experiment:
    found = experiment_of(project, task, experiment, arms, alone=alone, on_event=on_event)
    caps = Budget() if replay else caps_of(found.budget, budget or {})
    found = with_flags(found, budget=caps, **flags)
    if found.queries is not None:
        for arm in found.arms.values():
            if find_price(arm.project.settings.lm) is None:
                raise ConfigError(
                    f'arm "{arm.name}": no price is known for {arm.model}, which costs a month are made of: give one, '
                    f'lm = {{ model = "{arm.model}", price = {{ input = …, output = … }} }}, or leave out queries'
                )
    return found


def _checked(
    project: Project, experiment: Experiment, on_event: OnEvent, threads: int | None, *, is_replay: bool
) -> Labelled:
    """Examples and corpus, with all that every arm needs to be asked anything. Raises RagcError."""
    for arm in experiment.arms.values():
        thread_count(arm.project.settings.lm, threads)
    labelled = read_labelled(project, experiment.task, on_event)
    for arm in experiment.arms.values():
        check_inputs(labelled.examples, arm.program, project.path(experiment.task.examples))
        if not is_replay:
            prepare_model(arm.project.settings.lm)
            check_embedder(arm.project.settings.embedder)
    return labelled
