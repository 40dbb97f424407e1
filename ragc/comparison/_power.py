"""How many questions a difference needs, before anything is paid."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragc.compiler import bench_on, scoring_of
from ragc.evaluation import Evaluation, Outcome, clusters_of, detectable_gain, questions_needed

if TYPE_CHECKING:
    from ragc.comparison._experiment import Experiment
    from ragc.compiler import Labelled, OnEvent
    from ragc.models import SharedGateway

DIFFERENCES = (0.02, 0.05, 0.1, 0.15, 0.2)


@dataclass(frozen=True)
class PowerResult:
    """What a test split can show of so many arms, with 80% power."""

    task: str
    n: int
    """Test questions that there are."""
    arms: int
    """Arms that are compared with the baseline: the more, the more questions each needs."""
    observed: int
    """Validation questions of the baseline that the journal knows the scores of; 0: scores are taken to vary as much as
    they can."""
    detectable_gain: float | None
    """The gain that the test questions show."""
    needed: Sequence[tuple[float, int | None]]
    """A difference of the score, and how many test questions show it; None: no number of them does."""

    def as_json(self) -> dict[str, Any]:
        """The keys that `ragc compare --power --json` prints."""
        return {
            "task": self.task,
            "n": self.n,
            "arms": self.arms,
            "observed": self.observed,
            "detectable_gain": self.detectable_gain,
            "needed": [{"difference": difference, "questions": questions} for difference, questions in self.needed],
        }


def power_of(
    experiment: Experiment, labelled: Labelled, gateway: SharedGateway, threads: int | None, on_event: OnEvent
) -> PowerResult:
    """What the test split can show; the test itself is not looked at. The gateway is a look, and is closed."""
    arm = experiment.arms[experiment.baseline]
    examples = labelled.splits.validation
    with closing(gateway), gateway.party(arm.name):
        bench = bench_on(
            arm.project,
            arm.task,
            arm.program,
            labelled,
            scoring_of(arm.project, arm.task, labelled),
            gateway,
            threads=threads,
            on_event=on_event,
            make=arm.make,
            collection=arm.collection,
        )
        try:
            seen = bench.evaluator.begin(bench.program(), examples, max_error_rate=1.0).result()
        finally:
            bench.release()
    known = [one for one in seen.scored if one.score is not None]
    is_known = len({one.score for one in known}) > 1
    baseline = Evaluation(tuple(known)) if is_known else _varied(len(examples))
    others = max(1, len(experiment.others))
    clusters = clusters_of(examples, labelled.corpus)
    scores = [one.score for one in baseline.scored if one.score is not None]
    n = len(labelled.splits.test)
    return PowerResult(
        task=experiment.task.name,
        n=n,
        arms=others,
        observed=len(known) if is_known else 0,
        detectable_gain=detectable_gain(scores, n, arms=others),
        needed=[
            (difference, questions_needed(difference, baseline, clusters=clusters, arms=others))
            for difference in DIFFERENCES
        ],
    )


def _varied(size: int) -> Evaluation:
    """Scores that vary as much as they can: half of them right, half of them wrong."""
    return Evaluation(tuple(Outcome(str(number), float(number % 2)) for number in range(max(2, size))))
