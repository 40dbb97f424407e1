"""What an MLflow run says of a compile run: its name, parameters, metrics and tags.

MLflow's page of runs sorts metrics by name, and its page of one run shows them as they were logged: so names and order
both put `test.baseline`, `test.compiled` and `test.difference` first, and nothing that would stand before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ragc._secrets import redact, redact_json

if TYPE_CHECKING:
    from ragc.artifact import Candidate, Content

Status = Literal["FINISHED", "KILLED", "FAILED"]
Json = Mapping[str, Any]

_ENDED: Mapping[str, Status] = {"errors": "FAILED"}
"""The status of a run that was stopped, by its reason; KILLED for the others: budget, time, interrupted."""


@dataclass(frozen=True, kw_only=True)
class Unsealed:
    """A compile run that ended without an artifact."""

    task: str
    reason: str
    """What ended it, in one line."""
    failed: bool
    """Whether an error ended it, and not a budget, the clock or a person."""
    seconds: float
    """How long it ran."""
    program: str | None = None
    model: str | None = None
    metric: str | None = None
    optimizer: Json | None = None
    """`name`, `settings`, `seed`."""
    results: Json = field(default_factory=dict)
    """`validation`, with `baseline` where it was scored: `Evaluation.details()`."""
    candidates: Sequence[Candidate] = ()
    cost: Json = field(default_factory=dict)
    """`usd`, `calls`, `input_tokens`, `output_tokens`: as of the artifact's."""


@dataclass(frozen=True, kw_only=True)
class ComparedArm:
    """One arm of a comparison."""

    name: str
    figures: Json
    """What `ragc compare --json` prints of it."""
    folder: Path | None = None
    """Its artifact; None where it has none, or several."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A comparison, of which each arm is a run of its own."""

    task: str
    experiment: str
    metric: str
    baseline: str
    sentence: str
    """The verdict."""
    seconds: float
    stopped: str | None
    seed: int
    repeats: int
    cost: Json
    arms: Sequence[ComparedArm] = ()


@dataclass(frozen=True)
class Said:
    """One MLflow run."""

    task: str
    name: str
    status: Status
    seconds: float
    params: Mapping[str, str]
    metrics: Sequence[tuple[str, float, int]]
    """Name, value and step, the ones that matter most first."""
    tags: Mapping[str, str]
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Of `examples`, `splits` and `corpus`."""
    folder: Path | None = None
    """The artifact, which is logged whole."""


def of_compile(content: Content, folder: Path, artifact_id: str) -> Said:
    """Return the run that sealed the artifact in `folder`."""
    model = content.model.get("model", content.lm.get("model"))
    stopped = content.built.get("stopped")
    return Said(
        task=content.task,
        name=redact(f"{_short(model)}: {_result(content.verdict, content.results)}"),
        status="FINISHED" if stopped is None else _ENDED.get(stopped, "KILLED"),
        seconds=float(content.built.get("seconds") or 0),
        params=_params(
            {
                "program": content.program,
                "model": model,
                "embedder": content.embedder.get("name"),
                "adapter": content.adapter,
                "metric": content.metric,
            },
            content.optimizer,
            content.chunking,
        ),
        metrics=[*_metrics(content.results, content.verdict, content.candidates, content.cost)],
        tags=_tags(
            {
                "ragc.task": content.task,
                "ragc.artifact": artifact_id,
                "ragc.verdict": content.verdict.get("word"),
                "ragc.judge": None if content.judge is None else content.judge["sentence"],
                "ragc.sealed": content.sealed,
                "ragc.stopped": stopped,
                "mlflow.note.content": content.verdict.get("sentence"),
                **{f"ragc.fingerprint.{key}": value for key, value in content.fingerprints.items()},
            }
        ),
        fingerprints=content.fingerprints,
        folder=folder,
    )


def of_unsealed(run: Unsealed) -> Said:
    """Return the run that sealed nothing."""
    return Said(
        task=run.task,
        name=redact(f"{_short(run.model)}: nothing sealed"),
        status="FAILED" if run.failed else "KILLED",
        seconds=run.seconds,
        params=_params({"program": run.program, "model": run.model, "metric": run.metric}, run.optimizer, {}),
        metrics=[*_metrics(run.results, {}, run.candidates, run.cost)],
        tags=_tags({"ragc.task": run.task, "ragc.stopped": run.reason, "mlflow.note.content": run.reason}),
    )


def of_comparison(run: Compared) -> tuple[Said, list[Said]]:
    """Return the parent run of a comparison, and one run an arm."""
    status: Status = "FINISHED" if run.stopped is None else _ENDED.get(run.stopped, "KILLED")
    named = {"experiment": run.experiment, "baseline": run.baseline, "metric": run.metric, "repeats": run.repeats}
    scores = [(f"test.{arm.name}", arm.figures.get("score")) for arm in run.arms]
    parent = Said(
        task=run.task,
        name=redact(f"compare {run.experiment}"),
        status=status,
        seconds=run.seconds,
        params=_params({**named, "seed": run.seed}, None, {}),
        metrics=[
            *((_plain(name), float(score), 0) for name, score in scores if score is not None),
            *_spent(run.cost),
        ],
        tags=_tags(
            {
                "ragc.task": run.task,
                "ragc.experiment": run.experiment,
                "ragc.stopped": run.stopped,
                "mlflow.note.content": run.sentence,
            },
            source="ragc compare",
        ),
    )
    return parent, [_of_arm(run, arm) for arm in run.arms]


def _of_arm(run: Compared, arm: ComparedArm) -> Said:
    told, failed = arm.figures, arm.figures.get("error") is not None
    single = {
        key: value for key, value in told.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return Said(
        task=run.task,
        name=redact(arm.name),
        status="FAILED" if failed else "FINISHED",
        seconds=0.0,
        params=_params(
            {
                **{name: told.get(name) for name in ("program", "model", "optimizer")},
                **{f"arm.{key}": value for key, value in (told.get("settings") or {}).items()},
            },
            None,
            {},
        ),
        metrics=[
            *((f"test.{key}", float(value), 0) for key, value in single.items()),
            *_spent(told.get("cost") or {}),
        ],
        tags=_tags(
            {
                "ragc.task": run.task,
                "ragc.experiment": run.experiment,
                "ragc.arm": arm.name,
                "ragc.verdict": told.get("verdict"),
                "ragc.error": told.get("error"),
            },
            source="ragc compare",
        ),
        folder=arm.folder,
    )


def _spent(cost: Json) -> Iterator[tuple[str, float, int]]:
    return ((f"total.{key}", float(value), 0) for key, value in cost.items() if value is not None)


def _plain(name: str) -> str:
    """A name as MLflow takes it for a metric."""
    return re.sub(r"[^\w./ -]", "_", name)


def _short(model: str | None) -> str:
    """The model's name without its provider."""
    return (model or "no model").rpartition("/")[2]


