"""The shape of a completion as a GBNF grammar, so that a model of any size writes every output field, and nothing else.

Without demonstrations SmolLM2-135M answers six questions of ten with an empty line; under a grammar it cannot.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

LONGEST_LINE = 300
"""Characters of a field that another one follows: an endless one would leave no room for it."""

_COMMON = {
    "start": r'" "? [^ \t\n\r]',
    "line": r"start [^\n\r]*",
    "short": rf"start [^\n\r]{{0,{LONGEST_LINE}}}",
    "int": '"-"? [0-9]{1,15}',
    "float": '"-"? [0-9]{1,15} ("." [0-9]{1,9})?',
    "string": r'"\"" [^"\\\n\r]* "\""',
    "strings": '"[" (string (", " string)*)? "]"',
}


def grammar(fields: Mapping[str, Any]) -> str:
    """The GBNF of a completion that continues after the label of the first field.

    `fields`: the label of each output field, in order, to its type. Text is one line, which is not empty; `bool`,
    `int`, `float`, `Literal`, enums and `list[str]` are what they say; every other type is one line.
    """
    root: list[str] = []
    rules = dict(_COMMON)
    for number, (label, annotation) in enumerate(fields.items()):
        if number:
            root.append(_quoted(f"\n{label}:"))
        choices = _choices(annotation)
        if choices:
            rules[f"choice{number}"] = " | ".join(_quoted(choice) for choice in choices)
            root += ['" "', f"choice{number}"]
        elif annotation in (int, float):
            root += ['" "', annotation.__name__]
        elif annotation == list[str]:
            root += ['" "', "strings"]
        else:
            root.append("line" if number == len(fields) - 1 else "short")
    rules["root"] = " ".join([*root, r'"\n"?'])
    return "\n".join(f"{name} ::= {rule}" for name, rule in rules.items())


def _choices(annotation: Any) -> list[str]:
    if annotation is bool:
        return ["True", "False"]
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [str(member.value) for member in annotation]
    return []


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
