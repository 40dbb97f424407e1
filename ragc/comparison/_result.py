"""What a comparison came to: every arm with its figures, its answers and how it stands to the baseline."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc.comparison._verdict import Money, Verdict, front_of, verdict_of
from ragc.compiler import Candidate, cost_of
from ragc.evaluation import Evaluation, Outcome, detectable_gain, mean_interval, questions_needed
from ragc.tracking import Compared, ComparedArm

if TYPE_CHECKING:
    from ragc.compiler import Estimate, Stopped
    from ragc.data import Example
    from ragc.evaluation import Clusters, Comparison
    from ragc.evaluation.judge import Judged
    from ragc.models import Usage


MOSTLY = 0.5
"""Share of answerable questions from which refusing them is said of an arm."""


@dataclass(frozen=True)
class SealedArm:
    """Where a program of an arm was sealed."""

    path: Path
    id: str


@dataclass(frozen=True)
class ArmResult:
    """One arm. Figures are means over its repeats; None where a figure does not exist."""

    name: str
    settings: Mapping[str, Any]
    """What it has otherwise than the task, as it was given."""
    program: str
    """`module:Class`."""
    model: str
    optimizer: str | None
    evaluations: tuple[Evaluation, ...] = ()
    """On the test split, one a seed: answers, citations, passages, scores, costs and times of every question."""
    seeds: tuple[int, ...] = ()
    validation: tuple[Evaluation, ...] = ()
    """What was chosen on validation, one a seed; none where nothing was searched."""
    candidates: tuple[tuple[Candidate, ...], ...] = ()
    """What each search tried, in its order."""
    comparison: Comparison | None = None
    """Against the baseline; None for the baseline itself, and where one of the two was not tested."""
    interval: tuple[float, float] | None = None
    """95% interval of the score."""
    stopped: Stopped | None = None
    """What cut its search short."""
    error: str | None = None
    """Why it has no figures."""
    failed: tuple[str, ...] = ()
    """What ended repeats of it."""
    artifacts: tuple[SealedArm, ...] = ()
    """One a seed, in their order."""
    cost: Usage | None = None
    """What its search and its test used, whoever paid for it and when."""

    def compared(self, comparison: Comparison | None, clusters: Clusters, seed: int) -> ArmResult:
        """The arm with how it stands to the baseline."""
        found = mean_interval(self.mean, clusters=clusters, seed=seed) if self.evaluations else None
        interval = None if found is None else (max(0.0, found[0]), min(1.0, found[1]))
        return replace(self, comparison=comparison, interval=interval)

    @cached_property
    def mean(self) -> Evaluation:
        """Each question with its mean score over the repeats that answered it."""
        scores: dict[str, list[float]] = {}
        for evaluation in self.evaluations:
            for outcome in evaluation.outcomes:
                known = scores.setdefault(outcome.example, [])
                if outcome.score is not None:
                    known.append(outcome.score)
        return Evaluation(tuple(Outcome(id_, sum(all_) / len(all_) if all_ else None) for id_, all_ in scores.items()))

    @property
    def score(self) -> float | None:
        """Mean score, 0 to 1."""
        return self._mean(lambda one: one.score)

    @property
    def n(self) -> int:
        """Questions that were scored, in the repeat that scored fewest."""
        return min((one.n for one in self.evaluations), default=0)

    @property
    def errors(self) -> int:
        """Questions that ended in an error, in all repeats."""
        return sum(one.errors for one in self.evaluations)

    @property
    def usd(self) -> float | None:
        """Mean USD of a question."""
        return self._mean(lambda one: one.usd_per_question)

    @property
    def tokens(self) -> float | None:
        """Mean tokens of a question, input and output."""
        each = [o.input_tokens + o.output_tokens for one in self.evaluations for o in one.scored]
        return sum(each) / len(each) if each else None

    @property
    def word(self) -> str | None:
        """Its verdict; None for the baseline and an arm without figures."""
        return None if self.comparison is None else self.comparison.verdict

    @property
    def refusing(self) -> float | None:
        """Share of the answerable questions that it refuses, where that is most: it scores by saying nothing."""
        share = self.figure("false_abstentions")
        return share if share is not None and share >= MOSTLY else None

    def figure(self, name: str) -> float | None:
        """A figure of its evaluations by the name of `Evaluation`'s property: `recall`, `latency_p95`."""
        return self._mean(lambda one: getattr(one, name))

    def _mean(self, of: Callable[[Evaluation], float | None]) -> float | None:
        values = [of(one) for one in self.evaluations]
        if not values or any(value is None for value in values):
            return None
        return sum(value for value in values if value is not None) / len(values)

    def as_json(self) -> dict[str, Any]:
        """The keys that others may rely on, and more."""
        told = self.comparison
        return {
            "name": self.name,
            "score": self.score,
            "n": self.n,
            "errors": self.errors,
            "difference": None if told is None else told.difference,
            "ci_low": None if told is None else told.ci_low,
            "ci_high": None if told is None else told.ci_high,
            "p_value": None if told is None else told.p_corrected,
            "verdict": self.word,
            "usd_per_question": self.usd,
            "latency_p50": self.figure("latency_p50"),
            "latency_p95": self.figure("latency_p95"),
            "score_low": None if self.interval is None else self.interval[0],
            "score_high": None if self.interval is None else self.interval[1],
            "p_value_alone": None if told is None else told.p_value,
            "won": None if told is None else told.won,
            "lost": None if told is None else told.lost,
            "detectable_gain": None if told is None else told.detectable,
            "non_inferior": None if told is None else told.non_inferior,
            "recall": self.figure("recall"),
            "correct_abstentions": self.figure("correct_abstentions"),
            "false_abstentions": self.figure("false_abstentions"),
            "tokens_per_question": self.tokens,
            "program": self.program,
            "model": self.model,
            "optimizer": self.optimizer,
            "settings": dict(self.settings),
            "seeds": list(self.seeds),
            "scores": [one.score for one in self.evaluations],
            "validation": [one.score for one in self.validation],
            "slices": self.evaluations[0].slices if len(self.evaluations) == 1 else {},
            "stopped": self.stopped,
            "error": self.error,
            "artifacts": [{"path": str(one.path), "id": one.id} for one in self.artifacts],
            "cost": cost_of(self.cost),
        }


