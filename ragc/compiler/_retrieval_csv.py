"""A grid of retrieval settings as CSV, for a spreadsheet: a line a setting, for all questions and for each slice."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from ragc._files import write_atomically
from ragc.evaluation import MEASURES, Rankings, Setting

COLUMNS = (
    *("task", "split", "slice", "reranker", "alpha", "k", "questions"),
    *(name for measure in MEASURES for name in (measure, f"{measure}_low", f"{measure}_high")),
)
"""Figures are 0 to 1; `_low` and `_high` bound the 95% interval, and are empty where there is none."""


def write_rows(file: Path, of: Sequence[str], rankings: Rankings) -> None:
    """Write `rankings` of the task and split `of`, whole or not at all. Raises RagcError in one line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([*of, *row] for row in _rows(rankings))
    write_atomically(file, text.getvalue())


def _rows(rankings: Rankings) -> Iterator[list[object]]:
    for name, settings in (("", rankings.settings), *rankings.slices.items()):
        for one in settings:
            figures = [value for measure in MEASURES for value in (getattr(one, measure), *_bounds(one, measure))]
            yield [name, one.reranker or "none", f"{one.alpha:g}", one.k, one.n, *figures]


def _bounds(one: Setting, measure: str) -> tuple[object, object]:
    return one.intervals.get(measure, ("", ""))
