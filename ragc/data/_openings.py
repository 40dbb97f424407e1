"""How often the test split was opened: one function reads it, and each opening is a line in a file that is committed.

`openings.jsonl` stands beside `splits.json`. Its lines, each with `schema` and `kind`:

`opening`  when, by what command and run, which programs (a digest of each) on which questions, labels and corpus
`result`   what an opening showed (a digest of each program's scores), and the artifact that was made, once it has an id
`renewal`  the test split was made anew: openings before it are of another one

Programs that were opened on the same questions, labels and corpus before show nothing new when their answers come from
the journal: that is no opening, and nothing is written. Nothing here is part of an artifact's id.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ragc._files import append_lines, canonical_json, digest, locked, write_error
from ragc._messages import shown_path
from ragc.data._examples import Example, examples_fingerprint
from ragc.data._lines import BadLine, read_each, shown
from ragc.data._splits import Splits
from ragc.errors import DataError

SCHEMA = 1
FILE = "openings.jsonl"
MOST_OPENINGS = 2
"""Openings after which every further one is warned of: whoever chooses by a test no longer tests."""

_OPENING: Mapping[str, type] = {
    "opening": str,
    "time": str,
    "by": str,
    "test": str,
    "questions": int,
    "corpus": str,
    "programs": dict,
    "generation": int,
}
_RESULT: Mapping[str, type] = {"opening": str}
_RENEWAL: Mapping[str, type] = {"time": str, "test": str, "questions": int}
_SHAPES = {"opening": _OPENING, "result": _RESULT, "renewal": _RENEWAL}


@dataclass(frozen=True)
class Opening:
    """One look at what programs answer to the test questions."""

    id: str
    time: str
    """ISO 8601, UTC."""
    by: str
    """The command, or the function, that looked: `compile`, `eval`."""
    test: str
    """`examples_fingerprint` of the test examples."""
    questions: int
    corpus: str
    """The corpus's fingerprint."""
    programs: Mapping[str, str]
    """The programs that answered, by what they were called (`baseline`, `compiled`), each as a digest of all that
    decides its answers and its scores."""
    generation: int = 0
    """The journal's, which `--fresh` counts up: the same programs are asked anew."""
    run: str | None = None
    """The run in the journal."""
    scores: Mapping[str, str] = field(default_factory=dict)
    """A digest of the scores that it showed, by a program's digest; of none where the command was stopped before."""
    artifacts: tuple[str, ...] = ()
    """The ids of the artifacts that it was made for, in the order of their sealing."""

    def has(self, program: str, other: Opening) -> bool:
        """Whether this one has opened what `other` does, for one program."""
        same = (self.test, self.corpus, self.generation) == (other.test, other.corpus, other.generation)
        return same and program in self.programs.values()

    def _as_json(self) -> dict[str, Any]:
        fields = {name: value for name, value in vars(self).items() if name not in ("id", "scores", "artifacts")}
        return {"schema": SCHEMA, "kind": "opening", "opening": self.id, **fields, "programs": dict(self.programs)}


@dataclass(frozen=True)
class Openings:
    """The openings of a task's test split since it was last renewed, in the order of their lines."""

    path: Path
    entries: tuple[Opening, ...] = ()

    @property
    def count(self) -> int:
        """How often the test split was opened."""
        return len(self.entries)

    @property
    def warning(self) -> str | None:
        """One line from the third opening on; None before."""
        return too_often(self.count)

    def shows_nothing_new(self, opening: Opening) -> bool:
        """Whether all its programs answered these questions before, labels and corpus as they are."""
        return all(any(one.has(program, opening) for one in self.entries) for program in opening.programs.values())


@dataclass(frozen=True)
class OpenedTest:
    """The test split, opened."""

    examples: tuple[Example, ...]
    count: int
    """How often it was opened, this time included."""
    opening: Opening
    """This look; recorded where it is a new one."""
    _path: Path | None
    """None where nothing is recorded."""

    def showed(self, scores: Mapping[str, Mapping[str, float | None]]) -> OpenedTest:
        """Record the scores that came out, by program and example id.

        Scores that differ from those that were shown before of the same program are an opening of their own. Nothing
        is written where all of it is known. Raises RagcError when the file cannot be written.
        """
        if self._path is None:
            return self
        found = {self.opening.programs[name]: digest(canonical_json(dict(part))) for name, part in scores.items()}
        with locked(self._path):
            openings = read_openings(self._path)
            results: dict[str, dict[str, str]] = {}
            others: dict[str, str] = {}
            for program, score in found.items():
                homes = (one for one in reversed(openings.entries) if one.has(program, self.opening))
                home = next((one for one in homes if one.scores.get(program, score) == score), None)
                if home is None:
                    others[program] = score
                elif program not in home.scores:
                    results.setdefault(home.id, {})[program] = score
            lines = []
            if others:
                names = {name: program for name, program in self.opening.programs.items() if program in others}
                again = _stamped(replace(self.opening, programs=names))
                lines.append(again._as_json())
                results[again.id] = others
            lines += [_result(id_, scores=digests) for id_, digests in results.items()]
            append_lines(self._path, lines)
        return replace(self, count=openings.count + bool(others))

    def made(self, artifact: str) -> None:
        """Record the artifact that the test was opened for. Raises RagcError when the file cannot be written."""
        if self._path is None:
            return
        with locked(self._path):
            openings = read_openings(self._path)
            if any(artifact in one.artifacts for one in openings.entries):
                return
            programs = self.opening.programs.values()
            homes = (one for one in reversed(openings.entries) if any(one.has(p, self.opening) for p in programs))
            if (home := next(homes, None)) is not None:
                append_lines(self._path, [_result(home.id, artifact=artifact)])


