"""Runs in the journal: which one a command goes on with, and where it is to stop.

A run is known by everything that decides its result (`Identity`); caps, threads, timeouts and paths are no part of it.
The same command after a kill, an interrupt or a fatal error goes on with the run; after a stop by its budget or by
time it comes to the same result again, unless that cap was raised; after a sealed run it begins a new one, whose
calls the journal answers.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc._files import canonical_json, digest, locked
from ragc.artifact import collect_sources
from ragc.compiler._events import OnEvent, Warned
from ragc.compiler._judged import judge_identity
from ragc.data import examples_fingerprint
from ragc.errors import ArtifactError, ConfigError
from ragc.evaluation.metrics import read_spec
from ragc.models import BudgetReached, Gateway, Journal, Replay, RunInterrupted, RunRecord, StopAt, describe
from ragc.project import Budget

if TYPE_CHECKING:
    from ragc.compiler._bench import Labelled
    from ragc.project import ModelSettings, Project, RerankerSettings, TaskSettings

JOURNAL = ".ragc/journal.db"
"""Where the project's journal lies."""
LOCKS = ".ragc/locks"
_NO_DECISION = {"threads", "timeout", "price", "rpm", "tpm", "api_key_env"}
"""Keys of a model's table that do not change what it answers."""
_BROKEN_OFF = {"running", "interrupted", "failed", "errors"}
"""States of a run that the same command goes on with."""
_CAPPED = {"budget", "time"}
"""States of a run that stopped at a cap: it stops there again, unless the cap was raised."""


@dataclass(frozen=True)
class Identity:
    """Everything that decides the result of a run."""

    hash: str
    components: Mapping[str, Any]

    def difference(self, other: Mapping[str, Any]) -> str | None:
        """The names of the inputs that `other` had otherwise; None: none."""
        names = [name for name in self.components if self.components[name] != other.get(name)]
        return ", ".join(names) or None


def identify(
    project: Project, task: TaskSettings, labelled: Labelled, modules: Mapping[str, str], **decisions: Any
) -> Identity:
    """The identity of a run; `modules` are the project's that decide (program, optimizer), by their part in it.

    `decisions` are what else does: the optimizer's settings and the seed.
    """
    settings = project.settings
    components: dict[str, Any] = {
        **{part: source_digest(project.root, module) for part, module in modules.items()},
        "metric": _metric(project.root, task.metric),
        "lm": _model(settings.lm),
        "teacher": None if settings.teacher is None else _model(settings.teacher),
        "embedder": settings.embedder.model_dump(mode="json", exclude=_NO_DECISION, exclude_none=True),
        "chunk": task.chunk.model_dump(mode="json"),
        "limits": task.limits.model_dump(mode="json"),
        "max_error_rate": task.max_error_rate,
        "validation_sample": task.validation_sample,
        "examples": examples_fingerprint(labelled.examples),
        "splits": labelled.splits.fingerprint,
        "corpus": labelled.corpus.fingerprint,
        **decisions,
        **judge_identity(project, task),
        **_rerankers(settings.rerankers),
    }
    return identity_of(components)


def identity_of(components: Mapping[str, Any]) -> Identity:
    """The identity that these inputs make."""
    plain = json.loads(canonical_json(components))  # as the journal has it
    return Identity(digest(canonical_json(plain)), plain)


@dataclass(frozen=True)
class Opened:
    """A run that a command works on, with its gateway."""

    gateway: Gateway
    record: RunRecord
    resumed: bool
    """Whether an earlier command began it."""
    lost: int = 0
    """Requests that were in flight when earlier commands were killed: counted as spent, and asked again."""
    known: bool = False
    """Whether the journal holds a whole run with the same inputs, so that nothing need be paid."""
    stops_again: bool = False
    """Whether it stops where it was stopped before."""


