"""`ragc add`: a starter file, copied in."""

from __future__ import annotations

from pathlib import Path

import click

from ragc.cli._terminal import emit, json_option, project_option, row

_FOLDERS = {"program": "programs", "optimizer": "optimizers"}


def _complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ragc.cli._scaffold import starters

    kind = _FOLDERS.get(str(ctx.params.get("kind")))
    return [name for name in starters(kind) if name.startswith(incomplete)] if kind else []


@click.command()
@click.argument("kind", metavar="program|optimizer", type=click.Choice(list(_FOLDERS)))
@click.argument("name", required=False, shell_complete=_complete_name)
@project_option
@json_option
def command(kind: str, name: str | None, project: Path | None, as_json: bool) -> None:
    """Copy a starter program or optimizer in, to be read and edited.

    The file is yours from then on. What it imports from other starter files comes with it; a file that is there already
    is never overwritten. Without NAME it says which there are.
    """
    from ragc.cli._scaffold import add_starter, starters
    from ragc.errors import ConfigError
    from ragc.project import Project

    folder = _FOLDERS[kind]
    if name is None:
        raise ConfigError(f"ragc add {kind} NAME: there are {', '.join(starters(folder))}")
    written = add_starter(Project.find(project).root, folder, name)
    if as_json:
        emit({"written": list(written)})
        return
    row("added", *written)
    row("use it", f'{kind} = "{name}" in the task of pyproject.toml')
