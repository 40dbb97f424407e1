"""`ragc doctor`: what is installed, reachable and configured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragc.cli._terminal import emit, json_option, project_option, row, say, style

if TYPE_CHECKING:
    from ragc.cli._check import Check

MOST_NAMED = 20
"""How many labels in doubt are named; the others are counted, and `--json` names all."""

_MARKS = {"ok": "", "note": "", "problem": style("problem: ", fg="red", bold=True)}


@click.command()
@project_option
@json_option
@click.pass_context
def command(ctx: click.Context, project: Path | None, as_json: bool) -> None:
    """Say what is installed, reachable and configured, and what to do about the rest.

    Each extra of the package is named with what it brings, and what installs it where it is not there.

    Contacts only the endpoints that the configuration names, and calls no model that costs. Exits 1 when something that
    is configured does not work.
    """
    from ragc.cli._checks import run_checks

    checks: list[Check] = []
    for check in run_checks(project):
        checks.append(check)
        if not as_json:
            row(check.label, _MARKS[check.status] + check.found, *_labels(check))
    problems = sum(check.status == "problem" for check in checks)
    if as_json:
        emit({"ok": not problems, "checks": [_json(check) for check in checks]})
    else:
        say()
        outside = (checks[-1].name, checks[-1].status) == ("project", "note")
        works = "no project here: ragc init makes one" if outside else "all that is configured works"
        say(f"{problems} to mend" if problems else works)
    ctx.exit(1 if problems else 0)


def _labels(check: Check) -> list[str]:
    """The labels that the documents no longer support, a line each."""
    lines = [f"{one['file']}:{one['line']}: {one['kind']}: {one['why']}" for one in check.labels[:MOST_NAMED]]
    more = len(check.labels) - MOST_NAMED
    return [*lines, f"… and {more:,} more; --json names them all"] if more > 0 else lines


def _json(check: Check) -> dict[str, object]:
    """The check, with the labels in doubt where it looked at any."""
    found: dict[str, object] = {"name": check.name, "status": check.status, "found": check.found}
    return {**found, "labels": list(check.labels)} if check.labels else found
