"""What is compared: an experiment of the configuration, or arms as flags, put to what was compared before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ragc.comparison._arms import Arm, resolve
from ragc.comparison._flags import PLAIN, read_arms
from ragc.compiler import Warned, identity_of
from ragc.errors import ConfigError, RagcError
from ragc.models import Journal
from ragc.project import ArmSettings, Budget, arm_settings

if TYPE_CHECKING:
    from ragc.compiler import Identity, Labelled, OnEvent
    from ragc.project import ExperimentSettings, Project, TaskSettings

FLAGS = "flags"
"""What the comparison of arms that are given as flags is called; an experiment of this name is refused."""


@dataclass(frozen=True)
class Experiment:
    """Arms against a baseline, on the questions of one task."""

    name: str
    task: TaskSettings
    arms: Mapping[str, Arm]
    baseline: str
    repeats: int
    budget: Budget
    margin: float | None
    queries: int | None

    def identity(self, labelled: Labelled, seed: int) -> Identity:
        """Everything that decides what is measured. Raises ConfigError for arms without any difference."""
        components = {name: arm.identity(labelled).hash for name, arm in self.arms.items()}
        seen: dict[str, str] = {}
        for name, hash_ in components.items():
            if hash_ in seen:
                raise ConfigError(
                    f'arms "{seen[hash_]}" and "{name}" are the same: give one of them another program, optimizer, '
                    "model, embedder, store or retrieval, or leave it out"
                )
            seen[hash_] = name
        specs = {name: arm.says for name, arm in self.arms.items()}
        return identity_of(
            {
                "comparison": self.name,
                "arms": components,
                "specs": specs,
                "baseline": self.baseline,
                "repeats": self.repeats,
                "seed": seed,
            }
        )

    @property
    def others(self) -> tuple[str, ...]:
        """The arms that are compared with the baseline."""
        return tuple(name for name in self.arms if name != self.baseline)

    def models(self) -> str:
        """The models that the arms run on, for a line."""
        return ", ".join(dict.fromkeys(arm.model for arm in self.arms.values()))


def experiment_of(
    project: Project,
    task: str | None,
    name: str | None,
    flags: Sequence[str | Mapping[str, Any]],
    *,
    alone: bool,
    on_event: OnEvent,
) -> Experiment:
    """The experiment `name` of the configuration with the arms in `flags`; without a name, the task and those arms.

    Without a name, arms that were compared before are there again, unless `alone`: what was paid is in the journal, and
    a p-value is corrected for all that was looked at. Raises ConfigError or ArtifactError on what cannot be used.
    """
    given = read_arms(flags)
    if name is None:
        if not given:
            known = ", ".join(sorted(project.settings.experiments)) or "none"
            raise ConfigError(
                "nothing to compare: name an experiment of the configuration with --experiment "
                f"(there are: {known}), or arms with --arm key=value"
            )
        settings = project.task(task)
        return _of_flags(project, settings, {} if alone else _before(project, settings, given, on_event), given)
    table = project.experiment(name)
    if table.task not in project.settings.tasks:
        project.task(table.task)  # raises, with the nearest
    if task is not None and task != table.task:
        raise ConfigError(f'experiment "{name}" is of the task "{table.task}", not of "{task}"')
    return _of_table(project, table, given)


def _of_table(project: Project, table: ExperimentSettings, given: Mapping[str, ArmSettings]) -> Experiment:
    if table.name == FLAGS:
        raise ConfigError(f'an experiment cannot be called "{FLAGS}": that is what --arm alone makes; rename it')
    twice = next((name for name in given if name in table.arms), None)
    if twice is not None:
        raise ConfigError(
            f'--arm: experiment "{table.name}" has an arm "{twice}" already; give the new one another name: name=…'
        )
    settings = project.task(table.task)
    arms = {name: resolve(project, settings, one) for name, one in {**table.arms, **given}.items()}
    baseline = table.baseline or next((name for name, arm in arms.items() if not arm.says), None)
    if baseline is None:
        raise ConfigError(
            f'experiment "{table.name}" names no baseline, and none of its arms is the task itself: '
            f"baseline = one of {', '.join(arms)}"
        )
    return Experiment(
        name=table.name,
        task=settings,
        arms=arms,
        baseline=baseline,
        repeats=table.repeats,
        budget=settings.budget if table.budget is None else table.budget,
        margin=table.margin,
        queries=table.queries,
    )


def _of_flags(
    project: Project, task: TaskSettings, before: Mapping[str, Arm], given: Mapping[str, ArmSettings]
) -> Experiment:
    plain = {PLAIN: resolve(project, task, ArmSettings(name=PLAIN))}
    if PLAIN in given:
        raise ConfigError(f'--arm: "{PLAIN}" is the task as it is, which is the baseline; give it another name: name=…')
    arms = {**plain, **before, **{name: resolve(project, task, one) for name, one in given.items()}}
    return Experiment(
        name=FLAGS,
        task=task,
        arms=arms,
        baseline=PLAIN,
        repeats=1,
        budget=task.budget,
        margin=None,
        queries=None,
    )


def _before(
    project: Project, task: TaskSettings, given: Mapping[str, ArmSettings], on_event: OnEvent
) -> dict[str, Arm]:
    """The arms of the last comparison of this task that flags made, which the journal has."""
    if not project.journal_path.is_file():
        return {}
    with Journal.open(project.journal_path, read_only=True) as journal:
        runs = journal.find_runs(task=task.name)
    specs: dict[str, Any] = {}
    for run in runs:
        specs = dict(run.components.get("specs", {})) if run.components.get("comparison") == FLAGS else {}
        if specs and (run.state != "failed" or run.admitted > len(specs)):  # else it was refused before it began
            break
        specs = {}
    found = {}
    for name, says in specs.items():
        if name == PLAIN or name in given:
            continue
        try:
            found[name] = resolve(project, task, arm_settings(says, name, f'arm "{name}"'))
        except RagcError as error:
            on_event(Warned(f"left out, of an earlier comparison: {error}"))
    return found


def with_flags(
    experiment: Experiment,
    *,
    baseline: str | None,
    repeats: int | None,
    budget: Budget,
    margin: float | None,
    queries: int | None,
) -> Experiment:
    """The experiment with what flags change. Raises ConfigError for a value out of its range."""
    from ragc.project import nearest

    if baseline is not None and baseline not in experiment.arms:
        raise ConfigError(f'baseline "{baseline}" is none of the arms, {nearest(baseline, experiment.arms)}')
    if repeats is not None and repeats < 1:
        raise ConfigError(f"--repeats {repeats}: expected 1 or more")
    if margin is not None and not 0 < margin < 1:  # NaN neither
        raise ConfigError(f"--margin {margin:g}: expected points of the score between 0 and 1, such as 0.02")
    if queries is not None and queries < 1:
        raise ConfigError(f"--queries {queries}: expected questions a month, 1 or more")
    return replace(
        experiment,
        baseline=baseline or experiment.baseline,
        repeats=repeats or experiment.repeats,
        budget=budget,
        margin=experiment.margin if margin is None else margin,
        queries=experiment.queries if queries is None else queries,
    )