def open_run(
    project: Project,
    task: TaskSettings,
    identity: Identity,
    budget: Budget,
    *,
    fresh: bool = False,
    on_event: OnEvent,
    kind: type[Gateway] = Gateway,
) -> Opened:
    """The run that a command goes on with, or a new one. Raises RagcError when the journal cannot be used.

    `kind` is the gateway's class.
    """
    journal = open_journal(project, on_event)
    runs = journal.find_runs(task=task.name)
    generation = journal.generation(task.name)
    last = _last(runs, identity, generation)
    if fresh and not (last is not None and last.state in _BROKEN_OFF and _began_generation(last, runs)):
        generation, last = journal.next_generation(task.name), None
    if last is None or last.state not in _BROKEN_OFF | _CAPPED:
        record = RunRecord(
            id=secrets.token_hex(6),
            task=task.name,
            identity=identity.hash,
            components=identity.components,
            caps=budget.model_dump(mode="json", exclude_none=True),
            generation=generation,
        )
        journal.begin_run(record)
        return Opened(_gateway(journal, record, budget, kind=kind), record, resumed=False, known=last is not None)
    stop = None
    if last.state in _CAPPED and last.stop is not None and not _raised(last.caps, budget):
        stop = _stop_again(last)
    lost = journal.lost(last.id)
    journal.update_run(last.id, state="running", caps=budget.model_dump(mode="json", exclude_none=True))
    again = stop is not None
    # What stopped for its errors is tried once more; whatever else goes on decides as it had decided.
    earlier = None if last.state == "errors" else Replay(journal, last.id)
    gateway = _gateway(journal, last, budget, stop, earlier, kind=kind)
    return Opened(gateway, last, resumed=True, lost=lost, known=again, stops_again=again)


def open_replay(
    project: Project,
    task: TaskSettings,
    identity: Identity,
    source: bool | str | Path,
    *,
    on_event: OnEvent,
    kind: type[Gateway] = Gateway,
) -> Opened:
    """A run from the journal alone, or from an export (a path): nothing is sent, nothing is written.

    Of the runs with the same inputs it is the newest that was sealed; where there is none, the newest of the task
    tells what has changed. A text is the id of an artifact, and the run is the one that sealed it: raises ConfigError,
    naming what has changed, where its inputs are not as they were, and where the journal does not know it.
    """
    journal = Journal.load(source) if isinstance(source, Path) else open_journal(project, on_event)
    runs = journal.find_runs(task=task.name)
    same = [run for run in runs if run.identity == identity.hash]
    if isinstance(source, str):
        same = [_sealed_by(journal, source, identity)]
    found = next((run for run in same if run.artifact is not None), None) or next(iter(same), None)
    alike = [run for run in runs if run.components.keys() == identity.components.keys()]  # a compile, or a comparison
    changed = identity.difference(alike[0].components) if alike and found is None else None
    if changed is not None:
        on_event(Warned(f"no run with these inputs is in the journal; since the last one have changed: {changed}"))
    record = found or RunRecord("", task.name, identity.hash, identity.components, {}, journal.generation(task.name))
    replay = Replay(journal, None if found is None else found.id, changed)
    stop = None
    if found is not None and found.stop is not None and found.state in _CAPPED | {"interrupted"}:
        stop = _stop_again(found)
    gateway = kind(
        Budget(), journal=journal, run=record.id, task=task.name, generation=record.generation, replay=replay,
        stop_at=stop,
    )  # fmt: skip
    return Opened(gateway, record, resumed=False, known=True, stops_again=stop is not None)


def open_evaluation(
    project: Project, task: TaskSettings, on_event: OnEvent, *, fresh: bool = False, budget: Budget | None = None
) -> Opened:
    """A run that only evaluates. What it asks is in the journal from then on, and what was asked before is not paid.

    With `fresh` it begins the next generation: everything is asked anew, and later runs use what is answered now.
    Without a `budget` it has no cap.
    """
    journal = open_journal(project, on_event)
    record = RunRecord(
        id=secrets.token_hex(6), task=task.name, identity="evaluation", components={}, caps={},
        generation=journal.next_generation(task.name) if fresh else journal.generation(task.name),
    )  # fmt: skip
    journal.begin_run(record)
    return Opened(_gateway(journal, record, budget or Budget()), record, resumed=False)


def open_look(project: Project, task: TaskSettings, kind: type[Gateway] = Gateway) -> Opened:
    """A look at what the journal knows of a task, for an estimate: nothing is sent, nothing is written."""
    path = project.path(JOURNAL)
    journal = Journal.open(path, read_only=True) if path.is_file() else Journal.in_memory()
    generation = journal.generation(task.name)
    record = RunRecord("", task.name, "", {}, {}, generation)
    gateway = kind(journal=journal, task=task.name, generation=generation, replay=Replay(journal, None, is_look=True))
    return Opened(gateway, record, resumed=False)


