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

    Without TASK or PATH it is the only task's. A file that was changed, is missing or was added ends with exit code 2
    and its name. No code of the artifact runs.
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
