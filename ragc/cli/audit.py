"""`ragc audit`: from an answer back to what stands behind it."""

from __future__ import annotations

from pathlib import Path

import click

from ragc.cli._terminal import emit, json_option, project_option, row, warn


@click.command()
@click.argument("answer", metavar="ID")
@project_option
@json_option
def command(answer: str, project: Path | None, as_json: bool) -> None:
    """Show what stands behind an answer: passages, documents, artifact, verdict and labels.

    ID is the answer's, `answer_id` in its provenance; its first digits will do. It is looked up in the answer log
    (`audit` in [tool.ragc], or RAGC_AUDIT) and what that was rotated to. The log has the text that was answered from,
    so that documents may have changed, or gone, since: each is compared with what it was.
    """
    from ragc.artifact import audit, audit_details, audit_rows
    from ragc.project import Project

    found = audit(answer, Project.find(project), on_damage=warn)
    if as_json:
        emit(audit_details(found))
        return
    for label, *lines in audit_rows(found):
        row(label, *lines)
