"""`ragc verify`: check every file of an artifact against its manifest."""

from __future__ import annotations

from pathlib import Path

import click

from ragc.cli._terminal import emit, json_option, project_option, row, target_argument, warn


@click.command()
@target_argument
@project_option
@json_option
def command(target: str | None, project: Path | None, as_json: bool) -> None:
    """Check every file of an artifact against its manifest.

    Without TASK or PATH it is the only task's. No code of the artifact runs.

    Exits 0 when every file is as it was sealed; 2 when one was changed, is missing or was added, with its name, and
    when there is no artifact or a newer ragc made it. That the project moved on since is a warning alone.
    """
    from ragc.artifact import drift, locate, verify

    place = locate(target, project)
    manifest = verify(place)
    moved = drift(place)
    if moved.source is not None:
        warn(moved.source)
    if as_json:
        emit(
            {
                "path": str(manifest.path),
                "id": manifest.id,
                "task": manifest.task,
                "schema": manifest.schema,
                "files": dict(manifest.files),
            }
        )
        return
    row(manifest.task, manifest.id)
    row(
        "verified",
        f"{len(manifest.files)} files and the manifest; the id is that of program, state, scores and verdict",
    )
