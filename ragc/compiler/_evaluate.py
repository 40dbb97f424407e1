"""Evaluations outside a run: of a task's artifact, of its uncompiled program, or of an artifact by its path."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragc.artifact import chosen_lm, load, record_evaluation, verify
from ragc.compiler._against import Against, against_sealed, sealed_scores
from ragc.compiler._bench import Bench, open_bench
from ragc.compiler._candidate import state_of
from ragc.compiler._events import OnEvent, Warned, ignore, telling
from ragc.compiler._history import open_evaluation
from ragc.compiler._interrupts import Interrupts
from ragc.compiler._opened import open_test_of, program_digest
from ragc.compiler._result import cost_of
from ragc.data import examples_fingerprint, find_told, too_often
from ragc.errors import ArtifactError, ConfigError
from ragc.evaluation import clusters_of
from ragc.project import Project

if TYPE_CHECKING:
    import dspy

    from ragc.artifact import Manifest
    from ragc.data import OpenedTest
    from ragc.evaluation import Evaluation
    from ragc.evaluation.judge import Judged
    from ragc.models import Usage
    from ragc.project import TaskSettings

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class EvaluationResult:
    """What `ragc.evaluate` found."""

    task: str
    artifact: str | None
    """Id of the artifact; None for the uncompiled program."""
    split: Split
    metric: str
    evaluation: Evaluation
    usage: Usage
    openings: int | None = None
    """How often the test split was opened so far; None on another split."""
    against: Against | None = None
    """The comparison with the sealed scores, where it was asked for."""
    counts: bool = True
    """Whether it counts as an evaluation of the artifact as it answers now; False: the journal answered."""
    judged: Judged | None = None
    """Who judged the scores, and whether that judge is calibrated; None where no model did."""

    def as_json(self) -> dict[str, Any]:
        """The keys that `ragc eval --json` prints."""
        return {
            "task": self.task,
            "artifact": self.artifact,
            "split": self.split,
            "metric": self.metric,
            **self.evaluation.details(),
            "judge": None if self.judged is None else self.judged.as_json(),
            "cost": cost_of(self.usage),
            "openings": self.openings,
            "counts": self.counts,
            **({} if self.against is None else {"against": self.against.as_json()}),
        }


def evaluate(  # noqa: PLR0913  the flags of its command
    target: str | Path | None = None,
    *,
    project: Project | Path | str | None = None,
    uncompiled: bool = False,
    split: Split = "validation",
    lm: str | None = None,
    threads: int | None = None,
    against: Literal["sealed"] | None = None,
    margin: float = 0.0,
    fresh: bool = False,
    on_event: OnEvent = ignore,
) -> EvaluationResult:
    """Scores an artifact, or with `uncompiled` a task's program as it is written, on one split.

    `target` is a task's name (its artifact in `compiled/`) or the path of an artifact, which is scored on the examples
    of the task that it names. `lm` stands in for the sealed or configured model. `against="sealed"` compares the scores
    with those that the artifact was sealed with; `margin` (0 to 1) is how far they may drop. What the journal holds is
    not asked again, unless `fresh`. The artifact counts as evaluated where most calls were asked anew, or its own model
    runs in this process and answers as it did: that is recorded below `.ragc/`.

    Raises:
        RagcError: what cannot be used, in one line.
    """
    if against is not None and uncompiled:
        raise ConfigError("--against sealed compares an artifact: leave --uncompiled out")
    if not 0 <= margin < 1:
        raise ConfigError(f"margin {margin:g}: expected 0 to 1, such as 0.05 for 5 points")
    found = project if isinstance(project, Project) else Project.find(project)
    task, place = _scored(found, target, uncompiled=uncompiled)
    manifest = None if place is None else verify(place)
    is_test = split == "test"
    if manifest is not None and against is not None:
        sealed_scores(manifest, split)  # refused before anything is paid
    if manifest is not None:
        found = replace(found, settings=found.settings.model_copy(update={"lm": chosen_lm(manifest, lm)}))
    elif lm is not None:
        found = found.with_lm(lm)
    bench = open_bench(
        found,
        task,
        gateway_for=lambda *_: open_evaluation(found, task, on_event, fresh=fresh).gateway,
        threads=threads,
        on_event=on_event,
    )
    with closing(bench), bench.context(), Interrupts(bench.gateway):
        program = bench.program() if manifest is None else _sealed_program(bench, place)
        opened = (
            open_test_of(bench, {"program": program_digest(bench, program, manifest)}, by="eval") if is_test else None
        )
        examples = getattr(bench.labelled.splits, split) if opened is None else opened.examples
        for told in find_told(bench.labelled.splits, state_of(program)) if is_test else ():
            on_event(Warned(f"the program knows the test question {told.example.named}: it stands in {told.where}"))
        with bench.gateway.step(split):
            evaluation = bench.evaluator.evaluate(program, examples, on_outcome=telling(on_event, split))
        identity = None if manifest is None else manifest.id
        count = None if opened is None else _noted(opened, evaluation, identity, on_event)
        bench.gateway.journal.update_run(bench.gateway.run, state="sealed")
        result = EvaluationResult(task.name, identity, split, task.metric, evaluation, bench.gateway.cost, count)
        result = replace(result, judged=bench.judged)
        if manifest is None:
            return result
        if against is not None:
            compared = against_sealed(
                manifest,
                evaluation,
                split,
                examples=examples_fingerprint(bench.labelled.examples),
                clusters=clusters_of(examples, bench.labelled.corpus),
                margin=margin,
            )
            result = replace(result, against=compared)
        return replace(result, counts=lm is None and _recorded(bench, manifest, split, evaluation))


def ask(
    target: str | Path,
    question: str,
    *,
    project: Project | Path | str | None = None,
    lm: str | None = None,
) -> dspy.Prediction:
    """Answers one question with a task's artifact, or with the artifact at a path.

    Raises:
        RagcError: the artifact, its index or its model cannot be used, in one line.
    """
    if not question.strip():
        raise ConfigError("the question is empty: type one, in quotes")
    place = _artifact_path(target)
    if place is None:
        found = project if isinstance(project, Project) else Project.find(project)
        place = found.compiled_path(found.task(str(target)))
        if not place.is_dir():
            raise ArtifactError(f"{place} does not exist: run `ragc compile {target}` first")
    return load(place, lm=lm)(question=question)


def _artifact_path(target: str | Path | None) -> Path | None:
    """`target` as a path where it is one: a Path, or a text with a separator; a bare name is a task."""
    if isinstance(target, Path):
        return target
    return Path(target) if target is not None and ("/" in target or "\\" in target) else None


def _scored(project: Project, target: str | Path | None, *, uncompiled: bool) -> tuple[TaskSettings, Path | None]:
    """The task whose examples are asked, and the artifact that answers; None: the program as it is written."""
    place = _artifact_path(target)
    if place is not None and not uncompiled:
        return project.task(verify(place).task), place
    task = project.task(None if target is None else str(target))
    if uncompiled:
        return task, None
    place = project.compiled_path(task)
    if not place.is_dir():
        raise ArtifactError(
            f"{place} does not exist: run `ragc compile {task.name}`, or score the program with --uncompiled"
        )
    return task, place


def _noted(opened: OpenedTest, evaluation: Evaluation, artifact: str | None, on_event: OnEvent) -> int:
    """Notes what the test split showed, and warns where it was opened often; returns how often that was."""
    opened = opened.showed({"program": evaluation.scores})
    if artifact is not None:
        opened.made(artifact)
    if (warning := too_often(opened.count)) is not None:
        on_event(Warned(warning))
    return opened.count


def _recorded(bench: Bench, manifest: Manifest, split: str, evaluation: Evaluation) -> bool:
    """Whether this was an evaluation of the artifact as it answers now; where it was, that is recorded.

    What a provider's model answers today is not in a journal; a model in this process answers as it did.
    """
    local = str(manifest.identity["lm"]["model"]).startswith("local/")
    asked, calls = bench.gateway.usage.calls, bench.gateway.cost.calls
    if not evaluation.n or (not local and 2 * asked <= calls):
        return False
    figures = {"split": split, "score": evaluation.score, "n": evaluation.n, "errors": evaluation.errors}
    record_evaluation(bench.project.root, manifest.id, {"task": manifest.task, **figures})
    return True


def _sealed_program(bench: Bench, place: Path | None) -> dspy.Module:
    """The program inside the artifact, bound to the bench's index, so that its calls are metered like any other's."""
    if place is None:
        raise ArtifactError("no artifact to evaluate")
    program = load(place).program
    bench.bind(program)
    return program
