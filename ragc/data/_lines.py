"""Reading files of lines: every bad line is collected, and one error names them."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragc._messages import shown_path
from ragc.errors import DataError

_SHOWN = 5
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class BadLine(ValueError):
    """What is wrong with one line: what was found and what was expected."""


@dataclass
class BadLines:
    """The bad lines of one file, collected so that a user mends them at once and not one a run."""

    path: Path
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Note one bad line, counted from 1."""
        self.found.append((line, reason))

    def check(self) -> None:
        """Raise DataError, in one line, when there is any: the first five and their number."""
        if not self.found:
            return
        shown = [f"line {line}: {reason}" for line, reason in sorted(self.found)[:_SHOWN]]
        if len(self.found) == 1:
            raise DataError(f"{shown_path(self.path)} {shown[0]}")
        more = f"; and {len(self.found) - _SHOWN} more" if len(self.found) > _SHOWN else ""
        raise DataError(f"{shown_path(self.path)}: {len(self.found)} bad lines: {'; '.join(shown)}{more}")


def read_bytes(path: Path) -> bytes:
    """Return the file's content without a byte order mark. Raises DataError, in one line, when it cannot be read."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"no file {shown_path(path)}") from error
    except IsADirectoryError as error:
        raise DataError(f"{shown_path(path)} is a folder, expected a file") from error
    except OSError as error:
        raise DataError(f"cannot read {shown_path(path)}: {(error.strerror or str(error)).lower()}") from error
    if data.startswith(_UTF16):
        raise DataError(f"{shown_path(path)} line 1: not UTF-8 but UTF-16; save it as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def json_lines(path: Path, bad: BadLines) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and object of every line that is not blank; bad ones are noted in `bad` and left out."""
    for number, line in enumerate(read_bytes(path).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeDecodeError as error:
            bad.add(number, f"not UTF-8 (byte {error.start + 1}); save it as UTF-8")
        except UnicodeEncodeError:
            bad.add(number, "holds half a character (a lone surrogate such as \\ud800)")
        except json.JSONDecodeError as error:
            bad.add(number, f"not JSON: {error.msg.lower()} at column {error.colno}")
        except (BadLine, RecursionError) as error:
            bad.add(number, str(error) or "not JSON: nested too deeply")
        else:
            if isinstance(value, dict):
                yield number, value
            else:
                bad.add(number, f"expected an object, found {shown(value)}")


def json_records(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Return line number and object of every line that is not blank. Raises DataError that names the bad ones."""
    bad = BadLines(path)
    found = list(json_lines(path, bad))
    bad.check()
    return found


def read_each(path: Path, read: Callable[[dict[str, Any]], None]) -> None:
    """Have `read` take every line of a file that only grows; what it raises as BadLine is collected.

    Raises DataError that names the bad lines, and what else `read` raises.
    """
    bad = BadLines(path)
    for number, record in json_lines(path, bad):
        try:
            read(record)
        except BadLine as error:
            bad.add(number, str(error))
    try:
        bad.check()
    except DataError as error:
        raise DataError(f"{error}; restore it from version control") from error


def text_of(path: Path) -> str:
    """Return the file's text. Raises DataError with the line that is not UTF-8."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{shown_path(path)} line {line}: not UTF-8; save it as UTF-8") from error


def shown(value: object) -> str:
    """Return a value as messages show it: JSON, and short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _no_constant(name: str) -> None:
    raise BadLine(f"not JSON: {name} is no number in JSON")
