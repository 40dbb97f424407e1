"""XLSX: every sheet a section, every stretch of filled rows a table, values as a person sees them.

Unlike markitdown's own converter, which goes through pandas: that turns whole numbers beside empty cells into 5.0,
writes NaN into the empty ones and cuts texts at 50 characters.
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from ragc._messages import counted
from ragc.data._places import places_metadata
from ragc.data.documents._conversion import Beat, Conversion, Converted, Unreadable, clean, real_title
from ragc.data.documents._office import check_archive, core_title
from ragc.data.documents._pdf import joined
from ragc.data.documents._tables import table

MOST_ROWS = 200_000
_LOCALE = re.compile(r"\[\$-[^\]]*\]")
_CURRENCY = re.compile(r"[£€$¥]")


def convert_xlsx(data: bytes, beat: Beat) -> Conversion:
    """Return a workbook as one document with its sheets, hidden ones left out. Raises Unreadable."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    check_archive(data, ".xlsx")
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        sheets = [_sheet(sheet, beat) for sheet in visible]
    except (InvalidFileException, KeyError, ValueError, TypeError, AttributeError, SyntaxError) as error:
        raise Unreadable("not a .xlsx file that can be read; it is broken") from error
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise Unreadable("not a .xlsx file that can be opened; it is broken or cut short") from error
    if not any(sheets):
        raise Unreadable("nothing in its cells")
    hidden = len(book.worksheets) - len(visible)
    starts, text = joined(sheets)
    metadata = {"format": "xlsx", **places_metadata("sheet", starts)}
    notes = (("left out", counted(hidden, "hidden sheet")),) if hidden else ()
    return Conversion((Converted(text, real_title(core_title(data)), metadata),), notes)


def _sheet(sheet: Any, beat: Beat) -> str:
    sheet.reset_dimensions()  # some programs write a wrong one
    parts: list[str] = []
    for block in _blocks(_rows(sheet, beat)):
        alone = [cell for row in block for cell in row if cell]
        parts.append(" ".join(alone) if len(block) == 1 or len(alone) == 1 else table(block))
    return clean("\n\n".join([f"## {sheet.title}", *parts])) if parts else ""


def _rows(sheet: Any, beat: Beat) -> Iterator[list[str]]:
    for number, row in enumerate(sheet.iter_rows(), 1):
        if number > MOST_ROWS:
            raise Unreadable(
                f"more than {MOST_ROWS:,} rows in a sheet; that is a database, put what matters into a document"
            )
        if number % 500 == 0:
            beat()
        yield [_shown(cell) for cell in row]


def _blocks(rows: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    """Yield the rows between two empty ones."""
    block: list[list[str]] = []
    for row in rows:
        if any(row):
            block.append(row)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _shown(cell: Any) -> str:
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return _number(value, str(cell.number_format or ""))
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(" ", "minutes")
        case datetime.time():
            return value.isoformat("minutes")
    return " ".join(str(value).split())


def _number(value: float, shape: str) -> str:
    shape = _LOCALE.sub("", shape)
    if "%" in shape:
        return f"{value * 100:.10g}%"
    if symbol := _CURRENCY.search(shape):
        return f"{symbol[0]}{value:,.0f}" if float(value).is_integer() else f"{symbol[0]}{value:,.2f}"
    return f"{value:.15g}"
