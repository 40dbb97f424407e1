"""What an arm becomes: an artifact under `.ragc/arms/`, never over `compiled/`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc.artifact import check_target, seal
from ragc.comparison._result import SealedArm
from ragc.compiler import CompileResult, content_of

if TYPE_CHECKING:
    from ragc.comparison._arms import Arm
    from ragc.comparison._experiment import Experiment
    from ragc.comparison._result import CompareResult
    from ragc.comparison._side import Contestant
    from ragc.evaluation import Comparison, Evaluation

ARMS = ".ragc/arms"


def folder_of(experiment: Experiment, project_root: Path) -> Path:
    """Where the arms of an experiment are sealed; those of flags by their task."""
    from ragc.comparison._experiment import FLAGS

    name = f"{FLAGS}-{experiment.task.name}" if experiment.name == FLAGS else experiment.name
    return project_root / ARMS / name


def check_targets(experiment: Experiment, arms: list[Arm], root: Path) -> None:
    """Raises what sealing would raise on the arms' folders, before anything is paid."""
    folder = folder_of(experiment, root)
    for arm in arms:
        if arm.manifest is None:
            check_target(folder / arm.name)


def seal_arm(
    experiment: Experiment,
    side: Contestant,
    baseline: Evaluation | None,
    comparison: Comparison | None,
    result: CompareResult,
) -> SealedArm:
    """Seals what one contestant was tested with; an artifact that it is already stays where it is.

    Its test is the comparison's: the baseline's answers beside its own, and the verdict on the arm.
    """
    manifest = side.arm.manifest
    if manifest is not None and not side.arm.settings.retrieval:
        return SealedArm(manifest.path, manifest.id)
    if side.chosen is None or side.evaluation is None or result.estimate is None:
        raise LookupError(f"{side.party} was not tested")
    is_baseline = side.arm.name == experiment.baseline
    run = side.run
    figures: dict[str, Any] = {
        "baseline": None if run is None else run.baseline.evaluation,
        "compiled": None if run is None else side.chosen.evaluation,
        "baseline_test": side.evaluation if is_baseline else baseline,
        "compiled_test": side.evaluation,
    }
    made = CompileResult(
        task=experiment.task.name,
        optimizer=side.arm.settings.optimizer or "",
        metric=experiment.task.metric,
        estimate=result.estimate,
        detectable_gain=result.detectable_gain,
        sealed="candidate",
        comparison=comparison,
        openings=result.openings,
        usage=side.gateway.used_by(side.party),
        paid=None,
        seconds=result.seconds,
        stopped=side.stops.stopped,
        **figures,
    )
    content = content_of(
        side.bench,
        made,
        side.chosen,
        side.optimizer,
        result.examples,
        candidates=() if run is None else run.candidates,
        baseline_state=side.chosen.state if run is None else run.baseline.state,
    )
    sealed = seal(content, folder_of(experiment, side.bench.project.root) / side.party)
    return SealedArm(sealed.path, sealed.id)
