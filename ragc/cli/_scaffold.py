"""The files of a new project: which there are, and writing those that are missing."""

from __future__ import annotations

import ast
import json
import os
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ragc._files import write_atomically
from ragc.errors import ConfigError

STARTER_TASK = "handbook"
STARTER_PROGRAM = "grounded"
_MARK = "# --- what ragc reads"
_SKIPPED = {"__pycache__", ".DS_Store"}


@dataclass(frozen=True)
class OwnTask:
    """A task of the user's own, in place of the starter's handbook."""

    name: str
    """A Python name: the artifact is imported by it."""
    corpus: Path
    """The folder or `.jsonl` of documents."""
    examples: Path
    """The `.jsonl` or `.csv` of labelled questions."""


@dataclass(frozen=True)
class Made:
    """What `make_project` did. Paths are relative to the root."""

    root: Path
    task: str
    written: tuple[str, ...]
    kept: tuple[str, ...]
    """Files that were there already and were left as they were."""


def make_project(root: Path, own: OwnTask | None = None) -> Made:
    """Write the files of a project that are missing in `root`, and `[tool.ragc]` into its pyproject.toml.

    No file is overwritten; a pyproject.toml keeps every byte and gets the tables at its end. It is written last, so
    that a run that was interrupted can be repeated. Raises ConfigError where there is a project already, and
    RagcError where nothing can be written.
    """
    task = own.name if own else STARTER_TASK
    pyproject = root / "pyproject.toml"
    configuration = _configuration(root, pyproject, own, task)
    files = _files(root, task, own)
    written, kept = [], []
    for relative, content in sorted(files.items()):
        if os.path.lexists(root / relative):
            kept.append(relative)
        else:
            write_atomically(root / relative, content)
            written.append(relative)
    written += _compiled_package(root)
    write_atomically(pyproject, configuration)
    return Made(root, task, (*written, "pyproject.toml"), tuple(kept))


def starters(kind: str) -> dict[str, Path]:
    """Name and file of every starter of a kind, `programs` or `optimizers`."""
    from ragc.project import starter

    return {path.stem: path for path in sorted((starter() / kind).glob("*.py")) if not path.stem.startswith("_")}


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
        for node in ast.walk(ast.parse(queue.pop().read_text("utf-8"))):
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


def _files(root: Path, task: str, own: OwnTask | None) -> dict[str, bytes]:
    """Path and content of every file of a new project but pyproject.toml; more programs come with `ragc add`."""
    from ragc.project import starter

    top = starter()
    sources = [
        *(top / "programs" / f"{name}.py" for name in ("__init__", STARTER_PROGRAM)),
        *(top / "optimizers").glob("*.py"),
        *((top / "data" / STARTER_TASK).rglob("*") if own is None else ()),
    ]
    files = {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in sources
        if path.is_file() and not _SKIPPED.intersection(path.parts)
    }
    words = {"project": project_name(root), "task": task}
    files[".gitignore"] = _template("gitignore").encode()
    if (root / ".gitignore").exists() and ".ragc" not in (root / ".gitignore").read_text("utf-8", errors="replace"):
        files[".ragc/.gitignore"] = b"*\n"
    if own is not None:
        files |= _empty_data(root, own)
    files["README.md"] = _filled("README.md", words).encode()
    files["tests/test_program.py"] = _template("test_program.py").encode()
    files["service.py"] = re.sub(rf"\b{STARTER_TASK}\b", task, _template("service.py")).encode()
    return files


def _empty_data(root: Path, own: OwnTask) -> dict[str, bytes]:
    """A place for the documents and the questions that were not given, below `root`."""
    files = {}
    if not own.corpus.exists():
        files[f"{_relative(own.corpus, root)}/.gitkeep"] = b""
    if not own.examples.exists():
        files[_relative(own.examples, root)] = b"question,answers\n"
    return files


def _configuration(root: Path, pyproject: Path, own: OwnTask | None, task: str) -> bytes:
    """The new content of pyproject.toml: the old one, byte for byte, and what it lacks at its end."""
    words = {
        "project": project_name(root),
        "task": task,
        "corpus": _quoted(own.corpus if own else f"data/{STARTER_TASK}/corpus", root),
        "examples": _quoted(own.examples if own else f"data/{STARTER_TASK}/examples.jsonl", root),
    }
    whole = _filled("project.toml", words)
    head, tables = whole.split(_MARK)[0], whole.split("---\n\n", 1)[1]
    if not os.path.lexists(pyproject):
        return (head + tables + _template("pytest.toml")).encode()
    try:
        old = pyproject.read_bytes()
        document = tomllib.loads(old.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{pyproject} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{pyproject} is not valid TOML: {error}; mend it first") from error
    tool = document.get("tool", {})
    if isinstance(tool, dict) and "ragc" in tool:
        raise ConfigError(f"{pyproject} has [tool.ragc] already: this is a ragc project; nothing was written")
    pytest = _template("pytest.toml") if _without_pytest(root, tool) else ""
    added = "\n" + tables + pytest
    if b"\r\n" in old:
        added = added.replace("\n", "\r\n")
    new = old + (b"" if not old or old.endswith(b"\n") else added[: added.index("\n") + 1].encode()) + added.encode()
    try:
        tomllib.loads(new.decode("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{pyproject}: [tool.ragc] cannot be added at its end ({error}); add it by hand") from error
    return new


def _without_pytest(root: Path, tool: object) -> bool:
    """Whether nothing configures pytest yet; what does would be overruled, or would overrule."""
    others = ("pytest.ini", ".pytest.ini", "pytest.toml", "tox.ini", "setup.cfg")
    return isinstance(tool, dict) and "pytest" not in tool and not any((root / name).exists() for name in others)


def _compiled_package(root: Path) -> list[str]:
    """Write `compiled/__init__.py` and its types where they are missing; the paths written."""
    from ragc.artifact import package

    folder = root / "compiled"
    if (folder / "__init__.py").exists():
        return []
    package(folder)
    return sorted(path.relative_to(root).as_posix() for path in folder.glob("__init__.*"))


def project_name(root: Path) -> str:
    """The folder's name as a distribution name."""
    return re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-") or "project"


def _quoted(path: Path | str, root: Path) -> str:
    """A path as a TOML string, relative to the root where it is given as a Path."""
    return json.dumps(path if isinstance(path, str) else _relative(path, root), ensure_ascii=False)


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()


def _template(name: str) -> str:
    return (resources.files("ragc") / "_templates" / name).read_text("utf-8")


def _filled(name: str, words: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: words[match[1]], _template(name))
