"""The judge of a task: opened for a run, part of what the run is known by, and named beside its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy

from ragc._files import canonical_json, digest
from ragc._messages import shown_path
from ragc.artifact import load
from ragc.errors import ConfigError
from ragc.evaluation import load_metric
from ragc.evaluation.judge import AnswerJudge, Judge, Judged, calibration_beside, find_calibration, prompt_of

if TYPE_CHECKING:
    from ragc.evaluation import Measure
    from ragc.models import Gateway
    from ragc.project import ModelSettings, Project, TaskSettings


def open_judge(project: Project, metric: Measure, gateway: Gateway) -> Judge | None:
    """The judge that `metric` asks; None where it asks none. Raises ConfigError, ModelError, BudgetError."""
    settings = judge_settings(project, metric)
    return None if settings is None else Judge.open(settings, gateway, answers=_compiled(project, metric))


def judge_settings(project: Project, metric: Measure) -> ModelSettings | None:
    """The table of the judge that `metric` asks; None where it asks none."""
    return project.settings.judge if metric.wants_judge else None


def judged_by(project: Project, task: TaskSettings, metric: Measure) -> Judged | None:
    """Who judges what `metric` scores, and whether that judge is calibrated; None where nobody does. Asks nothing."""
    settings = judge_settings(project, metric)
    if settings is None:
        return None
    prompt = prompt_of(settings, metric.name, _compiled(project, metric))
    path = calibration_beside(project.path(task.examples))
    found = find_calibration(path, metric.name, settings.model, prompt)
    return Judged(metric.name, settings.model, prompt, found)


def judge_identity(project: Project, task: TaskSettings) -> dict[str, Any]:
    """What of a judge decides on a run: its prompt, which its model is part of, and a style's rules."""
    metric = load_metric(project, task.metric)
    found = judged_by(project, task, metric)
    if found is None:
        return {}
    style = metric.settings.get("style")
    rules = {"rules": digest(canonical_json(list(style.rules)))} if style is not None else {}
    return {"judge": {"model": found.model, "prompt": found.prompt, **rules}}


def _compiled(project: Project, metric: Measure) -> dspy.Module | None:
    """The compiled judge that `metric` names. Raises ConfigError where the artifact holds none, ArtifactError."""
    folder = metric.settings.get("judge")
    if folder is None:
        return None
    program: dspy.Module = load(project.path(folder)).program
    if not isinstance(program, AnswerJudge):
        raise ConfigError(
            f"metric {metric.spec}: {shown_path(project.path(folder))} is no judge: expected a program that extends "
            "AnswerJudge (ragc add program judge)"
        )
    return program
