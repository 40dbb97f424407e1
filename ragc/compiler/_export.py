"""A task's artifact and questions for another evaluation tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ragc.artifact import verify, write_promptfoo
from ragc.compiler._bench import read_labelled
from ragc.compiler._events import OnEvent, Warned, ignore
from ragc.compiler._opened import open_labelled_test
from ragc.errors import ArtifactError, ConfigError
from ragc.evaluation import load_metric

if TYPE_CHECKING:
    from ragc.project import Project


def export_promptfoo(
    project: Project,
    task: str | None = None,
    *,
    split: Literal["train", "validation", "test"] = "validation",
    out: Path | None = None,
    metric: str | None = None,
    threshold: float = 0.5,
    on_event: OnEvent = ignore,
) -> tuple[Path, ...]:
    """Write a promptfoo configuration for a task's artifact on one split, and return what was written.

    To `out`, by default `promptfoo/<task>` in the project. `metric` stands in for the task's. The test split is opened
    by it, and that is recorded. No model is called.

    Raises:
        ArtifactError: there is no artifact. ConfigError: the metric, or what is in the way.
    """
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold {threshold:g}: scores are 0 to 1 here")
    chosen = project.task(task)
    place = project.compiled_path(chosen)
    if not place.is_dir():
        raise ArtifactError(f"{place} does not exist: run `ragc compile {chosen.name}` first")
    manifest = verify(place)
    measure = load_metric(project, metric or chosen.metric)
    labelled = read_labelled(project, chosen, on_event)
    examples = labelled.splits.train if split == "train" else labelled.splits.validation
    if split == "test":
        programs = {"compiled": manifest.id}
        opened = open_labelled_test(project, chosen, labelled, programs, by="export promptfoo")
        examples = opened.examples
        on_event(Warned(f"the test split is opened (number {opened.count}): whoever tunes by it no longer tests"))
    folder = project.path(f"promptfoo/{chosen.name}") if out is None else out
    return write_promptfoo(manifest, examples, folder, metric=measure, split=split, threshold=threshold)
