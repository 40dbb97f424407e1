"""Markdown tables that stay readable after they are cut into passages: a long one says its header again and again."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from ragc.data.documents._conversion import Conversion, Converted, Unreadable

MOST_CHARACTERS = 450
"""How long a stretch of a table may be before its header stands again: below the default size of a passage, 500."""

_RULE = re.compile(r"\|[ :|-]*-[ :|-]*\|?")
_SPACES = re.compile(r"[ \t]{2,}")
_SEPARATORS = ",;\t|"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return `rows`, the first of them the header, as Markdown: one table, or several with the same header.

    A cell's line breaks are spaces, its bars escaped. Columns that are empty everywhere are left out.
    """
    width = max((len(row) for row in rows), default=0)
    cells = [[_cell(row[i]) if i < len(row) else "" for i in range(width)] for row in rows]
    used = [i for i in range(width) if any(row[i] for row in cells)]
    lines = [f"| {' | '.join(row[i] for i in used)} |" for row in cells if any(row)]
    return "\n\n".join(_blocks(lines[0], f"|{' --- |' * len(used)}", lines[1:])) if lines else ""


def with_headers(markdown: str) -> str:
    """Return a text whose long Markdown tables say their header again every so often."""
    written: list[str] = []
    lines = markdown.split("\n")
    position = 0
    while position < len(lines):
        end = position
        while end < len(lines) and lines[end].lstrip().startswith("|"):
            end += 1
        if end - position > 2 and _RULE.fullmatch(lines[position + 1].strip()):
            written.append(_again([line.strip() for line in lines[position:end]]))
            position = end
        else:
            written.append(lines[position])
            position += 1
    return "\n".join(written)


def _again(lines: Sequence[str]) -> str:
    header, *rows = (_SPACES.sub(" ", line) for line in (lines[0], *lines[2:]))
    rule = f"|{' --- |' * max(1, _SPACES.sub(' ', lines[1]).count('|') - 1)}"
    if not header.strip("| "):  # the file marks no header, which is then the first row, as nearly always
        header, rows = rows[0], rows[1:]
    return "\n\n".join(_blocks(header, rule, rows))


def _blocks(header: str, rule: str, rows: Sequence[str]) -> Iterator[str]:
    """Yield tables of the same header, each as long as one may be, or of one row where the rows are long."""
    most = max(MOST_CHARACTERS, 2 * len(header))
    block: list[str] = []
    size = 0
    for row in rows:
        if block and size + len(row) > most:
            yield "\n".join([header, rule, *block])
            block, size = [], 0
        size += len(row) + 1 + (0 if block else len(header) + len(rule) + 2)
        block.append(row)
    yield "\n".join([header, rule, *block])


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")


def convert_csv(text: str) -> Conversion:
    """Return a table with a header as one document. Raises Unreadable for what is no table."""
    rows = [row for row in _rows(text) if any(cell.strip() for cell in row)]
    if not rows:
        raise Unreadable("empty")
    return Conversion((Converted(table(rows)),))


def _rows(text: str) -> Iterable[list[str]]:
    header = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=header.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise Unreadable(f"not CSV: {error}") from error
