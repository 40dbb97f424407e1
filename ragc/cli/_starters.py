"""The starter files: which there are, and copying one into a project."""

from __future__ import annotations

import ast
import os
from pathlib import Path

from ragc._files import write_atomically
from ragc.errors import ConfigError


def starters(kind: str) -> dict[str, Path]:
    """Name and file of every starter of a kind, `programs` or `optimizers`."""
    from ragc.project import starter

    return {path.stem: path for path in sorted((starter() / kind).glob("*.py")) if not path.stem.startswith("_")}


def about(source: Path) -> str:
    """What the file says of itself: the first line of its docstring."""
    return (ast.get_docstring(_tree(source)) or "").partition("\n")[0]


def configured(kind: str, source: Path) -> str:
    """The file as a task of pyproject.toml names it.

    A program by its class, `programs.grounded:GroundedAnswer`, where the file defines one besides signatures; an
    optimizer by the file's name alone.
    """
    if kind != "programs":
        return source.stem
    classes = [node for node in _tree(source).body if isinstance(node, ast.ClassDef)]
    programs = [node.name for node in classes if "Signature" not in " ".join(map(ast.unparse, node.bases))]
    return f"{kind}.{source.stem}:{programs[0]}" if len(programs) == 1 else source.stem


def add_starter(root: Path, kind: str, name: str) -> tuple[str, ...]:
    """Copy a starter file into the project, with the starter modules that it imports and the project lacks.

    Returns the paths written, relative to the root. Raises ConfigError for a name there is no starter of, and for a
    file that is there already.
    """
    known = starters(kind)
    if name not in known:
        raise ConfigError(f'no starter in {kind}/ is called "{name}"; there are: {", ".join(known)}')
    source = known[name]
    wanted = {f"{kind}/{name}.py": source, **_imported(source, root)}
    if os.path.lexists(root / kind / f"{name}.py"):
        raise ConfigError(f"{root / kind / name}.py is there already; move it away to get the starter file")
    for relative, path in wanted.items():
        write_atomically(root / relative, path.read_bytes())
    return tuple(wanted)


def _imported(source: Path, root: Path) -> dict[str, Path]:
    """The starter modules that a starter file imports, directly or through another, and that the project lacks."""
    found: dict[str, Path] = {}
    top = source.parent.parent
    queue = [source]
    while queue:
        for node in ast.walk(_tree(queue.pop())):
            if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
                continue
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for relative in (f"{name.replace('.', '/')}.py" for name in names):
                if not relative.startswith(("programs/", "optimizers/")) or relative in found:
                    continue
                if (top / relative).is_file() and not os.path.lexists(root / relative):
                    found[relative] = top / relative
                    queue.append(top / relative)
    return found


def _tree(source: Path) -> ast.Module:
    return ast.parse(source.read_text("utf-8"))
