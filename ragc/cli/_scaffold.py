"""The files of a new project: which there are, and writing those that are missing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ragc._files import write_atomically
from ragc.cli._configuration import NewTask, filled, read_pyproject, tasks_in, template, whole, with_tables, with_task
from ragc.errors import ConfigError

STARTER_TASK = "handbook"
STARTER_PROGRAM = "grounded"
STARTER_OPTIMIZER = "bootstrap"
_SKIPPED = {"__pycache__", ".DS_Store", "openings.jsonl"}
"""What is in a checkout and begins nobody's project: who has opened a test split is told by who did."""


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
    """What `make_project` or `add_task` did. Paths are relative to the root."""

    root: Path
    task: str
    written: tuple[str, ...]
    kept: tuple[str, ...] = ()
    """Files that were there already and were left as they were."""
    undeclared: bool = False
    """There was a pyproject.toml, and ragc is not among its dependencies."""


def is_project(root: Path) -> bool:
    """Whether the pyproject.toml of the folder has [tool.ragc]. Raises ConfigError for one that cannot be read."""
    return tasks_in(read_pyproject(root / "pyproject.toml")) is not None


def make_project(root: Path, own: OwnTask | None = None) -> Made:
    """Write the files of a project that are missing in `root`, and `[tool.ragc]` into its pyproject.toml.

    No file is overwritten; a pyproject.toml keeps every byte and gets the tables at its end. It is written last, so
    that a run that was interrupted can be repeated. Raises ConfigError where there is a project already, and
    RagcError where nothing can be written.
    """
    file = root / "pyproject.toml"
    document = read_pyproject(file)
    if tasks_in(document) is not None:
        raise ConfigError(
            f"{file} has [tool.ragc] already: this is a ragc project; nothing was written (--task NAME adds a task)"
        )
    task = _new_task(root, own)
    name = project_name(root)
    if document is None:
        configuration = whole(name, task)
    else:
        configuration = with_tables(file, name, task, pytest=_without_pytest(root, document))
    written, kept = _write(root, _files(root, task, own))
    written += _compiled_package(root)
    write_atomically(file, configuration)
    return Made(root, task.name, (*written, file.name), tuple(kept), _lacks_ragc(document))


def add_task(root: Path, own: OwnTask) -> Made:
    """Add one more task to the project at `root`: its table at the end of pyproject.toml, and places for its data.

    Nothing that is there is touched; the program and the optimizer that the table names are copied in where the project
    lacks them. Raises ConfigError where there is a task of that name.
    """
    file = root / "pyproject.toml"
    tasks = tasks_in(read_pyproject(file)) or {}
    if own.name in tasks:
        raise ConfigError(f"{file} has a task {own.name} already; choose another name with --task")
    configuration = with_task(file, project_name(root), _new_task(root, own))
    starters = _starter_files([f"programs/{STARTER_PROGRAM}.py", f"optimizers/{STARTER_OPTIMIZER}.py"])
    written, _ = _write(root, _empty_data(root, own) | starters)
    write_atomically(file, configuration)
    return Made(root, own.name, (*written, file.name))


def project_name(root: Path) -> str:
    """The folder's name as a distribution name, and not the name of what it depends on."""
    name = re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-") or "project"
    return name if name != "ragc" else "ragc-project"


def _write(root: Path, files: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
    """Write those that are missing; the paths of those written and of those that were there."""
    written: list[str] = []
    kept: list[str] = []
    for relative, content in sorted(files.items()):
        if os.path.lexists(root / relative):
            kept.append(relative)
        else:
            write_atomically(root / relative, content)
            written.append(relative)
    return written, kept


def _new_task(root: Path, own: OwnTask | None) -> NewTask:
    if own is None:
        data = f"data/{STARTER_TASK}"
        return NewTask(STARTER_TASK, f"{data}/corpus", f"{data}/examples.jsonl", f"{data}/splits.json")
    from ragc.project import splits_beside

    splits = _relative(splits_beside(own.examples), root)
    return NewTask(own.name, _relative(own.corpus, root), _relative(own.examples, root), splits)


def _files(root: Path, task: NewTask, own: OwnTask | None) -> dict[str, bytes]:
    """Path and content of every file of a new project but pyproject.toml; more programs come with `ragc add`."""
    files = _starter_files(
        ["programs/__init__.py", f"programs/{STARTER_PROGRAM}.py", "optimizers/*.py"]
        + ([f"data/{STARTER_TASK}/**/*"] if own is None else [])
    )
    files[".gitignore"] = template("gitignore").encode()
    if (root / ".gitignore").exists() and ".ragc" not in (root / ".gitignore").read_text("utf-8", errors="replace"):
        files[".ragc/.gitignore"] = b"*\n"
    if own is not None:
        files |= _empty_data(root, own)
    files["README.md"] = _readme(root, task).encode()
    files["tests/test_program.py"] = template("test_program.py").encode()
    files["service.py"] = template("service.py").encode()
    return files


def _starter_files(patterns: list[str]) -> dict[str, bytes]:
    from ragc.project import starter

    top = starter()
    paths = [path for pattern in patterns for path in top.glob(pattern)]
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in paths
        if path.is_file() and not _SKIPPED.intersection(path.parts)
    }


def _empty_data(root: Path, own: OwnTask) -> dict[str, bytes]:
    """A place for the documents and the questions that were not given, below `root`."""
    files = {}
    if not own.corpus.exists():
        files[f"{_relative(own.corpus, root)}/.gitkeep"] = b""
    if not own.examples.exists():
        files[_relative(own.examples, root)] = b"question,answers\n"
    return files


def _readme(root: Path, task: NewTask) -> str:
    """The README of a new project: a line for what there is, the comments of its commands below each other."""
    rows = {task.corpus: "against what: the documents", task.examples: "against what: the labelled questions"}
    if all(path.startswith("data/") for path in rows):
        rows = {"data/": "against what: documents and labelled questions"}
    names = {path: f"{path}/" if (root / path).is_dir() else path for path in rows}
    words = {
        "project": project_name(root),
        "task": task.name,
        "data": "\n".join(f"| `{names[path]}` | {what} |" for path, what in rows.items()),
    }
    text = filled("README.md", words)
    commands = re.findall(r"^(ragc .*?)  (# .*)$", text, flags=re.MULTILINE)
    width = max(len(command) for command, _ in commands)
    for command, comment in commands:
        text = text.replace(f"{command}  {comment}", f"{command:<{width}}  {comment}")
    return text


def _without_pytest(root: Path, document: Mapping[str, object]) -> bool:
    """Whether nothing configures pytest yet; what does would be overruled, or would overrule."""
    tool = document.get("tool", {})
    others = ("pytest.ini", ".pytest.ini", "pytest.toml", "tox.ini", "setup.cfg")
    return isinstance(tool, dict) and "pytest" not in tool and not any((root / name).exists() for name in others)


def _lacks_ragc(document: Mapping[str, object] | None) -> bool:
    """Whether an existing pyproject.toml describes a distribution that does not depend on ragc."""
    project = (document or {}).get("project")
    if not isinstance(project, dict):
        return False
    dependencies = project.get("dependencies", [])
    named = [re.split(r"[^\w.-]", str(one).strip(), maxsplit=1)[0].lower() for one in dependencies]
    return "ragc" not in named


def _compiled_package(root: Path) -> list[str]:
    """Write `compiled/__init__.py` and its types where they are missing; the paths written."""
    from ragc.artifact import package

    folder = root / "compiled"
    if (folder / "__init__.py").exists():
        return []
    package(folder)
    return sorted(path.relative_to(root).as_posix() for path in folder.glob("__init__.*"))


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()
