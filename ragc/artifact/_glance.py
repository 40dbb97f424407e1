"""An artifact at a glance, for a terminal and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragc.artifact import _figures as figures
from ragc.artifact._home import reached_lm, sealed_lm
from ragc.artifact._manifest import Manifest, read
from ragc.errors import ArtifactError, ConfigError
from ragc.report import NONE, Prompt, write

_ABOUT = ("program", "model", "embedder", "optimizer", "made")


@dataclass(frozen=True)
class Glance:
    """What `ragc show` prints: rows of a label and its lines, and all of it as one JSON object."""

    rows: tuple[tuple[str, ...], ...]
    details: Mapping[str, Any]


def glance(path: Path | str) -> Glance:
    """Verify the artifact at `path` and return what it is, how good it is and what it cost.

    Raises ArtifactError as `verify` does.
    """
    verified = read(path)
    manifest, state = verified.manifest, verified.state
    details = {
        "path": str(manifest.path),
        "id": manifest.id,
        "task": manifest.task,
        "schema": manifest.schema,
        **manifest.identity,
        "results": manifest.results,
        "candidates": list(manifest.candidates),
        "built": manifest.built,
        "state": state,
    }
    return Glance(tuple(_rows(manifest, state)), details)


def is_tested(path: Path | str) -> bool:
    """Whether a readable artifact stands at `path` whose verdict rests on the test split."""
    manifest = _there(path)
    return manifest is not None and manifest.verdict["word"] != "not tested"


def replaces(path: Path | str) -> str | None:
    """Say what a seal at `path` would replace, in one line: `replaces 86cc8674 (better, +34.7)`; None for nothing."""
    if not Path(path).exists():
        return None
    manifest = _there(path)
    if manifest is None:
        return "replaces an artifact that was touched"
    verdict = manifest.verdict
    gain = verdict.get("difference")
    word = verdict["word"] if gain is None else f"{verdict['word']}, {write(gain, 'gain')}"
    return f"replaces {manifest.name} ({word})"


def _there(path: Path | str) -> Manifest | None:
    try:
        return read(path).manifest
    except ArtifactError:
        return None


def _rows(manifest: Manifest, state: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield manifest.task, f"{manifest.name}   {_typed(manifest.path)}"
    yield "verdict", figures.sentence(manifest), *figures.notes(manifest)
    if table := list(_figures(manifest)):
        yield "figures", *table
    if slices := list(_slices(manifest)):
        yield "slices", *slices
    if failed := (manifest.results.get("modes") or {}).get(figures.sealed_side(manifest)):
        yield "wrong", *(f"{number:>4}  {mode}" for mode, number in failed.items())
    yield "cost", figures.cost(manifest)
    for name, text in figures.about(manifest, state):
        if name in _ABOUT or name.startswith("retrieval"):
            yield name.partition(" ")[0], text
        if name == "model" and (address := _address(manifest)):
            yield "address", address
    if prompts := [_prompt(prompt) for prompt in figures.prompts(state)]:
        yield "prompts", *prompts
    counted = figures.wrong(manifest)
    lists = () if counted is None else (f"lists the {counted[0]} of {counted[1]} test questions not fully right",)
    yield "report", _typed(manifest.path / "report.html"), *lists
    yield "use it", f'from compiled import {manifest.task}; {manifest.task}(question="…").answer'


def _address(manifest: Manifest) -> str:
    """Where the sealed model is reached from here; empty for the provider's own address and its usual key."""
    try:
        lm = reached_lm(manifest)
    except ConfigError:  # an artifact can be looked at whatever is around it
        lm = sealed_lm(manifest)
    return ", ".join(filter(None, (lm.base_url, lm.api_key_env and f"the key in {lm.api_key_env}")))


def _figures(manifest: Manifest) -> Iterator[str]:
    """A line for each figure, and before them one that says what stands where."""
    splits = {split: {name: pair for name, *pair in rows} for split, rows in figures.evaluations(manifest)}
    names = list(dict.fromkeys(name for rows in splits.values() for name in rows))
    if not names:
        return
    metric = str(manifest.identity["metric"])
    lines = [
        (
            name.replace("score", metric, 1) if name.startswith("score") else name,
            *(" → ".join(rows.get(name, [NONE])) for rows in splits.values()),
        )
        for name in names
    ]
    lines.insert(0, ("baseline → compiled", *splits))
    widths = [max(len(line[column]) for line in lines) for column in range(1 + len(splits))]
    for name, *cells in lines:
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join((name.ljust(widths[0]), *aligned))


def _slices(manifest: Manifest) -> Iterator[str]:
    slices = figures.slices(manifest)
    wide = max((len(part.name) for part in slices), default=0)
    for part in slices:
        before, after = write(part.baseline, "points"), write(part.compiled, "points")
        yield f"{part.name:<{wide}}  {before:>5} → {after:>5}   of {part.n}"


def _prompt(prompt: Prompt) -> str:
    line = next(iter(prompt.instructions.strip().splitlines()), "")
    return f"{prompt.name}: {prompt.counted}; {line if len(line) <= 80 else line[:79] + '…'}"


def _typed(path: Path) -> str:
    """The path as it is typed from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
