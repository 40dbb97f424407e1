"""`ragc index`: bring the store up to date with the corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragc._messages import counted
from ragc.cli._terminal import Progress, duration, emit, json_option, note, project_option, row, task_argument, warn

if TYPE_CHECKING:
    from ragc.project import Project, TaskSettings
    from ragc.retrieval import IndexReport

MOST_NAMED = 20
"""How many skipped files are named; the others are counted, and `--json` names all."""
MANY = 100_000
"""Passages from which a search takes long enough to say so: about 50 ms of scanning on one core."""


@click.command()
@task_argument()
@click.option("--strict", is_flag=True, help="A file that cannot be read is an error; nothing is indexed.")
@json_option
@project_option
def command(task: str | None, strict: bool, as_json: bool, project: Path | None) -> None:
    """Bring the store up to date with the corpus of TASK.

    Only what changed is embedded again. What is new is found by `ragc search` and by every program as soon as this
    returns; nothing has to be compiled again. TASK may be left out where the project has one task. Labels that the
    changed documents no longer support are told as warnings: only you can mend them.
    """
    from ragc.project import Project
    from ragc.retrieval import index

    found = Project.find(project)
    settings = found.task(task)
    name = settings.name
    with Progress("index") as progress:
        report = index(name, project=found, strict=strict, progress=lambda done, total: progress.update(done, total))
    if as_json:
        emit(_json(name, report))
    else:
        _print(name, report)
    if report.added or report.changed or report.removed:
        for text in _doubts(found, settings):
            warn(text)


def _print(task: str, report: IndexReport) -> None:
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
    if report.passages >= MANY:
        note(f"every search reads all {report.passages:,} passages: expect about 50 ms for each 100,000")
    if report.skipped:
        row("skipped", f"{counted(len(report.skipped), 'file')} that cannot be read (--strict makes that an error):")
        for one in report.skipped[:MOST_NAMED]:
            row("", f"{one.path}: {one.reason}")
        if len(report.skipped) > MOST_NAMED:
            row("", f"… and {len(report.skipped) - MOST_NAMED:,} more; --json names them all")


def _doubts(project: Project, task: TaskSettings) -> list[str]:
    """Which labels the documents no longer support, where the task has examples already."""
    from ragc.data import check_labels, read_corpus, read_examples, unsupported_in_words
    from ragc.errors import DataError

    file = project.path(task.examples)
    if not file.exists():
        return []
    corpus = read_corpus(project.path(task.corpus))
    try:
        labels = check_labels(read_examples(file), corpus)
    except DataError as error:
        return [str(error)]
    doubts = []
    if labels.stale:
        first = labels.stale[0]
        counted_labels = counted(len(labels.stale), "stale label")
        doubts.append(f"{counted_labels}, such as {first.example.named}: {first.reason}; mend them")
    gone = unsupported_in_words(labels.valid, corpus)
    if gone is not None:
        doubts.append(gone)
    return doubts


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
        "skipped": [{"path": one.path, "reason": one.reason} for one in report.skipped],
        "seconds": report.seconds,
    }
