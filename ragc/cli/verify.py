"""`ragc verify`: check every file of an artifact against its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragc.cli._terminal import emit, json_option, project_option, row, target_argument, warn
from ragc.errors import CheckFailed

if TYPE_CHECKING:
    from ragc.compiler import Replayed


@click.command()
@target_argument
@click.option("--replay", is_flag=True, help="Make it again from the journal alone, and compare the ids.")
@project_option
@json_option
def command(target: str | None, replay: bool, project: Path | None, as_json: bool) -> None:
    """Check every file of an artifact against its manifest.

    Without TASK or PATH it is the only task's. No code of the artifact runs, unless --replay: then the project's
    program and optimizer run once more on what the journal holds, without key or network, and must seal the same id.

    Exits 0 when every file is as it was sealed; 1 when a replay comes to another artifact; 2 when a file was changed,
    is missing or was added, with its name, when there is no artifact or a newer ragc made it, and when it cannot be
    replayed because corpus, labels or program have changed. Without --replay that is a warning alone.
    """
    from ragc.artifact import drift, locate, verify

    place = locate(target, project)
    manifest = verify(place)
    moved = drift(place)
    for line in filter(None, (moved.source, moved.demonstrations)):
        warn(str(line))
    again = _replayed(place, project) if replay else None
    if as_json:
        emit(
            {
                **({} if again is None else {"replayed": again.again, "differs": list(again.differs)}),
                "path": str(manifest.path),
                "id": manifest.id,
                "task": manifest.task,
                "schema": manifest.schema,
                "files": dict(manifest.files),
            }
        )
    else:
        row(manifest.task, manifest.id)
        row(
            "verified",
            f"{len(manifest.files)} files and the manifest; the id is that of program, state, scores and verdict",
        )
    if again is None:
        return
    if not again.is_same:
        raise CheckFailed(
            f"the replay sealed {again.again[:8]} and not {manifest.name}: {', '.join(again.differs)} differ"
        )
    if not as_json:
        row("replayed", f"{again.again[:8]}, from the journal alone: the same")


def _replayed(place: Path, project: Path | None) -> Replayed:
    from ragc.cli.compile import Reporter
    from ragc.compiler import replay

    with Reporter(as_json=True) as reporter:
        return replay(place, project=project, on_event=reporter.event)
