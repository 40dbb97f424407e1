"""`ragc check`: the health of a task's labels and corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragc._messages import counted, shown_path
from ragc.cli._terminal import emit, json_option, project_option, row, task_argument
from ragc.errors import CheckFailed

if TYPE_CHECKING:
    from ragc.data import Health, Lost

MOST_NAMED = 10
"""Of each kind of thing, as many are named; the others are counted, and `--json` names all."""
_MOST_SHOWN = 160
"""Characters of a text that is shown."""


@click.command()
@task_argument()
@click.option(
    "--stale", is_flag=True, help="List the labels whose evidence is gone, with the nearest text there is now."
)
@json_option
@project_option
def command(task: str | None, stale: bool, as_json: bool, project: Path | None) -> None:
    """Check the health of the labels and the corpus of TASK.

    Without TASK it is the only one. Nothing is written, no model is asked.

    Counts, slices and splits; questions that ask nearly the same, and those of them that leak from one split into
    another; labels that the documents no longer support; documents that stand twice, or nearly. Exits 1 where a compile
    would refuse the data.

    With --stale: every label whose quote or document is gone, with its file and line, and the text that is most like
    the quote now. Exits 1 where there is one.
    """
    from ragc.data import check_data, find_lost, read_corpus, read_examples, recorded_splits
    from ragc.project import Project

    found = Project.find(project)
    settings = found.task(task)
    file = found.path(settings.examples)
    examples, corpus = read_examples(file), read_corpus(found.path(settings.corpus))
    if stale:
        lost = find_lost(examples, corpus)
        labels = len({one.example.id for one in lost})
        if as_json:
            emit({"task": settings.name, "labels": len(examples), "stale": [_lost_json(one, file) for one in lost]})
        else:
            _print_lost(settings.name, lost, len(examples), file)
        if lost:
            raise CheckFailed(f"{counted(labels, 'stale label')} of {len(examples):,} in {shown_path(file)}")
        return
    health = check_data(examples, corpus, recorded_splits(examples, found.splits_path(settings)))
    if as_json:
        emit({"task": settings.name, **_json(health, shown_path(file))})
    else:
        _print(settings.name, health)
    if health.refused:
        raise CheckFailed("; ".join(health.refused))


def _print(task: str, health: Health) -> None:
    corpus, doubts = health.corpus, health.doubts
    row(
        task,
        f"{counted(health.labels, 'label')}, {health.unanswerable:,} unanswerable, "
        f"{health.without_evidence:,} without evidence; {counted(len(corpus.documents), 'document')}",
    )
    row("splits", ", ".join(f"{number:,} {name}" for name, number in health.splits.items() if number))
    if health.slices:
        row("slices", ", ".join(f"{number:,} {name}" for name, number in health.slices.items()))
    if health.repeated:
        row("repeated", f"{counted(len(health.repeated), 'pair')} of questions that ask nearly the same:")
        _list([_pair(one) for one in health.repeated])
    if health.verbatim:
        first = health.verbatim[0]
        where = f'"{first.example.question}" in {first.document}'
        row("verbatim", f"{counted(len(health.verbatim), 'question')} in the corpus word for word, such as {where}")
    for name, labels in (("stale", doubts.stale), ("doubtful", doubts.unsupported)):
        if labels:
            row(name, f"{counted(len(labels), 'label')}:")
            _list([f"{one.example.named}: {one.reason}" for one in labels])
    if corpus.skipped:
        row("skipped", f"{counted(len(corpus.skipped), 'file')} that cannot be read:")
        _list([f"{one.path}: {one.reason}" for one in corpus.skipped])
    if corpus.findings:
        row("noted", f"{counted(len(corpus.findings), 'thing')} about documents that were read:")
        _list([f"{one.path}: {one.kind}: {one.text}" for one in corpus.findings])
    if not (health.repeated or doubts.stale or doubts.unsupported or corpus.skipped or corpus.findings):
        row("", "nothing to mend")


def _pair(one: Any) -> str:
    what = ["in two splits"] if one.leaks else []
    what += ["with different answers"] if one.disagree else []
    return f"{one.first.named} and {one.second.named}{': ' if what else ''}{', '.join(what)}"


def _list(lines: list[str]) -> None:
    for line in lines[:MOST_NAMED]:
        row("", line)
    if len(lines) > MOST_NAMED:
        row("", f"… and {len(lines) - MOST_NAMED:,} more; --json names them all")


def _print_lost(task: str, lost: tuple[Lost, ...], labels: int, file: Path) -> None:
    if not lost:
        row(task, f"all {counted(labels, 'label')} hold: every document and quote is in the corpus")
    for one in lost:
        row(f"{shown_path(file)}:{one.example.line}", f"{one.example.id}: {one.why}")
        if one.nearest is not None:
            place = f"{one.nearest.document} line {one.nearest.line}, {100 * one.nearest.similarity:.0f}% alike"
            row("nearest", f"{place}:", _shown(one.nearest.text))
        elif one.document is not None:
            row("nearest", f"by its name: {one.document}")
        else:
            row("nearest", "nothing like it")


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def _lost_json(one: Lost, file: Path) -> dict[str, Any]:
    nearest = one.nearest
    return {
        "file": shown_path(file),
        "line": one.example.line,
        "id": one.example.id,
        "document": one.evidence.document,
        "quote": one.evidence.quote,
        "page": one.evidence.page,
        "why": one.why,
        "nearest": None
        if nearest is None
        else {
            "document": nearest.document,
            "line": nearest.line,
            "text": nearest.text,
            "similarity": round(nearest.similarity, 3),
        },
        "renamed": one.document,
    }


def _json(health: Health, file: str) -> dict[str, Any]:
    corpus = health.corpus
    return {
        "labels": health.labels,
        "unanswerable": health.unanswerable,
        "without_evidence": health.without_evidence,
        "splits": dict(health.splits),
        "slices": dict(health.slices),
        "repeated": [
            {
                "ids": [one.first.id, one.second.id],
                "lines": [one.first.line, one.second.line],
                "leaks": one.leaks,
                "disagree": one.disagree,
            }
            for one in health.repeated
        ],
        "verbatim": [{"id": one.example.id, "document": one.document} for one in health.verbatim],
        "doubts": health.doubts.listed(file),
        "documents": len(corpus.documents),
        "skipped": [{"path": one.path, "reason": one.reason} for one in corpus.skipped],
        "noted": [{"path": one.path, "kind": one.kind, "text": one.text} for one in corpus.findings],
        "refused": list(health.refused),
    }
