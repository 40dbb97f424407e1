"""The journal as JSON Lines: to be kept beside an artifact, and read again to replay it.

The first line says what it is; each other line is one object with one name: `run`, `sealed`, `step`, `failure`,
`unanswered`, `generation` or `entry`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import apsw

from ragc._messages import shown_path
from ragc.errors import DataError
from ragc.models.gateway._amounts import Amounts
from ragc.models.gateway._journal import _runs
from ragc.models.gateway._journal._records import Entry, RunRecord, StepRecord, Use
from ragc.models.gateway._journal._rows import SELECT, Row, entry_of, key_bytes, microseconds
from ragc.models.gateway._journal._schema import SCHEMA

Decode = Callable[[list[int]], dict[str, Any]]
Store = Callable[[apsw.Connection, Row], object]


def everything(connection: apsw.Connection, decode: Decode) -> Iterator[str]:
    """Yield the lines of the whole journal."""
    yield _line("journal", SCHEMA)
    for record in reversed(_runs.find(connection)):
        yield _line("run", asdict(record))
    for artifact, record in list(connection.execute("SELECT id, record FROM artifacts")):
        yield _sealed(connection, artifact, json.loads(record))
    for (run,) in list(connection.execute("SELECT DISTINCT run FROM steps")):
        yield from _steps(connection, run)
    yield from _failures(connection, "TRUE", ())
    rows = connection.execute(
        "SELECT run, key, why, calls, input_tokens, output_tokens, usd FROM unanswered ORDER BY id"
    )
    for run, key, why, calls, tokens, output, usd in rows:
        amounts = {"calls": calls, "input_tokens": tokens, "output_tokens": output, "usd": usd}
        yield _line("unanswered", {"run": run, "key": key.hex(), "why": why, **amounts})
    for task, generation in connection.execute("SELECT task, generation FROM generations"):
        yield _line("generation", {"task": task, "generation": generation})
    yield from _entries(connection, decode, "TRUE", ())


def of_artifact(connection: apsw.Connection, decode: Decode, artifact: str) -> Iterator[str]:
    """Yield the lines that replaying one artifact needs. Raises DataError when the journal does not know it."""
    known = connection.execute(
        "SELECT DISTINCT id FROM artifacts WHERE substr(id, 1, ?) = ?", (len(artifact), artifact)
    )
    ids = [id for (id,) in known]
    if len(ids) != 1 or not artifact:
        what = f"{len(ids)} artifacts begin with it" if ids else "it was not sealed with this journal, or long pruned"
        raise DataError(f'no artifact "{artifact}": {what}; `ragc show` prints the whole id')
    yield _line("journal", SCHEMA)
    for record in _runs.sealed(connection, ids[0]):
        sealed = replace(record, artifact=ids[0])
        yield _line("run", asdict(sealed))
        yield _sealed(connection, ids[0], asdict(sealed))
        if _runs.find(connection, "id = ? AND artifact = ?", (record.id, ids[0])):
            yield from _steps(connection, record.id)
        yield from _failures(connection, "run = ?", (record.id,))
        yield _line("generation", {"task": record.task, "generation": record.generation})
    yield from _entries(connection, decode, "e.key IN (SELECT key FROM needs WHERE artifact = ?)", (ids[0],))


def load(connection: apsw.Connection, file: Path, store: Store) -> None:
    """Read the lines of an export into an empty journal, inside the caller's transaction.

    `store` stores an entry. Raises DataError in one line, with the number of the line that is wrong.
    """
    place = shown_path(file)
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    _read(connection, number, json.loads(line), store)
                except (ValueError, TypeError, KeyError, AttributeError, apsw.ConstraintError) as error:
                    text = " ".join(str(error).split()) or type(error).__name__
                    raise DataError(
                        f"{place}: line {number}: not a line that `ragc journal export` writes ({text})"
                    ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: is not UTF-8; give a file that `ragc journal export` wrote") from error
    except OSError as error:
        raise DataError(f"{place}: {(error.strerror or str(error)).lower()}; give an exported journal") from error


def _read(connection: apsw.Connection, number: int, line: Mapping[str, Any], store: Store) -> None:
    ((name, value),) = line.items()
    if number == 1:
        if name != "journal" or not 1 <= value <= SCHEMA:
            raise ValueError(f"it begins with {name} {value}, expected was journal {SCHEMA}")
    elif name == "run":
        _runs.begin(connection, RunRecord(**value), microseconds(value["created"]))
    elif name == "sealed":
        _runs.keep(connection, value["artifact"], RunRecord(**value["run"]), map(key_bytes, value["needs"]))
    elif name == "step":
        uses = tuple(Use(**use) for use in value["uses"])
        _runs.record_step(connection, value["run"], StepRecord(value["number"], value["label"], uses))
    elif name == "failure":
        _runs.record_failure(connection, value["run"], key_bytes(value["key"]), value["kind"], value["text"])
    elif name == "unanswered":
        run, key, why = value.pop("run"), key_bytes(value.pop("key")), value.pop("why")
        _runs.unanswered(connection, run, key, why, Amounts(**{**value, "usd": Fraction(value["usd"])}))
    elif name == "generation":
        connection.execute("INSERT OR REPLACE INTO generations VALUES (?, ?)", (value["task"], value["generation"]))
    elif name == "entry":
        usd = value["usd"]
        store(connection, Row.of(Entry(**{**value, "usd": None if usd is None else Fraction(usd)})))
    else:
        raise ValueError(f"nothing is called {name}")


def _sealed(connection: apsw.Connection, artifact: str, run: dict[str, Any]) -> str:
    keys = connection.execute("SELECT key FROM needs WHERE artifact = ? ORDER BY key", (artifact,))
    return _line("sealed", {"artifact": artifact, "run": run, "needs": [key.hex() for (key,) in keys]})


def _steps(connection: apsw.Connection, run: str) -> Iterator[str]:
    for step in _runs.steps(connection, run):
        yield _line("step", {"run": run, **asdict(step)})


def _failures(connection: apsw.Connection, where: str, values: tuple[Any, ...]) -> Iterator[str]:
    rows = list(connection.execute(f"SELECT run, key, kind, text FROM failures WHERE {where}", values))
    for run, key, kind, text in rows:
        yield _line("failure", {"run": run, "key": key.hex(), "kind": kind, "text": text})


def _entries(connection: apsw.Connection, decode: Decode, where: str, values: tuple[Any, ...]) -> Iterator[str]:
    for row in connection.execute(f"{SELECT} WHERE {where} ORDER BY e.id", values):
        entry = entry_of(row, decode)
        fields = {name: getattr(entry, name) for name in Entry.__slots__}
        usd = None if entry.usd is None else str(entry.usd)
        yield _line("entry", {**fields, "request": dict(entry.request), "usd": usd})


def _line(name: str, value: object) -> str:
    text = json.dumps({name: value}, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        text = json.dumps({name: value}, separators=(",", ":"))
    return text
