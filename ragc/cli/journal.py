"""`ragc journal`: what was paid for what; and taking out or carrying elsewhere what was received."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragc._messages import counted, shown_path
from ragc.cli._terminal import emit, json_option, note, project_option, row, say, table, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragc.models.gateway import Journal, RunRecord, Share, Summary

MOST_RUNS = 10
"""How many runs are listed; `--json` lists all."""
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType[timedelta]):
    """A number and a unit: `90d`, `12w`, `36h`."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        found = re.fullmatch(r"(\d{1,6})\s*([hdw])", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no age; write a number and h, d or w, such as 90d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.group(invoke_without_command=True)
@project_option
@json_option
@click.pass_context
def command(ctx: click.Context, project: Path | None, as_json: bool) -> None:
    """Show what the journal holds, and what was paid for it, by task, model and run.

    The journal, .ragc/journal.db, is the record of every response of every run: what is in it is not paid for again.
    """
    ctx.obj = (project, as_json)
    if ctx.invoked_subcommand is not None:
        return
    path = _path(project)
    if not path.exists():
        _show_nothing(path, as_json)
        return
    with _opened(path, read_only=True) as journal:
        summary = journal.summary()
    if as_json:
        emit(_json(summary))
    else:
        _show(summary)


@command.command()
@click.option("--older-than", type=Age(), required=True, metavar="AGE", help="A number and h, d or w, such as 90d.")
@project_option
@json_option
@click.pass_context
def prune(ctx: click.Context, older_than: timedelta, project: Path | None, as_json: bool) -> None:
    """Take out responses that are older and that nobody needs.

    What a sealed artifact needs to be replayed stays, and so does what an unfinished run has used or paid for.
    """
    project, as_json = _inherited(ctx, project, as_json)
    path = _existing(project)
    with _opened(path) as journal:
        pruned = journal.prune(older_than)
    if as_json:
        emit({"entries": pruned.entries, "usd": float(pruned.usd), "runs": pruned.runs, "bytes": pruned.bytes})
        return
    what = f"{counted(pruned.entries, 'response')} that had cost {_usd(pruned.usd)}, {counted(pruned.runs, 'run')}"
    row("pruned", what if pruned.entries or pruned.runs else "nothing is older that nobody needs")
    row("journal", f"{shown_path(path)}, smaller by {_size(pruned.bytes)}")


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--artifact", metavar="ID", help="Only what replaying this artifact needs; the beginning of an id will do."
)
@project_option
@json_option
@click.pass_context
def export(ctx: click.Context, file: Path | None, artifact: str | None, project: Path | None, as_json: bool) -> None:
    """Write the journal to FILE, or without one to stdout, as JSON Lines.

    The file holds prompts and responses in full, and no key. With --json, which needs FILE, it says what was written.
    """
    project, as_json = _inherited(ctx, project, as_json)
    if as_json and file is None:
        raise click.UsageError("--json says what was written: name a FILE to write to", ctx)
    with _opened(_existing(project), read_only=True) as journal:
        if file is None:
            for line in journal.lines(artifact):
                say(line)
            return
        lines = journal.export(file, artifact)
    if as_json:
        emit({"file": str(file), "lines": lines})
    else:
        row("exported", f"{shown_path(file)}, {counted(lines, 'line')}")


def _inherited(ctx: click.Context, project: Path | None, as_json: bool) -> tuple[Path | None, bool]:
    """The options of `ragc journal` itself hold for what comes after it."""
    before: tuple[Path | None, bool] = ctx.obj
    return (before[0] if project is None else project), (before[1] or as_json)


def _path(project: Path | None) -> Path:
    from ragc.project import Project

    return Project.find(project).journal_path


def _existing(project: Path | None) -> Path:
    from ragc.errors import ConfigError

    path = _path(project)
    if not path.exists():
        raise ConfigError(f"there is no journal {shown_path(path)} yet; `ragc compile` writes one")
    return path


def _opened(path: Path, *, read_only: bool = False) -> Journal:
    from ragc.models.gateway import Journal

    journal = Journal.open(path, read_only=read_only)
    for text in journal.notes:
        warn(text)
    return journal


def _show_nothing(path: Path, as_json: bool) -> None:
    from ragc.models.gateway import Share, Summary

    if as_json:
        nothing = Share("", 0, 0, 0, Fraction(), 0)
        emit(_json(Summary(path, 0, nothing, (), (), (), 0)))
    else:
        note(f"nothing was asked yet: there is no journal {shown_path(path)}")


def _show(summary: Summary) -> None:
    if summary.path is not None:
        row("journal", f"{shown_path(summary.path)}, {_size(summary.bytes)}")
    row("responses", f"{summary.total.entries:,} for {_usd(summary.total.usd)}", *_doubts(summary))
    for label, shares in (("task", summary.by_task), ("model", summary.by_model)):
        if shares:
            say()
            table([[label, *_HEAD], *([share.name, *_cells(share)] for share in shares)], right=[1, 2, 3, 4])
    runs = summary.by_run[:MOST_RUNS]
    if runs:
        say()
        head = ["run", *_HEAD, "task", "state", "began", "artifact"]
        table(
            [head, *([share.name[:12], *_cells(share), *_about(record)] for share, record in runs)], right=[1, 2, 3, 4]
        )
    if len(summary.by_run) > MOST_RUNS:
        say(f"… and {counted(len(summary.by_run) - MOST_RUNS, 'earlier run')}; --json lists them all")


_HEAD = ["responses", "tokens in", "tokens out", "USD"]


def _doubts(summary: Summary) -> list[str]:
    lines = []
    if summary.total.unpriced:
        lines.append(f"{summary.total.unpriced:,} of them without a known price")
    if summary.unanswered:
        lines.append(f"{counted(summary.unanswered, 'request')} more may have been paid for and brought no response")
    return lines


def _cells(share: Share) -> list[str]:
    money = "–" if share.unpriced == share.entries else _usd(share.usd)
    return [f"{share.entries:,}", f"{share.input_tokens:,}", f"{share.output_tokens:,}", money]


def _about(record: RunRecord | None) -> list[str]:
    if record is None:
        return ["", "", "", ""]
    return [record.task, record.state, record.created[:16].replace("T", " "), (record.artifact or "")[:12]]


def _usd(usd: Fraction) -> str:
    return f"${float(usd):,.2f}" if not usd or usd >= Fraction(1, 10) else f"${float(usd):.2g}"


def _size(number: int) -> str:
    return f"{number / 1e6:,.1f} MB" if number >= 100_000 else f"{number / 1e3:,.1f} kB"


def _json(summary: Summary) -> dict[str, Any]:
    return {
        "path": str(summary.path),
        "bytes": summary.bytes,
        **_share(summary.total),
        "unanswered": summary.unanswered,
        "tasks": _named("task", summary.by_task),
        "models": _named("model", summary.by_model),
        "runs": [
            {
                "run": share.name,
                **_share(share),
                "task": record and record.task,
                "state": record and record.state,
                "began": record and record.created,
                "artifact": record and record.artifact,
            }
            for share, record in summary.by_run
        ],
    }


def _named(label: str, shares: Sequence[Share]) -> list[dict[str, Any]]:
    return [{label: share.name, **_share(share)} for share in shares]


def _share(share: Share) -> dict[str, Any]:
    return {
        "responses": share.entries,
        "input_tokens": share.input_tokens,
        "output_tokens": share.output_tokens,
        "usd": float(share.usd),
        "without_price": share.unpriced,
    }
