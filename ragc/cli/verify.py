"""`ragc verify`: check every file of an artifact against its manifest."""

from __future__ import annotations

from pathlib import Path

import click

from ragc.cli._terminal import emit, json_option, project_option, row, target_argument


@click.command()
@target_argument
@project_option
@json_option
def command(target: str, project: Path | None, as_json: bool) -> None:
    """Check every file of an artifact against its manifest.

    A file that was changed, is missing or was added ends with exit code 2 and its name. No code of the artifact runs.
    """
    from ragc.artifact import locate, verify

    manifest = verify(locate(target, project))
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
