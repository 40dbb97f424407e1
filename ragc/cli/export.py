"""`ragc export`: an artifact and its questions for another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ragc._messages import shown_path
from ragc.cli._terminal import complete_task, emit, json_option, project_option, row, warn


@click.command()
@click.argument("tool", metavar="promptfoo", type=click.Choice(["promptfoo"]))
@click.argument("task", required=False, shell_complete=complete_task)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="validation",
    show_default=True,
    help="Whose questions; test opens it, which is recorded.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to; default: promptfoo/TASK in the project.",
)
@click.option("--metric", metavar="NAME", help="Another metric than the task's.")
@click.option("--threshold", type=float, default=0.5, show_default=True, help="Score from which a question passes.")
@json_option
@project_option
def command(
    tool: str,
    task: str | None,
    split: Any,
    out: Path | None,
    metric: str | None,
    threshold: float,
    as_json: bool,
    project: Path | None,
) -> None:
    """Write a promptfoo configuration that answers with TASK's artifact and scores with its metric.

    Two files: promptfooconfig.yaml, a test for each question of the split, and the Python file that promptfoo calls;
    ragc must be installed in the Python that promptfoo finds (PROMPTFOO_PYTHON names another). Then `npx promptfoo
    eval` in their folder. The export calls no model.
    """
    from ragc.compiler import Warned, export_promptfoo
    from ragc.project import Project

    found = Project.find(project)
    written = export_promptfoo(
        found,
        task,
        split=split,
        out=out,
        metric=metric,
        threshold=threshold,
        on_event=lambda event: warn(event.text) if isinstance(event, Warned) else None,
    )
    names = [shown_path(path) for path in written]
    if as_json:
        emit({"written": names})
        return
    row("written", *names)
    row("try it", f"cd {shown_path(written[0].parent)} && npx promptfoo@latest eval")
