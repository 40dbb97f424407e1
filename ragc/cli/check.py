"""`ragc check`: the health of a task's labels and corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragc._messages import counted, shown_path
from ragc.cli._terminal import emit, json_option, project_option, row, task_argument
from ragc.errors import CheckFailed

if TYPE_CHECKING:
    from ragc.data import Example, Lost, Renewal

_MOST_SHOWN = 160
"""Characters of a text that is shown."""


@click.command()
@task_argument()
@click.option(
    "--stale", is_flag=True, help="List the labels whose evidence is gone, with the nearest text there is now."
)
@click.option("--renew-test", is_flag=True, help="Make a fresh test split of the examples that are in no split yet.")
@json_option
@project_option
def command(task: str | None, stale: bool, renew_test: bool, as_json: bool, project: Path | None) -> None:
    """Check the health of the labels and the corpus of TASK.

    Without TASK it is the only one. Nothing is written, no model is asked and nothing is paid for.

    Counts, slices and splits, and how often the test split was opened; questions that ask nearly the same, and those of
    them that leak from one split into another or contradict each other; test questions that the artifact is told;
    labels that the documents no longer support, that retrieval never finds the evidence of, or that independent
    programs agree against; documents that stand twice, or nearly. Exits 1 where a compile would refuse the data.

    With --stale: every label whose quote or document is gone, with its file and line, and the text that is most like
    the quote now. Exits 1 where there is one.

    With --renew-test: the examples that are in no split yet become the test split, and the old one's are trained and
    validated with. At least 20 are needed, none near to an old one. Every artifact is to be compiled anew then.
    """
    from ragc.data import check_labels, find_lost, read_corpus, read_examples
    from ragc.data import renew_test as renew
    from ragc.project import Project

    if stale and renew_test:
        raise click.UsageError("--stale and --renew-test do not go together")
    found = Project.find(project)
    settings = found.task(task)
    file = found.path(settings.examples)
    examples, corpus = read_examples(file), read_corpus(found.path(settings.corpus))
    if renew_test:
        renewal = renew(check_labels(examples, corpus).valid, found.splits_path(settings))
        emit({"task": settings.name, **_renewal_json(renewal)}) if as_json else _print_renewal(settings.name, renewal)
    elif stale:
        lost = find_lost(examples, corpus)
        labels = len({one.example.id for one in lost})
        if as_json:
            emit({"task": settings.name, "labels": len(examples), "stale": [_lost_json(one, file) for one in lost]})
        else:
            _print_lost(settings.name, lost, examples, file)
        if lost:
            raise CheckFailed(f"{counted(labels, 'stale label')} of {len(examples):,} in {shown_path(file)}")
    else:
        from ragc.cli._health import show_health

        show_health(found, settings, examples, corpus, as_json=as_json)


def _print_renewal(task: str, renewal: Renewal) -> None:
    from ragc.data import in_times

    splits = renewal.splits
    row(task, f"{counted(len(splits.test), 'new example')} are the test split now: no figure has seen them")
    row(
        "splits",
        f"{len(splits.train):,} train, {len(splits.validation):,} validation, {len(splits.test):,} test; "
        f"the {len(renewal.moved):,} of the old test (opened {in_times(renewal.opened)}) are in the first two",
    )
    if renewal.joined:
        row("near", f"{counted(len(renewal.joined), 'new example')} that ask nearly what old ones ask stay with those")
    if len(splits.test) < len(renewal.moved):
        row("note", "it is smaller than the old one, so that it shows larger gains only: more labels, before a compile")
    row("next", f"commit splits.json and openings.jsonl; ragc compile {task}")


def _renewal_json(renewal: Renewal) -> dict[str, Any]:
    splits = renewal.splits
    return {
        "splits": {name: len(getattr(splits, name)) for name in ("train", "validation", "test")},
        "opened": renewal.opened,
        "moved": [one.id for one in renewal.moved],
        "near": [one.id for one in renewal.joined],
        "test": [one.id for one in splits.test],
    }


def _print_lost(task: str, lost: tuple[Lost, ...], examples: Sequence[Example], file: Path) -> None:
    named = sum(bool(one.evidence) for one in examples)
    unnamed = sum(one.answerable and not one.evidence for one in examples)
    if not lost and named:
        row(task, f"all {counted(named, 'label')} with evidence hold: every document and quote is in the corpus")
    if unnamed:
        told = f"{counted(unnamed, 'label')} name no evidence: whether they hold cannot be told"
        row(task, f"{told}; `ragc check` lists those whose answers stand in no document")
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
