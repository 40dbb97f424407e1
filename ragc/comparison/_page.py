"""The page of a comparison."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc._files import write_atomically
from ragc._messages import counted
from ragc.comparison._experiment import FLAGS
from ragc.comparison._sealing import folder_of
from ragc.compiler import cost_of
from ragc.report import Arm as Shown
from ragc.report import Difference, Step, Study, Tried, questions_of, render, sources_of, write

if TYPE_CHECKING:
    from ragc.comparison._experiment import Experiment
    from ragc.comparison._result import ArmResult, CompareResult
    from ragc.data import Corpus

REPORT = "report.html"
_MEANS = ("score", "recall", "correct_abstentions", "false_abstentions", "input_tokens_per_question")
_TIMES = ("usd_per_question", "latency_p50", "latency_p95")


def with_page(result: CompareResult, experiment: Experiment, corpus: Corpus, root: Path) -> CompareResult:
    """Write the page beside the arms, and return the result with its path; without it where nothing was answered.

    Raises RagcError when the page cannot be written.
    """
    if not any(arm.evaluations for arm in result.arms):
        return result
    path = folder_of(experiment, root) / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, render(study_of(result, experiment, corpus)))
    return replace(result, report=path)


def study_of(result: CompareResult, experiment: Experiment, corpus: Corpus) -> Study:
    """Return the comparison as a page shows it; answers are those of each arm's first seed."""
    answered = {arm.name: arm.evaluations[0] for arm in result.arms if arm.evaluations}
    subject = _subject(result)
    told = result.arm(subject).comparison
    searched = next((arm for arm in result.arms if arm.name == subject and arm.candidates and arm.candidates[0]), None)
    return Study(
        task=result.task,
        name="comparison" if result.experiment == FLAGS else result.experiment,
        metric=result.metric,
        word="not tested" if told is None and subject != result.baseline else _word(result),
        sentence=result.verdict.sentence,
        baseline=result.baseline,
        subject=subject,
        used=result.verdict.arm or subject,
        notes=tuple(_notes(result)),
        facts=tuple(_facts(result)),
        first=tuple(_first(result)),
        arms=tuple(_arm(arm) for arm in result.arms),
        detectable_gain=result.detectable_gain,
        questions=questions_of(result.examples, answered, corpus),
        sources=sources_of(answered.values()),
        search=() if searched is None else tuple(_tried(searched)),
        configuration=tuple(_configuration(result)),
        commands=tuple(_commands(result, experiment)),
    )


def _subject(result: CompareResult) -> str:
    """The arm that the page is about: the recommended one; where that is the baseline, the best of the others."""
    if result.verdict.arm is not None and result.verdict.arm != result.baseline:
        return result.verdict.arm
    others = [arm for arm in result.arms if arm.name != result.baseline and arm.evaluations]
    return max(others, key=lambda arm: arm.score or 0.0).name if others else result.baseline


def _word(result: CompareResult) -> str:
    """The verdict on the arm that the page is about."""
    return result.arm(_subject(result)).word or "not tested"


def _first(result: CompareResult) -> list[Step]:
    """What to do with the verdict; nothing where there is none."""
    best = result.verdict.arm
    if best is None:
        return []
    if best == result.baseline:
        return [Step(who="Whoever decides", what=f"keep `{best}`; nothing was shown to be better")]
    return [Step(who="Whoever deploys it", what=f"put `{best}` in the place of `{result.baseline}`")]


def _arm(arm: ArmResult) -> Shown:
    figures: dict[str, Any] = {name: arm.figure(name) for name in (*_MEANS, *_TIMES)}
    figures |= {"n": arm.n, "errors": arm.errors} if arm.evaluations else {}
    if arm.interval is not None:
        figures |= {"ci_low": arm.interval[0], "ci_high": arm.interval[1]}
    if arm.evaluations:
        figures["slices"] = _slices(arm)
    validation = [one.score for one in arm.validation if one.score is not None]
    told = arm.comparison
    return Shown(
        name=arm.name,
        figures=figures,
        validation={"score": sum(validation) / len(validation), "n": arm.validation[0].n} if validation else None,
        difference=None
        if told is None
        else Difference(
            verdict=told.verdict,
            sentence=told.sentence,
            difference=told.difference,
            ci_low=told.ci_low,
            ci_high=told.ci_high,
            p_value=told.p_corrected,
        ),
        note=arm.error or _note(arm),
    )