def _result(verdict: Json, results: Json) -> str:
    """What came out: `13.0 → 27.2, better`."""
    sides = results.get("test") or {}
    scores = [(sides.get(side) or {}).get("score") for side in ("baseline", "compiled")]
    figures = " → ".join(f"{100 * score:.1f}" for score in scores if score is not None)
    return ", ".join(filter(None, (figures, str(verdict.get("word") or ""))))


def _metrics(
    results: Json, verdict: Json, candidates: Sequence[Candidate], cost: Json
) -> Iterator[tuple[str, float, int]]:
    sides = [
        (split, program, (results.get(split) or {}).get(program) or {})
        for split in ("test", "validation")
        for program in ("compiled", "baseline")
    ]
    figures = {
        "test.difference": verdict.get("difference"),
        **{f"{split}.{program}": details.get("score") for split, program, details in sides},
        "test.difference_ci_low": verdict.get("ci_low"),
        "test.difference_ci_high": verdict.get("ci_high"),
        "test.p_value": verdict.get("p_value"),
    }
    details = {f"{split}_{program}.{key}": value for split, program, all_ in sides for key, value in all_.items()}
    spent = {f"total.{key}": value for key, value in cost.items()}
    for key, value in {**figures, **details, **spent}.items():
        if isinstance(value, int | float) and not key.endswith(".score"):
            yield key, float(value), 0
    for step, candidate in enumerate(candidates, start=1):
        if candidate.score is not None:
            yield "validation.candidate", candidate.score, step
        if candidate.usd_per_question is not None:
            yield "validation.candidate_usd_per_question", candidate.usd_per_question, step


def _params(named: Json, optimizer: Json | None, chunking: Json) -> dict[str, str]:
    optimizer = optimizer or {}
    params = {
        **named,
        "optimizer": optimizer.get("name"),
        "seed": optimizer.get("seed"),
        **{f"optimizer.{key}": value for key, value in (optimizer.get("settings") or {}).items()},
        **{f"chunk.{key}": value for key, value in chunking.items()},
    }
    return {key: str(redact_json(str(value))) for key, value in params.items() if value is not None}


def _tags(tags: Json, source: str = "ragc compile") -> dict[str, str]:
    return {
        "mlflow.source.name": source,
        "mlflow.source.type": "LOCAL",
        **{key: redact(str(value)) for key, value in tags.items() if value},
    }
