"""`ragc show`: what an artifact is, how good it is and what it cost."""

from __future__ import annotations

from pathlib import Path

import click

from ragc.cli._terminal import emit, json_option, project_option, row, target_argument


@click.command()
@target_argument
@project_option
@json_option
def command(target: str, project: Path | None, as_json: bool) -> None:
    """Show what an artifact is, how good it is and what it cost.

    The artifact is verified first. Its card.md says the same at length, its report.html question by question.
    """
    from ragc.artifact import glance, locate

    seen = glance(locate(target, project))
    if as_json:
        emit(dict(seen.details))
        return
    for label, *lines in seen.rows:
        row(label, *lines)
