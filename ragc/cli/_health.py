"""What `ragc check` prints of a task's labels and corpus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragc._messages import counted, shown_path
from ragc.cli._terminal import Progress, emit, row
from ragc.errors import CheckFailed, RagcError

if TYPE_CHECKING:
    from ragc.artifact import Suspect
    from ragc.data import Corpus, Example, Health, Openings, Repeated, Splits, Told
    from ragc.project import Project, TaskSettings
    from ragc.retrieval import Unreached

MOST_NAMED = 10
"""Of each kind of thing, as many are named; the others are counted, and `--json` names all."""


@dataclass(frozen=True)
class _Seen:
    """All that is looked at."""

    health: Health
    openings: Openings
    told: tuple[Told, ...]
    suspects: tuple[Suspect, ...]
    unreached: tuple[Unreached, ...] | None
    """None: that could not be looked at."""
    notes: tuple[str, ...]
    """What could not be looked at, and why."""


def show_health(
    project: Project, task: TaskSettings, examples: tuple[Example, ...], corpus: Corpus, *, as_json: bool
) -> None:
    """Print the health of a task's data. Raises CheckFailed where a compile would refuse it."""
    seen = _look(project, task, examples, corpus)
    if as_json:
        emit({"task": task.name, **_json(seen, shown_path(project.path(task.examples)))})
    else:
        _print(task.name, seen)
    if seen.health.refused:
        raise CheckFailed("; ".join(seen.health.refused))


def _look(project: Project, task: TaskSettings, examples: tuple[Example, ...], corpus: Corpus) -> _Seen:
    from ragc.artifact import find_suspects
    from ragc.data import check_data, openings_beside, read_openings, recorded_splits
    from ragc.retrieval import is_local, make_embedder

    notes: list[str] = []
    splits = recorded_splits(examples, project.splits_path(task))
    local = is_local(project.settings.embedder)
    embed = make_embedder(project.settings.embedder).embed_documents if local else None
    if not local:
        notes.append("questions in other words were not looked for, the embedder would have to be paid")
    return _Seen(
        health=check_data(examples, corpus, splits, embed=embed),
        openings=read_openings(openings_beside(project.splits_path(task))),
        told=_told(project, task, splits),
        suspects=find_suspects(project, task, examples),
        unreached=_unreached(project, task, examples, corpus, notes, local=local),
        notes=tuple(notes),
    )


def _told(project: Project, task: TaskSettings, splits: Splits) -> tuple[Told, ...]:
    """Test questions that the task's artifact is told. One that cannot be read is for `ragc status` to say."""
    from ragc.artifact import verify
    from ragc.data import find_told

    folder = project.compiled_path(task)
    try:
        verify(folder)
    except RagcError:
        return ()
    return find_told(splits, json.loads((folder / "state.json").read_text("utf-8")))


def _unreached(
    project: Project, task: TaskSettings, examples: Sequence[Example], corpus: Corpus, notes: list[str], *, local: bool
) -> tuple[Unreached, ...] | None:
    from ragc.retrieval import find_unreached, open_index

    try:
        index = open_index(project, task, read_only=True, check=False)
    except RagcError as error:
        notes.append(f"what retrieval reaches was not looked at: {error}")
        return None
    try:
        if index.missing or not index.mirrors(corpus):
            notes.append(
                f"what retrieval reaches was not looked at: no index of these documents, ragc index {task.name}"
            )
            return None
        if not local:
            notes.append("what retrieval reaches was looked at by words alone, the embedder would have to be paid")
        with Progress("retrieval", len(examples)) as progress:
            more = {} if local else {"alphas": (0.0,)}
            return find_unreached(index, examples, corpus, progress=progress.update, **more)
    except RagcError as error:
        notes.append(f"what retrieval reaches was not looked at: {error}")
        return None
    finally:
        index.close()


