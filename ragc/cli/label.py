"""`ragc label`: a model drafts labels from the corpus, a person decides on each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragc._messages import counted, shown_path
from ragc.cli._terminal import (
    budget_options,
    emit,
    json_option,
    lm_option,
    note,
    project_option,
    row,
    say,
    style,
    task_argument,
)
from ragc.errors import ConfigError

if TYPE_CHECKING:
    from ragc.compiler import Drafting
    from ragc.data import Draft, Drafts

_AT_ONCE = 5
"""Drafts that are made while a person waits; the others follow."""


@click.command()
@task_argument()
@click.option("--draft-only", type=int, metavar="N", help="Draft N labels and ask nobody.")
@click.option("--accept", metavar="ID", multiple=True, help="Accept a draft as it is; once for each.")
@click.option("--reject", metavar="ID", multiple=True, help="Reject a draft; once for each.")
@click.option("--slice", metavar="NAME", help="The slice that the new drafts belong to.")
@lm_option("configured")
@budget_options("Drafting", ["usd", "calls"])
@click.option("--threads", type=int, metavar="N", help="Passages drafted from at once; default: the model's `threads`.")
@json_option
@project_option
def command(  # noqa: PLR0913  drafting, deciding, and what bounds it
    task: str | None,
    draft_only: int | None,
    accept: tuple[str, ...],
    reject: tuple[str, ...],
    slice: str | None,
    lm: str | None,
    budget_usd: float | None,
    budget_calls: int | None,
    threads: int | None,
    as_json: bool,
    project: Path | None,
) -> None:
    """Draft labels for TASK from its corpus, and accept, mend or reject each yourself.

    The model writes a question, its answer and the sentence that holds it; a draft whose quote or answer does not stand
    in the passage is dropped, and so is a question that is there already. You decide with a key: y accepts, e mends,
    n rejects, s leaves it for later, q ends. What you accept or mend is added to the examples at once and says how it
    came about (`origin`); drafts.jsonl beside them keeps what the model wrote. Nothing becomes an example unasked.

    Without a terminal: --draft-only N drafts, --json lists what is open, --accept and --reject decide.
    """
    from ragc.data import read_drafts
    from ragc.project import Project

    if draft_only is not None and (accept or reject):
        raise click.UsageError("--draft-only does not go with --accept and --reject: decide first")
    found = Project.find(project)
    settings = found.task(task)
    drafting = {
        "task": settings.name,
        "project": found,
        "slice": slice,
        "lm": lm,
        "budget": {"usd": budget_usd, "calls": budget_calls},
        "threads": threads,
    }
    file = found.path(settings.examples)
    if draft_only is not None:
        _close(_draft(draft_only, drafting), as_json=as_json)
        return
    drafts = read_drafts(file)
    if accept or reject:
        for id_, decision in (*((id_, "accepted") for id_ in accept), *((id_, "rejected") for id_ in reject)):
            drafts = drafts.decide(id_, decision)  # type: ignore[arg-type]  # the words are the decisions
    if as_json:
        emit(_listed(settings.name, drafts))
    elif accept or reject:
        row("labels", _decided(drafts))
    elif not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError("no terminal to decide in: --draft-only N drafts, --json lists, --accept ID takes a draft")
    else:
        _ask(drafts, drafting)


def _draft(number: int, drafting: dict[str, Any]) -> Drafting:
    from ragc.cli.compile import Reporter
    from ragc.compiler import draft_labels

    with Reporter(as_json=True) as reporter:
        return draft_labels(number=number, on_event=reporter.event, **drafting)


def _close(result: Drafting, *, as_json: bool) -> None:
    if as_json:
        usage = result.usage
        emit(
            {
                **_listed(result.task, result.drafts),
                "new": [draft.id for draft in result.new],
                "dropped": dict(result.dropped),
                "passages_left": result.left,
                "usd": usage.usd,
                "calls": usage.calls,
                "stopped": "budget" if result.stopped else None,
            }
        )
    else:
        row(result.task, f"{counted(len(result.new), 'new draft')} in {shown_path(result.drafts.path)}")
        _say_dropped(result)
        row("next", f"ragc label {result.task} decides on {counted(len(result.drafts.open), 'open draft')}")
    if result.stopped:
        raise click.exceptions.Exit(3)


def _say_dropped(result: Drafting) -> None:
    from ragc.compiler import WHY

    if result.dropped:
        number = counted(sum(result.dropped.values()), "draft")
        row("dropped", f"{number}:", *(f"{count}: {WHY[why]}" for why, count in result.dropped.items()))


def _ask(drafts: Drafts, drafting: dict[str, Any]) -> None:
    """Shows the open drafts one by one, and drafts more when there are none; ends where somebody goes away."""
    later: set[str] = set()
    while True:
        waiting = [draft for draft in drafts.open if draft.id not in later]
        if not waiting:
            result = _draft(_AT_ONCE, drafting)
            _say_dropped(result)
            if not result.new:
                row("labels", _decided(result.drafts))
                if result.stopped:
                    raise click.exceptions.Exit(3)
                return
            drafts = result.drafts
            continue
        draft = waiting[0]
        _present(draft, drafts)
        note(style("Accept (y)  mend (e)  reject (n)  later (s)  quit (q)", bold=True))
        key = click.getchar().lower()
        if key == "y":
            drafts = drafts.decide(draft.id, "accepted")
        elif key == "n":
            drafts = drafts.decide(draft.id, "rejected")
        elif key == "e":
            record = _mended(draft)
            if record is None:
                continue
            drafts = drafts.decide(draft.id, "accepted" if record == draft.record() else "mended", record)
        elif key == "s":
            later.add(draft.id)
        elif key in {"q", "\x04", "\x1b"}:
            row("labels", _decided(drafts))
            return


def _present(draft: Draft, drafts: Drafts) -> None:
    say()
    row(draft.id, f"{draft.document}, drafted by {draft.model}; {counted(len(drafts.open), 'draft')} open")
    row("question", draft.question)
    row("answer", *draft.answers)
    row("evidence", draft.quote)


def _mended(draft: Draft) -> dict[str, Any] | None:
    """The label as the person types it, line by line; an empty line keeps what is there. None: they thought better."""
    record = draft.record()
    try:
        question = click.prompt("question", default=draft.question, err=True)
        answers = click.prompt("answers, parted by |", default=" | ".join(draft.answers), err=True)
        quote = click.prompt("evidence", default=draft.quote, err=True)
        part = click.prompt("slice", default=draft.slice or "", show_default=bool(draft.slice), err=True)
    except click.Abort:
        say()
        return None
    record["question"] = question.strip()
    record["answers"] = [answer.strip() for answer in answers.split("|") if answer.strip()]
    record["evidence"] = [{"document": draft.document, "quote": quote.strip()}]
    if part.strip():
        record["slice"] = part.strip()
    return record


def _decided(drafts: Drafts) -> str:
    counts = [
        f"{sum(draft.decision == decision for draft in drafts.drafts):,} {decision}"
        for decision in ("accepted", "mended", "rejected")
    ]
    return f"{', '.join(counts)}, {len(drafts.open):,} open; kept in {shown_path(drafts.examples)}"


def _listed(task: str, drafts: Drafts) -> dict[str, Any]:
    return {
        "task": task,
        "open": [{**draft.record(), "model": draft.model} for draft in drafts.open],
        "decided": {
            decision: sum(draft.decision == decision for draft in drafts.drafts)
            for decision in ("accepted", "mended", "rejected")
        },
    }
