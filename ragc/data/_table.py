"""Examples in a table: what people write in a spreadsheet and save as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ragc._files import digest
from ragc._messages import shown_path
from ragc._text import normalise
from ragc.data._lines import BadLine, BadLines, text_of
from ragc.errors import DataError


def table_rows(path: Path, bad: BadLines, known: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and record, as a line of `.jsonl` would be, of every row of a CSV file that is not blank.

    The separator is a comma, or a semicolon or tab where the header has those. `known` are the names of columns whose
    case does not count; bad rows are noted in `bad` and left out. Raises DataError for a header that cannot be used.
    """
    text = text_of(path)
    rows = _rows(text, bad)
    _, header = next(rows, (0, []))
    names = [_column(name, known) for name in header]
    for wanted in ("question", "answers"):
        if wanted not in names:
            if not header:
                return
            raise DataError(f'{shown_path(path)} line 1: no column "{wanted}", found {", ".join(names)}')
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise DataError(f'{shown_path(path)} line 1: column "{repeated[0]}" stands twice')
    for line, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(names):
            bad.add(line, f"expected {len(names)} cells, found {len(row)}; {_advice(row, names)}")
            continue
        try:
            record = _record(dict(zip(names, row, strict=True)), known)
        except BadLine as error:
            bad.add(line, str(error))
        else:
            yield line, record


def _advice(row: Sequence[str], names: Sequence[str]) -> str:
    if len(row) > len(names):
        return "put quotes around a cell that holds the separator"
    return f'the row ends before "{names[len(row)]}"; an empty cell needs its separator too'


def _record(cells: dict[str, str], known: Sequence[str]) -> dict[str, Any]:
    record: dict[str, Any] = {name: cell for name, cell in cells.items() if name and name not in known}
    record["question"] = cells["question"].strip()
    record["answers"] = _parted(cells["answers"])
    record["id"] = cells["id"].strip() if "id" in cells else derived_id(record["question"])
    for name in ("slice", "split", "origin"):
        if cells.get(name, "").strip():
            record[name] = cells[name].strip()
    evidence = cells.get("evidence", "").strip()
    if evidence.startswith("["):
        try:
            record["evidence"] = json.loads(evidence)
        except json.JSONDecodeError as error:
            raise BadLine(f'"evidence": not JSON: {error.msg.lower()}') from error
    else:
        record["evidence"] = _parted(evidence)
    return record


def derived_id(question: str) -> str:
    """Return the id of an example in a file without a column `id`."""
    return f"q-{digest(normalise(question).encode())[:12]}"


def _parted(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("|") if part.strip()]


def _column(name: str, known: Sequence[str]) -> str:
    plain = name.strip()
    return plain.lower() if plain.lower() in known else plain


def _rows(text: str, bad: BadLines) -> Iterator[tuple[int, list[str]]]:
    first = text.partition("\n")[0].lower()
    separator = next((s for s in ",;\t" if "question" in (cell.strip(' "\r') for cell in first.split(s))), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            bad.add(line, f"not CSV: {error}")
            return
        yield line, row
