"""When an artifact was last evaluated: a line an evaluation in `.ragc/evaluations.jsonl`.

The record is this checkout's own. Where it is absent (a fresh clone, a CI runner), the time of sealing counts, which is
committed with the artifact: what nobody can show was not evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ragc._files import append_lines, locked

EVALUATIONS = ".ragc/evaluations.jsonl"
"""Below the project's root."""


def record_evaluation(root: Path, artifact: str, figures: Mapping[str, Any]) -> None:
    """Append that the artifact of that id was evaluated now, with its figures. Raises RagcError for a full disk."""
    path = root / EVALUATIONS
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "artifact": artifact, **figures}
    with locked(path):
        append_lines(path, [line])


def last_evaluated(root: Path, artifact: str) -> datetime | None:
    """Return when the artifact of that id was last evaluated in this checkout; None where no record says so.

    A line that cannot be read (a kill amid writing) is no evaluation.
    """
    try:
        lines = (root / EVALUATIONS).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = [time for line in lines if (time := _time(line, artifact)) is not None]
    return max(found, default=None)


def _time(line: str, artifact: str) -> datetime | None:
    try:
        entry = json.loads(line)
        time = datetime.fromisoformat(entry["time"]) if entry["artifact"] == artifact else None
    except (ValueError, TypeError, KeyError):
        return None
    return time if time is not None and time.tzinfo is not None else None
