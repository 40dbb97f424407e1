"""`tone`: whether an answer keeps the user's own rules of style, as a model judges it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragc._messages import shown_path
from ragc.errors import ConfigError
from ragc.evaluation.metrics._score import Score, answered
from ragc.evaluation.metrics._semantic_f1 import judge_of

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.evaluation.metrics._measure import Tools
    from ragc.project import Project

_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+(?P<rule>\S.*)$")
MOST_RULES = 40
"""More than a model keeps apart."""


@dataclass(frozen=True)
class Style:
    """A file of rules, read."""

    path: str
    rules: tuple[str, ...]


def tone(example: Example, prediction: Any, tools: Tools, *, style: str | Style) -> Score:
    """The share of the rules in the file `style` that the answer keeps.

    The file is Markdown in the project; its list items are the rules, one each. Whether the answer is right does not
    count; abstention is scored as by every other metric.
    """
    answer, settled = answered(example, prediction)
    if settled is not None:
        return settled
    if not answer.strip():
        return Score(0.0, "There is no answer.")
    rules = style.rules if isinstance(style, Style) else ()
    return judge_of(tools, "tone").styled(example.question, rules, answer)


def read_style(project: Project, path: str) -> Style:
    """The rules in a file of the project. Raises ConfigError: no such file, no rule in it, or too many."""
    file = project.path(path)
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"metric tone: style={shown_path(file)}: {str(reason).lower()}") from error
    rules: list[str] = []
    is_open = False
    for line in lines:
        if found := _ITEM.match(line):
            rules.append(found["rule"].strip())
        elif is_open and line.startswith((" ", "\t")) and line.strip():
            rules[-1] += f" {line.strip()}"
        is_open = bool(rules) and bool(line.strip())
    if not 1 <= len(rules) <= MOST_RULES:
        raise ConfigError(
            f"metric tone: {shown_path(file)} has {len(rules) or 'no'} rules: expected 1 to {MOST_RULES} list items, "
            'such as "- Address the reader as you."'
        )
    return Style(path, tuple(rules))
