"""`ragc show`: what an artifact is, how good it is and what it cost."""

from __future__ import annotations

from pathlib import Path

import click

from ragc.cli._terminal import emit, json_option, project_option, row, target_argument, warn


@click.command()
@target_argument
@project_option
@json_option
@click.option("--open", "opens", is_flag=True, help="Open its report.html in the browser as well.")
def command(target: str | None, project: Path | None, as_json: bool, opens: bool) -> None:
    """Show what an artifact is, how good it is and what it cost.

    Without TASK or PATH it is the only task's. The artifact is verified first. Its card.md says the same at length, its
    report.html question by question.
    """
    from ragc.artifact import drift, glance, locate

    place = locate(target, project)
    seen = glance(place)
    moved = drift(place)
    for line in moved.lines:
        warn(line)
    if as_json:
        emit(dict(seen.details))
    else:
        for label, *lines in seen.rows:
            row(label, *lines)
    if opens:
        page = (place / "report.html").resolve()
        if click.launch(page.as_uri()):
            warn(f"no browser opened: open {page}")
