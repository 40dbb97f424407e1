"""Who reads the test split: one function hands it to whoever looks at what programs answer."""

from __future__ import annotations

import ast
from pathlib import Path

import ragc

PACKAGE = Path(ragc.__file__).resolve().parent
SIZES = "how many there are, before or beside a run"
ALLOWED = {
    "data/_openings.py": "the opening itself",
    "data/_told.py": "questions are compared with what a program is told; nothing is answered",
    "cli/check.py": "a renewal's counts, and its ids for --json",
    "compiler/_compilation.py": SIZES,
    "compiler/_forecast.py": SIZES,
    "compiler/_lines.py": SIZES,
    "comparison/_power.py": SIZES,
}
"""Modules that name the test split, each with its reason."""


def _is_test_split(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Attribute) and node.attr == "test"):
        return False
    owner = node.value
    return (isinstance(owner, ast.Name) and owner.id == "splits") or (
        isinstance(owner, ast.Attribute) and owner.attr == "splits"
    )


def _reads(tree: ast.AST) -> tuple[int, int]:
    """How often the test split is named, and how often of that inside `len(...)`."""
    named = sum(map(_is_test_split, ast.walk(tree)))
    counted = sum(
        _is_test_split(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len" and node.args
    )
    return named, counted


def _found() -> dict[str, tuple[int, int]]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        named, counted = _reads(ast.parse(path.read_text("utf-8")))
        if named:
            found[path.relative_to(PACKAGE).as_posix()] = (named, counted)
    return found


def test_the_test_split_is_read_only_where_there_is_a_reason() -> None:
    assert _found().keys() == ALLOWED.keys()


def test_where_sizes_are_the_reason_only_sizes_are_read() -> None:
    found = _found()
    for module, reason in ALLOWED.items():
        named, counted = found[module]
        assert named == counted or reason != SIZES, f"{module} reads the test examples: open them (`open_test`)"


def test_the_guard_sees_both_ways_to_name_it() -> None:
    text = "a = splits.test\nb = self.bench.labelled.splits.test\nc = len(splits.test)\nd = other.test\n"
    assert _reads(ast.parse(text)) == (3, 1)
