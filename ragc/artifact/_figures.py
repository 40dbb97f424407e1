"""Figures as a person reads them, and what card, report and terminal all say of an artifact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ragc._messages import cached_share
from ragc.artifact._manifest import Manifest
from ragc.report import COLUMNS, NONE, Prompt, usd, write


@dataclass(frozen=True)
class Slice:
    """The scores of one slice of the test split, 0 to 1; None where nothing was scored."""

    name: str
    n: int
    baseline: float | None
    compiled: float | None


def evaluations(manifest: Manifest) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Yield each split that was measured, with name, baseline and compiled of every figure that either has."""
    for split in ("test", "validation"):
        sides = manifest.results.get(split) or {}
        baseline, compiled = sides.get("baseline") or {}, sides.get("compiled") or {}
        rows = [
            (
                _named(column.name, manifest),
                write(baseline.get(column.key), column.kind),
                write(compiled.get(column.key), column.kind),
            )
            for column in COLUMNS
            if baseline.get(column.key) is not None or compiled.get(column.key) is not None
        ]
        if rows:
            yield split, rows


def judge_note(manifest: Manifest) -> str | None:
    """Return `judge not calibrated` where a model judged and was not compared with people; else None."""
    judge = manifest.results.get("judge")
    return None if judge is None or judge["calibrated"] else f"judge {judge['note']}"


def metric(manifest: Manifest) -> str:
    """Return the metric, with a word on a judge that is not calibrated."""
    name, note = str(manifest.identity["metric"]), judge_note(manifest)
    return f"{name} ({note})" if note else name


def judge_sentence(manifest: Manifest) -> str | None:
    """Return who judged and how far that can be trusted, in a sentence; None where no model did."""
    judge = manifest.results.get("judge")
    return None if judge is None else str(judge["sentence"])


def _named(name: str, manifest: Manifest) -> str:
    note = judge_note(manifest)
    return f"{name} ({note})" if name == "score" and note else name


def slices(manifest: Manifest) -> list[Slice]:
    """Return the slices of the test split."""
    sides = manifest.results.get("test") or {}
    before, after = ((sides.get(side) or {}).get("slices") or {} for side in ("baseline", "compiled"))
    return [
        Slice(name, part.get("n") or 0, (before.get(name) or {}).get("score"), part.get("score"))
        for name, part in after.items()
    ]


def sealed_side(manifest: Manifest) -> str:
    """Return which of `baseline` and `compiled` was sealed."""
    return "compiled" if manifest.verdict["sealed"] == "candidate" else "baseline"


def wrong(manifest: Manifest) -> tuple[int, int] | None:
    """Return how many test questions the sealed program answers below 1, errors among them, and of how many.

    None when nothing was tested.
    """
    scores = (manifest.identity["scores"].get("test") or {}).get(sealed_side(manifest)) or {}
    return (sum(score is None or score < 1 for score in scores.values()), len(scores)) if scores else None


def prompts(state: Mapping[str, Any]) -> Iterator[Prompt]:
    """Yield the predictors of a state, in the program's order."""
    for name, part in state.items():
        if isinstance(part, Mapping) and isinstance(part.get("signature"), Mapping):
            yield Prompt(
                name=name,
                instructions=str(part["signature"].get("instructions", "")),
                demonstrations=tuple(part.get("demos") or ()),
            )