def _note(arm: ArmResult) -> str | None:
    parts = []
    if len(arm.evaluations) > 1:
        scores = ", ".join("–" if one.score is None else f"{100 * one.score:.1f}" for one in arm.evaluations)
        parts.append(f"by seed {scores}; its answers below are those of seed {arm.seeds[0]}")
    if arm.refusing is not None:
        parts.append(f"it refuses {write(arm.refusing, 'percent')} of the answerable questions")
    if arm.stopped is not None:
        parts.append(f"its search was stopped: {arm.stopped}")
    return "; ".join(parts) or None


def _slices(arm: ArmResult) -> Mapping[str, Any]:
    """Scores by slice, the mean over the seeds that scored one."""
    found: dict[str, dict[str, Any]] = {}
    for name in {name for one in arm.evaluations for name in one.slices}:
        parts = [one.slices[name] for one in arm.evaluations if name in one.slices]
        scores = [part["score"] for part in parts if part["score"] is not None]
        found[name] = {"score": sum(scores) / len(scores) if scores else None, "n": parts[0]["n"]}
    return dict(sorted(found.items()))


def _tried(arm: ArmResult) -> list[Tried]:
    from ragc.artifact import tried_settings

    return [
        Tried(
            label=one.label,
            score=one.evaluation.score,
            n=one.evaluation.n,
            errors=one.evaluation.errors,
            eligible=one.why_not is None,
            why_not=one.why_not,
            settings=tried_settings(one.state),
            usd_per_question=one.evaluation.usd_per_question,
            latency_p95=one.evaluation.latency_p95,
        )
        for one in arm.candidates[0]
    ]


def _notes(result: CompareResult) -> list[str]:
    from ragc.data import in_times, too_often

    notes = []
    arms = counted(len(result.arms), "arm")
    if len(result.arms) > 2:
        notes.append(f"{arms} on the same questions; p-values are corrected for their number (Holm 1979).")
    if result.margin is not None:
        notes.append(f"Not worse means: proven to lose less than {100 * result.margin:g} points.")
    if result.stopped is not None:
        notes.append(f"The comparison ended early: {result.stopped}.")
    if result.openings is not None:
        warning = too_often(result.openings)
        times = f"The test split was opened {in_times(result.openings)} so far."
        notes.append(times if warning is None else f"{warning[:1].upper()}{warning[1:]}.")
    return notes


def _facts(result: CompareResult) -> list[tuple[str, str]]:
    cost = cost_of(result.usage)
    money = "no price known" if cost["usd"] is None else f"${cost['usd']:,.2f}"
    tokens = cost["input_tokens"] + cost["output_tokens"]
    facts = [
        ("Questions", f"{len(result.examples)} of the test split, the same for all arms"),
        ("Cost", f"{money}, {cost['calls']:,} calls, {tokens:,} tokens, {write(result.seconds, 'seconds')}"),
    ]
    if result.queries is not None:
        monthly = [
            f"{arm.name} ${value:,.0f}" for arm in result.arms if (value := result.money.month(arm.usd)) is not None
        ]
        facts.append(("A month", f"at {result.queries:,} questions: {', '.join(monthly)}"))
    return facts


def _configuration(result: CompareResult) -> list[tuple[str, str]]:
    rows = []
    for arm in result.arms:
        says = ", ".join(f"{key} = {value}" for key, value in arm.settings.items()) or "the task as it is"
        made = arm.artifacts[0].id[:8] if arm.artifacts else "not sealed"
        rows.append((arm.name, f"{says}; {arm.program}, {arm.model}; {made}"))
    return [*rows, ("metric", result.metric), ("seed", str(result.seed)), ("repeats", str(result.repeats))]


def _commands(result: CompareResult, experiment: Experiment) -> list[str]:
    again = f"ragc compare {result.task}"
    if experiment.name != FLAGS:
        again += f" --experiment {experiment.name}"
    else:
        given = [",".join(f"{key}={_typed(value)}" for key, value in arm.settings.items()) for arm in result.arms]
        again += "".join(f" --arm {shlex.quote(words)}" for words in given if words)
    lines = [f"{again} --replay   # the same from the journal, without a call"]
    best = next((arm for arm in result.arms if arm.name == result.verdict.arm and arm.artifacts), None)
    if best is not None:
        lines.insert(
            0, f'ragc.load("{folder_of(experiment, Path()) / best.artifacts[0].path.name}")(question="…").answer'
        )
    return lines


def _typed(value: object) -> str:
    """A setting of an arm as `--arm` reads it: a table is TOML's, a text stands as it is."""
    if not isinstance(value, Mapping):
        return str(value)
    return "{ " + ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items()) + " }"