def open_journal(project: Project, on_event: OnEvent) -> Journal:
    """The project's journal; what had to be done to open it is told."""
    journal = Journal.open(project.path(JOURNAL))
    for note in journal.notes:
        on_event(Warned(note))
    return journal


@contextmanager
def only_run(project: Project, task: TaskSettings, on_event: OnEvent) -> Iterator[None]:
    """One compile of a task at a time: the second one says that it waits. A process that dies frees its lock."""

    def tell() -> None:
        on_event(Warned(f'another compile of "{task.name}" is running in this project: waiting until it has ended'))

    with locked(project.path(LOCKS) / f"{task.name}.lock", waiting=tell):
        yield


def source_digest(root: Path, module: str) -> str:
    """Digest of a project module and of what it imports; of its name where it is installed, not the project's."""
    try:
        sources = collect_sources(root, module)
    except ArtifactError:
        return module
    return digest(canonical_json({name: digest(source) for name, source in sources.items()}))


def _metric(root: Path, spec: str) -> Any:
    """What decides on a metric's scores: its name and settings, and for a project's own its source."""
    module, colon, _ = read_spec(spec)[0].partition(":")
    return [spec, source_digest(root, module)] if colon else spec


def _gateway(
    journal: Journal,
    record: RunRecord,
    budget: Budget,
    stop: StopAt | None = None,
    earlier: Replay | None = None,
    *,
    kind: type[Gateway] = Gateway,
) -> Gateway:
    return kind(
        budget,
        journal=journal,
        run=record.id,
        task=record.task,
        generation=record.generation,
        spent=journal.spent_by(record.id),
        seconds=record.seconds,
        admitted=record.admitted,
        stop_at=stop,
        earlier=earlier,
    )


def _sealed_by(journal: Journal, artifact: str, identity: Identity) -> RunRecord:
    record = journal.sealed_by(artifact)
    if record is None:
        raise ConfigError(
            f"{journal.path} knows no run that sealed {artifact[:8]}: replay it where it was compiled, or from an "
            f"export (`ragc journal export --artifact {artifact[:8]} FILE` there)"
        )
    changed = identity.difference(record.components)
    if changed is not None:
        raise ConfigError(
            f"{artifact[:8]} cannot be replayed: changed since then: {changed}; restore what it was made of"
        )
    return record


def _last(runs: Sequence[RunRecord], identity: Identity, generation: int) -> RunRecord | None:
    same = (run for run in runs if run.identity == identity.hash and run.generation == generation)
    return next(same, None)


def _began_generation(run: RunRecord, runs: Sequence[RunRecord]) -> bool:
    """Whether `--fresh` began this run: it is the first of its generation, which is not the first of all."""
    first = [one for one in runs if one.generation == run.generation][-1]
    return run.generation > 0 and first.id == run.id


def _raised(before: Mapping[str, Any], budget: Budget) -> bool:
    """Whether any cap of a run was raised or taken away."""
    now = budget.model_dump(mode="json")
    return any(now[name] is None or now[name] > cap for name, cap in before.items())


def _stop_again(run: RunRecord) -> StopAt:
    step = run.stop or 0
    if run.state == "interrupted":
        return StopAt(step, RunInterrupted("interrupted"))
    what = "time" if run.state == "time" else "budget"
    raise_it = "raise the cap to go on from there"
    return StopAt(step, BudgetReached(f"the run with these inputs stopped here for its {what}: {raise_it}"))


def _rerankers(tables: Sequence[RerankerSettings]) -> dict[str, Any]:
    """Where there are tables of rerankers, what of them decides."""
    decide = [table.model_dump(mode="json", exclude=_NO_DECISION, exclude_none=True) for table in tables]
    return {"rerankers": decide} if decide else {}


def _model(settings: ModelSettings) -> dict[str, Any]:
    return {**settings.model_dump(mode="json", exclude=_NO_DECISION, exclude_none=True), **describe(settings)}
