"""The architecture: who may import whom, and who may import what from outside."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragc

PACKAGE = Path(ragc.__file__).resolve().parent
REPOSITORY = PACKAGE.parent

# A room may import itself and what stands below it.
ORDER = [
    "cli",
    "comparison",
    "compiler",
    "tracking",
    "advise",
    "artifact",
    "report",
    "evaluation",
    "retrieval",
    "models",
    "data",
    "project",
    "_fence",
    "_tables",
    "_extras",
    "_text",
    "_files",
    "_secrets",
    "_messages",
    "_lazy",
    "errors",
]
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
# A third-party client is imported in one room only; SQLite is a library of two.
ONE_ROOM = {
    "mlflow": {"tracking"},
    "apsw": {"retrieval", "models"},
    "sqlite_vec": {"retrieval"},
    "xllamacpp": {"models"},
    "click": {"cli"},
    "pinecone": {"retrieval"},
    "psycopg": {"retrieval"},
    "qdrant_client": {"retrieval"},
    "weaviate": {"retrieval"},
}
NOT_OURS = {"_templates", "_starter"}


def _modules() -> list[Path]:
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in {*NOT_OURS, "__init__.py", "__main__.py"}
    ]


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import, those inside functions and under TYPE_CHECKING included."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import; name the room"
            module = node.module or ""
            if module == "ragc":
                yield from ((node.lineno, f"ragc.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def test_every_room_has_its_place_in_the_order() -> None:
    assert {_room(path) for path in _modules()} <= set(ORDER)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_dependencies_point_down_the_list(path: Path) -> None:
    room = _room(path)
    for line, module in _imports(path):
        parts = module.split(".")
        if parts[0] != "ragc" or len(parts) == 1 or parts[1] not in ORDER:
            continue
        assert ORDER.index(parts[1]) >= ORDER.index(room), f"{path}:{line}: {room} imports {module}, which is above it"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_private_modules_are_imported_by_their_own_room_only(path: Path) -> None:
    for line, module in _imports(path):
        parts = module.split(".")
        if parts[0] == "ragc" and len(parts) > 2 and parts[2].startswith("_"):
            assert parts[1] == _room(path), f"{path}:{line}: {module} is private to {parts[1]}"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_client_is_imported_in_its_one_room(path: Path) -> None:
    for line, module in _imports(path):
        homes = ONE_ROOM.get(module.split(".")[0])
        assert homes is None or _room(path) in homes, f"{path}:{line}: only {sorted(homes)} imports {module}"


def test_nothing_imports_a_pickle() -> None:
    files = [*_modules(), *(REPOSITORY / "programs").glob("*.py"), *(REPOSITORY / "optimizers").glob("*.py")]
    found = [f"{path}:{line}" for path in files for line, module in _imports(path) if module.split(".")[0] in PICKLES]
    assert found == []


def test_only_the_command_line_prints() -> None:
    found = []
    for path in _modules():
        if _room(path) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                found.append(f"{path}:{node.lineno}")
    assert found == []


def test_command_modules_import_only_light_modules_at_the_top() -> None:
    for path in (PACKAGE / "cli").glob("[!_]*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                light = name.split(".")[0] in {*sys.stdlib_module_names, "click"} or name in {
                    "ragc",
                    "ragc._messages",
                    "ragc.cli._terminal",
                    "ragc.errors",
                }
                assert light, f"{path}:{node.lineno}: {name} at module level makes every start slow"