@dataclass(frozen=True)
class CompareResult:
    """The result of `ragc.compare`; `as_json` is what `ragc compare --json` prints."""

    experiment: str
    task: str
    metric: str
    baseline: str
    """The name of the arm that the others are compared with."""
    arms: tuple[ArmResult, ...]
    repeats: int
    seed: int
    margin: float | None
    queries: int | None
    """Questions a month."""
    examples: tuple[Example, ...] = ()
    """The test questions that all arms answered; none where the test was not opened."""
    openings: int | None = None
    """How often the test split was opened so far, this comparison included."""
    estimate: Estimate | None = None
    usage: Usage | None = None
    """What all of it used, each response counted once."""
    paid: Usage | None = None
    """What this command paid for anew."""
    seconds: float = 0.0
    stopped: Stopped | None = None
    report: Path | None = None
    """The page, where one was written."""
    judged: Judged | None = None
    """Who judged the scores, and whether that judge is calibrated; None where no model did."""

    def arm(self, name: str) -> ArmResult:
        """The arm of that name. Raises KeyError."""
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def money(self) -> Money:
        """How costs are told: a month where the volume is known, else for 1,000 questions."""
        return Money(self.queries)

    @cached_property
    def verdict(self) -> Verdict:
        """What was found, in one sentence that names the next step."""
        return verdict_of(self)

    @cached_property
    def front(self) -> tuple[str, ...]:
        """The arms that no other is both better and cheaper than: see `front_of`."""
        return front_of(self.arms)[0]

    @property
    def front_by(self) -> str:
        """What `front` weighs quality against: `usd` or `tokens` a question."""
        return front_of(self.arms)[1]

    @cached_property
    def tells_nothing(self) -> str | None:
        """One line where every answer of every arm has the same score; None otherwise."""
        scores = {one.score for arm in self.arms for each in arm.evaluations for one in each.scored}
        if len(scores) != 1:
            return None
        return (
            f'every answer of every arm scores {next(iter(scores)):g}: "{self.metric}" tells nothing apart on these '
            "questions; look at labels and metric (ragc eval shows the answers)"
        )

    @property
    def detectable_gain(self) -> float | None:
        """The gain that these questions show with 80% power, judging by how the baseline's scores vary."""
        baseline = self.arm(self.baseline)
        scores = [one.score for one in baseline.mean.scored if one.score is not None]
        return detectable_gain(scores, len(self.examples), arms=max(1, len(self.arms) - 1))

    def needed(self, arm: ArmResult) -> int | None:
        """How many test questions would show the arm's observed gain with 80% power; None: it gains nothing.

        None also where these questions were enough.
        """
        told, baseline = arm.comparison, self.arm(self.baseline)
        if told is None or told.difference is None or told.difference <= 0:
            return None
        needed = questions_needed(told.difference, baseline.mean, arm.mean, arms=max(1, len(self.arms) - 1))
        return needed if needed is not None and needed > told.n else None

    @property
    def exit_code(self) -> int:
        """0 done · 2 an arm failed, or no score differs · 3 the budget ended first · 130 interrupted."""
        if self.stopped is not None:
            return 130 if self.stopped == "interrupted" else 3
        return 2 if self.tells_nothing is not None or any(arm.failed for arm in self.arms) else 0

    def as_json(self) -> dict[str, Any]:
        """The keys that others may rely on, and more; a figure that does not exist is None."""
        front = set(self.front)
        arms = [
            {**arm.as_json(), "on_front": arm.name in front, "usd_per_month": self.money.month(arm.usd)}
            for arm in self.arms
        ]
        return {
            "arms": arms,
            "verdict": self.verdict.sentence,
            "report": None if self.report is None else str(self.report),
            "recommended": self.verdict.arm,
            "experiment": self.experiment,
            "task": self.task,
            "metric": self.metric,
            "judge": None if self.judged is None else self.judged.as_json(),
            "baseline": self.baseline,
            "n": len(self.examples),
            "openings": self.openings,
            "front": list(self.front),
            "front_by": self.front_by,
            "detectable_gain": self.detectable_gain,
            "repeats": self.repeats,
            "seed": self.seed,
            "margin": self.margin,
            "queries": self.queries,
            "cost": cost_of(self.usage),
            "paid_usd": None if self.paid is None else self.paid.usd,
            "paid_calls": 0 if self.paid is None else self.paid.calls,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "estimate": None if self.estimate is None else self.estimate.as_json(),
        }

    def tracked(self) -> Compared:
        """The comparison as it is tracked."""
        return Compared(
            task=self.task,
            experiment=self.experiment,
            metric=self.metric,
            baseline=self.baseline,
            sentence=self.verdict.sentence,
            seconds=self.seconds,
            stopped=self.stopped,
            seed=self.seed,
            repeats=self.repeats,
            cost=cost_of(self.usage),
            arms=tuple(
                ComparedArm(
                    name=arm.name,
                    figures=arm.as_json(),
                    folder=arm.artifacts[0].path if len(arm.artifacts) == 1 else None,
                )
                for arm in self.arms
            ),
        )

    def as_csv(self) -> str:
        """One line an arm, with the figures of `as_json` that are one value each."""
        rows = [_flat(arm) for arm in self.as_json()["arms"]]
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()


def _flat(arm: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in arm.items() if not isinstance(value, list | dict)}
    return {**plain, **{f"cost_{key}": value for key, value in arm["cost"].items()}}
