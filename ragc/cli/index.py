"""`ragc index`: bring the store up to date with the corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragc._messages import counted
from ragc.cli._terminal import Progress, duration, emit, json_option, note, project_option, row, task_argument, warn

if TYPE_CHECKING:
    from ragc.artifact import Outdated
    from ragc.data import Doubts
    from ragc.models import Usage
    from ragc.project import Project, TaskSettings
    from ragc.retrieval import IndexReport

MOST_NAMED = 20
"""How many skipped files are named; the others are counted, and `--json` names all."""
MANY = 100_000
"""Passages from which a search of the embedded store takes long enough to say so: 40 ms on one core."""


@click.command()
@task_argument()
@click.option("--strict", is_flag=True, help="A file that cannot be read is an error; nothing is indexed.")
@json_option
@project_option
def command(task: str | None, strict: bool, as_json: bool, project: Path | None) -> None:
    """Bring the store up to date with the corpus of TASK.

    Only what changed is embedded again. What is new is found by `ragc search` and by every program as soon as this
    returns, without compiling. TASK may be left out where the project has one task.

    An embedder that is not local is paid for what is embedded, and the last line says how much. What it answered is in
    the journal: an update that was killed goes on without paying twice.

    Files are read once for each content: PDF, Office, HTML, e-mail and tables as well as text (docs/corpora.md). What
    cannot be read is named and skipped; duplicates, lines that most documents have and pages that need OCR are named.

    Warnings say which labels the changed documents no longer support: only you can mend them; and whether
    demonstrations of the task's artifact still quote documents that changed or are gone: `ragc compile` takes them out.
    """
    from ragc.project import Project
    from ragc.retrieval import index

    found = Project.find(project)
    settings = found.task(task)
    name = settings.name
    with Progress("index") as progress:
        report = index(
            name,
            project=found,
            strict=strict,
            progress=lambda done, total: progress.update(done, total, text="documents indexed"),
            reading=lambda done, total: progress.update(done, total, text="files read"),
            on_note=warn,
        )
    is_changed = bool(report.added or report.changed or report.removed)
    doubts = _doubts(found, settings) if is_changed or as_json else None
    outdated = _outdated(found, settings)
    if as_json:
        labels = [] if doubts is None else doubts.listed(settings.examples)
        emit({**_json(name, report), "labels": labels, "outdated_demonstrations": _as_json(outdated)})
    else:
        _print(name, report, found.settings.store)
    if is_changed and doubts is not None:
        for text in doubts.lines:
            warn(text if len(doubts.stale) + len(doubts.unsupported) == 1 else f"{text} (ragc doctor lists them)")
    if outdated is not None:
        warn(str(outdated))


def _print(task: str, report: IndexReport, store: str) -> None:
    row(task, f"{counted(report.documents, 'document')}, {counted(report.passages, 'passage')}")
    changes = [
        f"{number:,} {word}"
        for number, word in (
            (report.added, "added"),
            (report.changed, "changed"),
            (report.removed, "removed"),
            (report.unchanged, "unchanged"),
        )
        if number
    ]
    row(
        "documents", f"{', '.join(changes)}; {counted(report.embedded, 'passage')} embedded, {duration(report.seconds)}"
    )
    if report.paid is not None:
        row("paid", paid(report.paid))
    if report.passages >= MANY and store.startswith("sqlite:"):
        note(
            f"every search of this store reads all {report.passages:,} passages, 40 to 50 ms for each 100,000: "
            'a corpus of this size belongs in a server, `store = "weaviate://host:8080"`'
        )
    if report.skipped:
        row("skipped", f"{counted(len(report.skipped), 'file')} that cannot be read (--strict makes that an error):")
        for one in report.skipped[:MOST_NAMED]:
            row("", f"{one.path}: {one.reason}")
        if len(report.skipped) > MOST_NAMED:
            row("", f"… and {len(report.skipped) - MOST_NAMED:,} more; --json names them all")
    if report.findings:
        row("noted", f"{counted(len(report.findings), 'thing')} about what was read, and nothing done about it:")
        for finding in report.findings[:MOST_NAMED]:
            row("", f"{finding.path}: {finding.kind}: {finding.text}")
        if len(report.findings) > MOST_NAMED:
            row("", f"… and {len(report.findings) - MOST_NAMED:,} more; --json names them all")


def paid(usage: Usage) -> str:
    """What embedding took: calls, tokens, and US dollars where the price is known."""
    usd = "no known price" if usage.usd is None else f"${usage.usd:.2g}" if 0 < usage.usd < 0.1 else f"${usage.usd:.2f}"
    return f"{counted(usage.calls, 'call')}, {usage.input_tokens:,} tokens, {usd}"


def _doubts(project: Project, task: TaskSettings) -> Doubts | None:
    """Which labels the documents no longer support; None where the task has no examples yet, or none can be read."""
    from ragc.data import doubt_labels, read_corpus, read_examples
    from ragc.errors import DataError

    file = project.path(task.examples)
    if not file.exists():
        return None
    try:
        return doubt_labels(read_examples(file), read_corpus(project.path(task.corpus)))
    except DataError as error:
        warn(str(error))
        return None


def _outdated(project: Project, task: TaskSettings) -> Outdated | None:
    """Which demonstrations of the task's artifact quote documents that changed; None where it cannot be read."""
    from ragc.artifact import drift
    from ragc.errors import ArtifactError

    folder = project.compiled_path(task)
    try:
        return drift(folder).demonstrations if folder.exists() else None
    except ArtifactError:
        return None


def _as_json(outdated: Outdated | None) -> dict[str, object] | None:
    if outdated is None:
        return None
    return {"demonstrations": outdated.demonstrations, "documents": list(outdated.documents)}


def _json(task: str, report: IndexReport) -> dict[str, object]:
    return {
        "task": task,
        "documents": report.documents,
        "passages": report.passages,
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "embedded": report.embedded,
        "paid": None if report.paid is None else _usage(report.paid),
        "skipped": [{"path": one.path, "reason": one.reason} for one in report.skipped],
        "noted": [{"path": one.path, "kind": one.kind, "text": one.text} for one in report.findings],
        "seconds": report.seconds,
    }


def _usage(usage: Usage) -> dict[str, object]:
    return {"usd": usage.usd, "calls": usage.calls, "input_tokens": usage.input_tokens}