def _print(task: str, seen: _Seen) -> None:
    health = seen.health
    corpus, doubts = health.corpus, health.doubts
    row(
        task,
        f"{counted(health.labels, 'label')}, {health.unanswerable:,} unanswerable, "
        f"{health.without_evidence:,} without evidence; {counted(len(corpus.documents), 'document')}",
    )
    row("splits", ", ".join(f"{number:,} {name}" for name, number in health.splits.items() if number))
    if seen.openings.count:
        from ragc.data import in_times

        row("test", seen.openings.warning or f"opened {in_times(seen.openings.count)}")
    if health.slices:
        row("slices", ", ".join(f"{number:,} {name}" for name, number in health.slices.items()))
    kinds = [
        ("repeated", f"{counted(len(health.repeated), 'pair')} of questions that ask nearly the same:",
         [_pair(one) for one in health.repeated]),
        ("perhaps", f"{counted(len(health.perhaps), 'pair')} of questions that may ask the same, not in one split:",
         [_pair(one) for one in health.perhaps]),
        ("told", f"{counted(len(seen.told), 'test question')} that the artifact is told: compile again",
         [f"{one.example.named}: {one.where}" for one in seen.told]),
    ]  # fmt: skip
    for name, labels in (("stale", doubts.stale), ("doubtful", doubts.unsupported)):
        lines = [f"{one.example.named}: {one.reason}" for one in labels]
        kinds.append((name, f"{counted(len(labels), 'label')}:", lines))
    kinds += [
        ("suspect", f"{counted(len(seen.suspects), 'label')} that independent programs agree against:",
         [f'{one.example.named}: {len(one.programs)} answer "{one.answer}"' for one in seen.suspects]),
        ("unreached", f"{counted(len(seen.unreached or ()), 'label')} with evidence that no search finds:",
         [f"{one.example.named}: {', '.join(part.document for part in one.evidence)}" for one in seen.unreached or ()]),
        ("skipped", f"{counted(len(corpus.skipped), 'file')} that cannot be read:",
         [f"{one.path}: {one.reason}" for one in corpus.skipped]),
        ("noted", f"{counted(len(corpus.findings), 'thing')} about documents that were read:",
         [f"{one.path}: {one.kind}: {one.text}" for one in corpus.findings]),
    ]  # fmt: skip
    for name, head, lines in kinds:
        if lines:
            row(name, head)
            _list(lines)
    if health.verbatim:
        first = health.verbatim[0]
        where = f'"{first.example.question}" in {first.document}'
        row("verbatim", f"{counted(len(health.verbatim), 'question')} in the corpus word for word, such as {where}")
    for text in seen.notes:
        row("", text)
    if not any(lines for _, _, lines in kinds):
        row("", "nothing to mend")


def _pair(one: Repeated) -> str:
    what = [f"in {' and '.join(str(name) for name in one.splits)}"] if one.leaks and not one.is_sure else []
    what += ["in two splits"] if one.leaks and one.is_sure else []
    what += ["with different answers"] if one.disagree else []
    return f"{one.first.named} and {one.second.named}{': ' if what else ''}{', '.join(what)}"


def _list(lines: list[str]) -> None:
    for line in lines[:MOST_NAMED]:
        row("", line)
    if len(lines) > MOST_NAMED:
        row("", f"… and {len(lines) - MOST_NAMED:,} more; --json names them all")


def _json(seen: _Seen, file: str) -> dict[str, Any]:
    health = seen.health
    corpus = health.corpus
    return {
        "labels": health.labels,
        "unanswerable": health.unanswerable,
        "without_evidence": health.without_evidence,
        "splits": dict(health.splits),
        "openings": seen.openings.count,
        "slices": dict(health.slices),
        "repeated": [_repeated(one) for one in health.repeated],
        "perhaps": [{**_repeated(one), "similarity": one.similarity} for one in health.perhaps],
        "told": [{"id": one.example.id, "where": one.where} for one in seen.told],
        "verbatim": [{"id": one.example.id, "document": one.document} for one in health.verbatim],
        "doubts": health.doubts.listed(file),
        "suspects": [
            {"id": one.example.id, "line": one.example.line, "answer": one.answer, "programs": list(one.programs)}
            for one in seen.suspects
        ],
        "unreached": None
        if seen.unreached is None
        else [
            {"id": one.example.id, "line": one.example.line, "documents": [part.document for part in one.evidence]}
            for one in seen.unreached
        ],
        "documents": len(corpus.documents),
        "skipped": [{"path": one.path, "reason": one.reason} for one in corpus.skipped],
        "noted": [{"path": one.path, "kind": one.kind, "text": one.text} for one in corpus.findings],
        "notes": list(seen.notes),
        "refused": list(health.refused),
    }


def _repeated(one: Repeated) -> dict[str, Any]:
    return {
        "ids": [one.first.id, one.second.id],
        "lines": [one.first.line, one.second.line],
        "leaks": one.leaks,
        "disagree": one.disagree,
    }
