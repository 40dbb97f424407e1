"""What a Markdown file says about itself: YAML front matter and the first heading."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from typing import Any

_BLOCK = re.compile(r"---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_TITLE = re.compile(r" {0,3}#[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")


class FrontMatterError(ValueError):
    """The block between the first two `---` lines is not YAML."""


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Return the metadata at the top of a Markdown file and the text below it, unchanged.

    A block that is YAML but no mapping is text between two rules, so it stays. Raises FrontMatterError with the line.
    """
    block = _BLOCK.match(text)
    if block is None:
        return {}, text
    import yaml

    try:
        values = yaml.safe_load(block[1])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 2}" if mark is not None else ""
        raise FrontMatterError(f"{getattr(error, 'problem', None) or 'not YAML'}{where}") from error
    except (ValueError, RecursionError) as error:  # a date such as 2024-02-30; nesting without end
        raise FrontMatterError(str(error) or "not YAML") from error
    if values is not None and not isinstance(values, dict):
        return {}, text
    return scalars(values or {}), text[block.end() :]


def heading(text: str) -> str | None:
    """Return the first `# ` heading outside code fences."""
    fence = None
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if mark is not None:
            fence = mark[1][:3] if fence is None else None if mark[1].startswith(fence) else fence
        elif fence is None and (title := _TITLE.match(line)) is not None and title[1]:
            return title[1]
    return None


def scalars(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return metadata that every store can filter by: texts, numbers, true and false, null.

    A date is its ISO text, a list of scalars one text parted by commas; tables and lists of other things are left out.
    """
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, list):
            if all(_is_scalar(item) for item in value):
                kept[str(key)] = ", ".join(str(_scalar(item)) for item in value)
        elif _is_scalar(value):
            kept[str(key)] = _scalar(value)
    return kept


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | datetime.date)


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