def retrieval(state: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the settings of everything in a state that is no predictor: every `Retrieve`, by name."""
    return {name: part for name, part in state.items() if isinstance(part, Mapping) and "signature" not in part}


def tried_settings(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an optimizer varies of a state: the settings of every `Retrieve`, and how many demonstrations.

    `k`, `alpha`, … and `demonstrations`; with the part's name before them (`second.k`) where there are several.
    """
    retrievers, predictors = retrieval(state), list(prompts(state))
    found = {
        key if len(retrievers) == 1 else f"{name}.{key}": value
        for name, values in retrievers.items()
        for key, value in values.items()
    }
    for prompt in predictors:
        key = "demonstrations" if len(predictors) == 1 else f"{prompt.name}.demonstrations"
        found[key] = len(prompt.demonstrations)
    return found


def settings(values: Mapping[str, Any] | None) -> str:
    """Return settings in one line: `k=5, alpha=0.5`. What is not set is left out."""
    given = (values or {}).items()
    return ", ".join(f"{key}={value}" for key, value in given if value is not None) or NONE


def cost(manifest: Manifest) -> str:
    """Return what the artifact took in all, in one line."""
    spent = manifest.identity["cost"]
    money = "no price known" if spent.get("usd") is None else usd(spent["usd"])
    inputs, cached = spent.get("input_tokens") or 0, spent.get("cached_input_tokens") or 0
    tokens = f"{inputs:,} input and {spent.get('output_tokens') or 0:,} output tokens{cached_share(cached, inputs)}"
    return f"{money}, {spent.get('calls') or 0:,} calls, {tokens}"


def about(manifest: Manifest, state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the artifact is made of, name and text."""
    identity, built = manifest.identity, manifest.built
    optimizer = identity["optimizer"]
    made = (
        f"{optimizer['name']} ({settings(optimizer.get('settings'))}; seed {optimizer.get('seed')})"
        if optimizer
        else "none"
    )
    git = built.get("git")
    commit = f"{git['commit'][:10]}{', with changes' if git['dirty'] else ''}" if git else "no commit"
    revision = identity["model"].get("revision")
    return [
        ("program", manifest.program),
        ("model", identity["model"]["model"] + (f" ({revision[:12]})" if revision else "")),
        ("model settings", settings({key: v for key, v in identity["lm"].items() if key not in ("model", "price")})),
        ("adapter", identity["adapter"]),
        *((f"retrieval ({name})", settings(values)) for name, values in retrieval(state).items()),
        ("embedder", f"{identity['embedder']['name']}, {identity['embedder']['dimensions']} dimensions"),
        ("passages", settings(identity["chunking"])),
        ("optimizer", made),
        ("metric", f"{identity['metric']} ({method})" if (method := identity.get("method")) else identity["metric"]),
        ("corpus", identity["fingerprints"].get("corpus", NONE)[:12]),
        ("examples", identity["fingerprints"].get("examples", NONE)[:12]),
        ("splits", identity["fingerprints"].get("splits", NONE)[:12]),
        ("made", f"{built['time']}, {_took(built)}, on {built['machine']}"),
        ("with", ", ".join(f"{name} {version}" for name, version in built["versions"].items())),
        ("commit", commit),
    ]


def sentence(manifest: Manifest) -> str:
    """Return the verdict in words."""
    return str(manifest.verdict.get("sentence") or "Not tested: the test split was not opened.")


def opened(manifest: Manifest) -> str | None:
    """Say how often the test split had been opened when this was sealed; None where that is not known."""
    from ragc.data import in_times, too_often

    count = manifest.results.get("openings")
    if not count:
        return None
    times = f"The test split was opened {in_times(count)} when this was sealed"
    return f"{times}: its figures may promise more than users will see." if too_often(count) else f"{times}."


def sealed_is(manifest: Manifest) -> str:
    """Say which of the two programs this is."""
    if manifest.verdict["sealed"] == "baseline":
        return "This artifact is the program before compiling: what was compiled scored below it, or nothing was."
    return "This artifact is the compiled program."


def notes(manifest: Manifest) -> list[str]:
    """Return what is to be said beside the verdict, a sentence each."""
    told = (sealed_is(manifest), replaced(manifest), stopped(manifest), judge_sentence(manifest), opened(manifest))
    return [line for line in told if line]


def replaced(manifest: Manifest) -> str | None:
    """Say how it does against the artifact that it replaced; None where there was none."""
    found = manifest.built.get("replaced")
    if not found:
        return None
    return f"Against {str(found['id'])[:8]}, which it replaced, on the same questions: {_lower(found['sentence'])}"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def stopped(manifest: Manifest) -> str | None:
    """Say why the run ended early; None when it did not."""
    reasons = {
        "budget": "the budget ran out",
        "time": "the time ran out",
        "errors": "too many questions ended in an error",
        "interrupted": "it was interrupted",
    }
    reason = manifest.built.get("stopped")
    return (
        f"The run ended early: {reasons.get(reason, reason)}; this is the best of what it had tried."
        if reason
        else None
    )


def _took(built: Mapping[str, Any]) -> str:
    seconds = built.get("seconds")
    if seconds is None:
        return "time not recorded"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