def open_test(
    splits: Splits,
    path: Path,
    *,
    by: str,
    programs: Mapping[str, str],
    corpus: str,
    generation: int = 0,
    run: str | None = None,
    is_recorded: bool = True,
) -> OpenedTest:
    """Return the test examples: the only way to them for whoever looks at what programs answer.

    The opening is on the disk before this returns, at `path` (`openings_beside`), unless it would show nothing new;
    with `is_recorded` false (a replay) nothing is written. `by`, `programs`, `corpus`, `generation` and `run` are
    `Opening`'s. Two processes may open at once. Raises DataError when the file is damaged or of a newer ragc, and
    RagcError when it cannot be written.
    """
    fingerprint = examples_fingerprint(splits.test)
    opening = _stamped(Opening("", "", by, fingerprint, len(splits.test), corpus, dict(programs), generation, run))
    openings = read_openings(path)
    is_known = openings.shows_nothing_new(opening)
    if is_recorded and not is_known:
        with locked(path):
            openings = read_openings(path)  # another process may have been faster
            is_known = openings.shows_nothing_new(opening)
            if not is_known:
                append_lines(path, [opening._as_json()])
    return OpenedTest(splits.test, openings.count + (not is_known), opening, path if is_recorded else None)


def openings_beside(splits: Path) -> Path:
    """Return where the openings of a task's test split are recorded: beside its splits, named alike."""
    return splits.with_name(splits.name.removesuffix("splits.json") + FILE)


def read_openings(path: Path) -> Openings:
    """Return the openings recorded in a file; none where there is no file.

    Raises DataError, in one line, for damaged lines (a merge's marks, half a line) and for a newer schema.
    """
    if not path.exists():
        return Openings(path)
    entries: dict[str, Opening] = {}
    read_each(path, lambda record: _read_line(record, entries, path))
    return Openings(path, tuple(entries.values()))


def record_renewal(path: Path, test: Sequence[Example]) -> None:
    """Record that `test` is a fresh test split. Nothing is written where none was opened."""
    if not read_openings(path).count:
        return
    line = {"schema": SCHEMA, "kind": "renewal", "time": _now(), "test": examples_fingerprint(test)}
    with locked(path):
        append_lines(path, [{**line, "questions": len(test)}])


def check_openings(path: Path) -> None:
    """Raise RagcError where an opening could not be recorded, so that nothing is paid for in vain. Writes nothing."""
    there = path if path.exists() else path.parent
    if not os.access(there, os.W_OK):
        raise write_error(path, PermissionError(13, "openings of the test split are recorded there"))


def too_often(count: int) -> str | None:
    """Return one line on a test split that was opened too often; None where it was not."""
    if count <= MOST_OPENINGS:
        return None
    return (
        f"the test split was opened {in_times(count)}: with every look that something is chosen by, its figures promise"
        " more than users will see; label new questions and renew it (`ragc check --renew-test`)"
    )


def in_times(count: int) -> str:
    """Return `never`, `once`, `twice` or `3 times`."""
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _read_line(record: Mapping[str, Any], entries: dict[str, Opening], path: Path) -> None:
    schema, kind = record.get("schema"), record.get("kind")
    if isinstance(schema, int) and schema > SCHEMA:
        raise DataError(f"{shown_path(path)}: schema {schema} is newer than this ragc knows ({SCHEMA}); upgrade ragc")
    shape = _SHAPES.get(str(kind))
    if schema != SCHEMA or shape is None:
        raise BadLine(f'expected "schema": {SCHEMA} and a "kind" of {", ".join(_SHAPES)}, found {shown(dict(record))}')
    for key, expected in shape.items():
        if not isinstance(record.get(key), expected):
            raise BadLine(f'"{key}": expected {expected.__name__}, found {shown(record.get(key))}')
    if kind == "renewal":
        entries.clear()
    elif kind == "opening":
        fields = {key: record[key] for key in _OPENING if key != "opening"}
        run = record.get("run")
        entries[record["opening"]] = Opening(id=record["opening"], run=None if run is None else str(run), **fields)
    elif (one := entries.get(record["opening"])) is not None:  # a merge may have put it before its opening's renewal
        scores, artifact = record.get("scores"), record.get("artifact")
        if isinstance(scores, dict):
            one = replace(one, scores={**one.scores, **scores})
        if isinstance(artifact, str):
            one = replace(one, artifacts=(*one.artifacts, artifact))
        entries[one.id] = one


def _result(opening: str, **found: Any) -> dict[str, Any]:
    return {"schema": SCHEMA, "kind": "result", "opening": opening, **found}


def _stamped(opening: Opening) -> Opening:
    return replace(opening, id=secrets.token_hex(6), time=_now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
