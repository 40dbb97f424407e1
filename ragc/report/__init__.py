"""Reports: one self-contained HTML page on a compile run or a comparison. It renders what it is given and asks nobody.

Names are loaded on first use: who only writes figures as the page does loads no page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use

if TYPE_CHECKING:
    from ragc.report._charts import Point, pareto_front
    from ragc.report._columns import COLUMNS, Column
    from ragc.report._first import first_steps
    from ragc.report._page import render
    from ragc.report._study import Answer, Arm, Difference, Prompt, Question, Source, Step, Study, Tried
    from ragc.report._views import modes_of, questions_of, sources_of
    from ragc.report._write import NONE, usd, write

_HOME = {
    "Answer": "_study",
    "Arm": "_study",
    "COLUMNS": "_columns",
    "Column": "_columns",
    "Difference": "_study",
    "NONE": "_write",
    "Point": "_charts",
    "Prompt": "_study",
    "Question": "_study",
    "Source": "_study",
    "Step": "_study",
    "Study": "_study",
    "Tried": "_study",
    "first_steps": "_first",
    "modes_of": "_views",
    "pareto_front": "_charts",
    "questions_of": "_views",
    "render": "_page",
    "sources_of": "_views",
    "usd": "_write",
    "write": "_write",
}

__all__ = [
    "Answer",
    "Arm",
    "COLUMNS",
    "Column",
    "Difference",
    "NONE",
    "Point",
    "Prompt",
    "Question",
    "Source",
    "Step",
    "Study",
    "Tried",
    "first_steps",
    "modes_of",
    "pareto_front",
    "questions_of",
    "render",
    "sources_of",
    "usd",
    "write",
]


__getattr__, __dir__ = on_first_use(__name__, _HOME)
