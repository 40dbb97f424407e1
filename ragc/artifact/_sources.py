"""The program's own source: the file it is defined in and the project's modules that it imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from ragc.errors import ArtifactError

_NOT_SEALED = {"ragc", "compiled"}
"""`ragc` is installed where an artifact is used, also when the project is ragc's own repository; `compiled` holds
artifacts, which are sealed by themselves."""


def collect_sources(project_root: Path, module_name: str) -> dict[str, bytes]:
    """Return the files of `module_name` and of the project modules that it imports, by path below `project_root`.

    Imports are followed transitively, wherever they stand in a file, and a package comes with its `__init__.py`.
    Nothing is imported or run. What is computed at run time (`importlib.import_module(name)`, a file that the program
    opens) is not seen and not sealed.

    Raises ArtifactError when the module is not in the project or a file does not parse.
    """
    if _find(project_root, module_name) is None:
        raise ArtifactError(
            f"{module_name} is not in {project_root}; a program is sealed with its source, so keep it in the project"
        )
    found: dict[str, bytes] = {}
    waiting = [module_name]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _find(project_root, name)
        if path is None:
            continue
        source = path.read_bytes()
        found[path.relative_to(project_root).as_posix()] = source
        waiting += _parents(name)
        waiting += _imports(source, name, is_package=path.name == "__init__.py", path=path)
    return dict(sorted(found.items()))


def _find(root: Path, name: str) -> Path | None:
    """Return the file of a module of the project; None for other modules and for packages without `__init__.py`."""
    top = name.partition(".")[0]
    if top in _NOT_SEALED or top in sys.stdlib_module_names:
        return None
    place = root.joinpath(*name.split("."))
    for path in (place / "__init__.py", place.with_name(place.name + ".py")):
        if path.is_file():
            return path
    return None


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _imports(source: bytes, name: str, *, is_package: bool, path: Path) -> Iterator[str]:
    """Yield every module that the source may import; `from a import b` may mean the module `a.b`."""
    try:
        tree = ast.parse(source, filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise ArtifactError(f"{path} does not parse: {error}; mend it, it is sealed with the program") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, name, is_package=is_package)
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _base(node: ast.ImportFrom, name: str, *, is_package: bool) -> str:
    """Return the absolute name of the module that a `from … import` reads; empty when it leads out of the project."""
    if node.level == 0:
        return node.module or ""
    package = name.split(".") if is_package else name.split(".")[:-1]
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept) if kept else ""
