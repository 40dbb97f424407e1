"""Reading the answer log: the line of one answer, wherever rotation has put it by now."""

from __future__ import annotations

import glob
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragc._messages import shown_path
from ragc.artifact.answers._record import SCHEMA
from ragc.errors import DataError

SHORTEST_ID = 4
"""Digits of an id that are looked for, at least."""
_NAMED = 3
"""Ids that are named where several begin alike."""


@dataclass(frozen=True)
class Logged:
    """One line of a log."""

    record: dict[str, Any]
    file: Path
    line: int
    """Its number, from 1."""


def log_files(path: Path) -> list[Path]:
    """Return the log, where it is there, and what it was rotated to: `answers.jsonl.1`, `answers.jsonl-20260401.gz`."""
    rotated = sorted(other for other in path.parent.glob(f"{glob.escape(path.name)}[.-]*") if other.is_file())
    return [path, *rotated] if path.is_file() else rotated


def find_answer(path: Path, id: str, on_damage: Callable[[str], None]) -> Logged:
    """Return the line of the answer whose id begins with `id`.

    `on_damage` is told of every line that is none, with file and number, in one line. Raises DataError when there is
    no such answer, or several.
    """
    if len(id) < SHORTEST_ID:
        raise DataError(f"{id!r} is too short for an answer's id; give at least {SHORTEST_ID} digits")
    files = log_files(path)
    if not files:
        raise DataError(f"there is no answer log {shown_path(path)} yet; the first answer makes it")
    wanted = id.lower()
    found = {
        logged.record["id"]: logged
        for file in files
        for logged in _lines(file, on_damage)
        if logged.record["id"].startswith(wanted)
    }
    if wanted in found or len(found) == 1:
        logged = found.get(wanted) or next(iter(found.values()))
        if logged.record.get("schema", 0) > SCHEMA:
            raise DataError(f"{_place(logged.file, logged.line)}: written by a newer ragc; upgrade ragc")
        return logged
    if found:
        shown = ", ".join(list(found)[:_NAMED]) + (" …" if len(found) > _NAMED else "")
        raise DataError(f"{len(found)} answers have an id that begins with {id} ({shown}); give more of it")
    where = shown_path(path) + (f" and {len(files) - 1} rotated" if len(files) > 1 else "")
    raise DataError(f"no answer {id} in {where}; `ragc ask --json` and `provenance` have an answer's id as answer_id")


def _lines(file: Path, on_damage: Callable[[str], None]) -> Iterator[Logged]:
    opener: Callable[[Path, str], Any] = gzip.open if file.suffix == ".gz" else open
    number = 0
    try:
        with opener(file, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                record = _record(line)
                if record is not None:
                    yield Logged(record, file, number)
                elif line.strip():
                    on_damage(f"{_place(file, number)} is damaged and skipped")
    except (OSError, EOFError, zlib.error) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        on_damage(f"{_place(file, number + 1)} and what follows cannot be read: {reason}")


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("id"), str) else None


def _place(file: Path, line: int) -> str:
    return f"{shown_path(file)} line {line}"
