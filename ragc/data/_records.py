"""A document as a line of JSON: `{"id", "title", "text", …metadata}`."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from ragc.data._lines import BadLine, shown
from ragc.data._markdown import scalars


def checked_record(record: Mapping[str, Any], line: int | None = None) -> tuple[str, str | None, dict[str, Any]]:
    """Return id, title and metadata of a record whose `text` is one. Raises BadLine.

    With `line` a record needs no id: the line's number is it.
    """
    for key in ("id", "text") if line is None else ("text",):
        if key not in record:
            raise BadLine(f'missing key "{key}"; found {", ".join(record)}')
        if not isinstance(record[key], str) or not record[key].strip():
            raise BadLine(f'"{key}": expected text, found {shown(record[key])}')
    title = record.get("title")
    if title is not None and not isinstance(title, str):
        raise BadLine(f'"title": expected text, found {shown(title)}')
    others = {key: value for key, value in record.items() if key not in ("id", "title", "text")}
    id_ = record.get("id", line)
    if isinstance(id_, bool) or not isinstance(id_, str | int):
        raise BadLine(f'"id": expected text or a number, found {shown(id_)}')
    return unicodedata.normalize("NFC", str(id_)), title, scalars(others)
