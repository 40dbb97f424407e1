"""`ragc add`: a starter file, copied in."""

from __future__ import annotations

from pathlib import Path

import click

from ragc.cli._terminal import emit, json_option, project_option, row, table

_FOLDERS = {"program": "programs", "optimizer": "optimizers"}

EPILOG = """\b
Your own are files of your project too:
  a program     a dspy.Module whose forward(question) returns a
                dspy.Prediction with answer, and passages if it retrieves;
                program = "programs.mine:Mine" is Mine in programs/mine.py
  an optimizer  a function (program, run, *, settings) that returns a
                program, its settings with defaults;
                optimizer = "mine" is the function in optimizers/mine.py
  a metric      a function (example, prediction) that returns a number from
                0 (wrong) to 1 (right), or a ragc.Score;
                metric = "metrics:close" is close in metrics.py"""


def _complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ragc.cli._starters import starters

    kind = _FOLDERS.get(str(ctx.params.get("kind")))
    return [name for name in starters(kind) if name.startswith(incomplete)] if kind else []


@click.command(epilog=EPILOG)
@click.argument("kind", metavar="program|optimizer", type=click.Choice(list(_FOLDERS)))
@click.argument("name", required=False, shell_complete=_complete_name)
@project_option
@json_option
def command(kind: str, name: str | None, project: Path | None, as_json: bool) -> None:
    """Copy a starter program or optimizer in, to be read and edited.

    The file is yours from then on. What it imports from other starter files comes with it; a file that is there already
    is never overwritten. Without NAME it lists those that there are.
    """
    from ragc.cli._starters import about, add_starter, configured, starters
    from ragc.project import Project

    folder = _FOLDERS[kind]
    known = starters(folder)
    if name is None:
        listed = [(one, about(file)) for one, file in known.items()]
        if as_json:
            emit({"starters": [{"name": one, "about": text} for one, text in listed]})
        else:
            table(listed)
        return
    found = Project.find(project)
    written = add_starter(found.root, folder, name)
    if as_json:
        emit({"written": list(written)})
        return
    tasks = list(found.settings.tasks)
    where = f"[tool.ragc.tasks.{tasks[0]}]" if len(tasks) == 1 else "its task"
    row("added", *written)
    row("use it", f'{kind} = "{configured(folder, known[name])}"   in {where} of pyproject.toml')
