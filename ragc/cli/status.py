"""`ragc status`: artifacts, how far their corpora have moved, and what is due."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragc._messages import counted, shown_path
from ragc.cli._terminal import emit, json_option, project_option, row, say, table, task_argument
from ragc.errors import CheckFailed

if TYPE_CHECKING:
    from ragc.artifact import Moved, Status

MOST_NAMED = 8
"""Documents that are named; `--json` names all."""
_DAY = 86_400


@click.command()
@task_argument()
@click.option("--check", is_flag=True, help="Exit 1 when something is due.")
@json_option
@project_option
def command(task: str | None, check: bool, as_json: bool, project: Path | None) -> None:
    """Show how good the artifact of TASK is, how far its corpus has moved and what is due.

    Without TASK it is every task of the project. No model is asked and nothing is written.

    The corpus is compared with the documents that the artifact was compiled on: added, changed, removed, and which
    share of the labels' evidence stands in documents that changed or are gone.

    It is time to compile again when that is a tenth of the evidence; when a fifth of the documents are others; or when
    a demonstration quotes what its document no longer says. Until then new documents are answered from as soon as
    `ragc index` returns: an artifact is no copy of its corpus.

    It is time to evaluate when that was last done more than a quarter ago, or a week with `development = true` in
    [tool.ragc]. Sealing counts, and every `ragc eval` of the artifact in this checkout that asked its model anew.
    """
    from ragc.artifact import status
    from ragc.errors import ConfigError
    from ragc.project import Project

    found = Project.find(project)
    tasks = [found.task(task)] if task is not None else list(found.settings.tasks.values())
    if not tasks:
        raise ConfigError("no task yet; add [tool.ragc.tasks.NAME] to pyproject.toml")
    seen = [status(found, one) for one in tasks]
    if as_json:
        emit({"artifacts": [_json(one) for one in seen], "due": any(one.due or one.late for one in seen)})
    else:
        _print(seen)
    what = {"compile": [one.task for one in seen if one.due], "evaluate": [one.task for one in seen if one.late]}
    late = [f"time to {verb} again: {', '.join(tasks)}" for verb, tasks in what.items() if tasks]
    if check and late:
        raise CheckFailed("; ".join(late))


def _print(seen: list[Status]) -> None:
    rows = [("task", "artifact", "age", "verdict", "test opened", "corpus", "evidence touched", "index")]
    rows += [
        (
            one.task,
            "–" if one.manifest is None else one.manifest.name,
            "–" if one.seconds is None else _age(one.seconds),
            _verdict(one),
            _opened(one),
            _moved(one.moved),
            _evidence(one.moved),
            one.index or "–",
        )
        for one in seen
    ]
    table(rows)
    for one in seen:
        lines = [*one.due, *filter(None, [one.late]), *_names(one.moved), *one.notes]
        if one.drift is not None:
            lines += [line for line in (one.drift.source, one.drift.model) if line is not None]
        if one.index == "behind":
            lines.append(f"the index does not hold the corpus as it is now: ragc index {one.task}")
        if lines:
            say()
            row(one.task, *lines)
        if one.due:
            row("due", f"ragc compile {one.task}")
        elif one.late:
            row("due", f"ragc eval {one.task} --against sealed")


def _opened(one: Status) -> str:
    from ragc.data import in_times

    return in_times(one.openings) if one.manifest is not None else "–"


def _verdict(one: Status) -> str:
    if one.manifest is None:
        return "–"
    word, gain = one.manifest.verdict["word"], one.manifest.verdict.get("difference")
    return str(word) if gain is None else f"{word}, {100 * gain:+.1f}"


def _moved(moved: Moved | None) -> str:
    if moved is None:
        return "–"
    if not moved.documents:
        return f"as compiled, {counted(moved.before, 'document')}"
    return f"+{len(moved.added)} ~{len(moved.changed)} -{len(moved.removed)} of {moved.before}"


def _evidence(moved: Moved | None) -> str:
    if moved is None or not moved.evidence:
        return "–"
    return f"{moved.touched} of {moved.evidence} ({moved.evidence_share:.0%})"


def _names(moved: Moved | None) -> list[str]:
    lines = []
    for what in ("added", "changed", "removed"):
        names = () if moved is None else getattr(moved, what)
        if names:
            more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
            lines.append(f"{what}: {', '.join(names[:MOST_NAMED])}{more}")
    return lines


def _age(seconds: float) -> str:
    if seconds < 3600:
        return counted(int(seconds // 60), "minute")
    return counted(int(seconds // 3600), "hour") if seconds < 2 * _DAY else counted(int(seconds // _DAY), "day")


def _json(one: Status) -> dict[str, Any]:
    moved, manifest = one.moved, one.manifest
    return {
        "task": one.task,
        "artifact": shown_path(one.path),
        "id": None if manifest is None else manifest.id,
        "made": None if manifest is None else manifest.built["time"],
        "age_seconds": one.seconds,
        "evaluated": None if one.evaluated is None else one.evaluated.isoformat(),
        "verdict": None if manifest is None else manifest.verdict["word"],
        "difference": None if manifest is None else manifest.verdict.get("difference"),
        "openings": one.openings,
        "corpus": None
        if moved is None
        else {
            "before": moved.before,
            "added": list(moved.added),
            "changed": list(moved.changed),
            "removed": list(moved.removed),
            "evidence": moved.evidence,
            "evidence_touched": moved.touched,
        },
        "index": one.index,
        "due": [*one.due, *filter(None, [one.late])],
        "notes": list(one.notes),
        "source": None if one.drift is None else one.drift.source,
        "model": None if one.drift is None else one.drift.model,
    }
