"""The pyproject.toml of a project: written whole, or added to, with every byte that was there kept."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from ragc.errors import ConfigError

_MARK = "# --- what ragc reads"


@dataclass(frozen=True)
class NewTask:
    """What a new task's table says. Paths are as they are written there: relative to the project's root."""

    name: str
    corpus: str
    examples: str
    splits: str
    """Where the questions' splits will be, for a comment."""


def read_pyproject(file: Path) -> dict[str, Any] | None:
    """Return its tables, None where there is no file. Raises ConfigError for one that is unreadable or not TOML."""
    if not os.path.lexists(file):
        return None
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}; mend it first") from error


def tasks_in(document: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the tasks of a project's pyproject.toml; None where it has no [tool.ragc]."""
    tool = (document or {}).get("tool")
    if not isinstance(tool, dict) or "ragc" not in tool:
        return None
    tasks = tool["ragc"].get("tasks", {}) if isinstance(tool["ragc"], dict) else {}
    return tasks if isinstance(tasks, dict) else {}


def whole(project: str, task: NewTask) -> bytes:
    """A new pyproject.toml."""
    head, tables = _parts(project, task)
    return (head + source_of_ragc() + tables + template("pytest.toml")).encode()


def with_tables(file: Path, project: str, task: NewTask, *, pytest: bool) -> bytes:
    """The file with [tool.ragc] at its end, and with `pytest` its configuration. Raises ConfigError where it cannot."""
    added = _parts(project, task)[1] + (template("pytest.toml") if pytest else "")
    return _appended(file, added, "[tool.ragc]")


def with_task(file: Path, project: str, task: NewTask) -> bytes:
    """The file of a project with one more task at its end. Raises ConfigError where it cannot be added."""
    header = f"[tool.ragc.tasks.{task.name}]"
    lines = _parts(project, task)[1].partition(header)[2].splitlines(keepends=True)
    return _appended(file, header + "".join(line for line in lines if not line.startswith("#")), header)


def source_of_ragc() -> str:
    """Where uv takes ragc from, as it is installed here; a comment where it came from a package index.

    Written by pip and uv for everything that was installed by its address (PEP 610).
    """
    try:
        record = json.loads(metadata.distribution("ragc").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        record = {}
    url, path = str(record.get("url", "")), _local(str(record.get("url", "")))
    source: dict[str, str | bool] = {}
    if "vcs_info" in record:
        source = {"git": url, "rev": record["vcs_info"]["commit_id"]}
    elif path is not None and path.exists():
        source = {"path": str(path)} | ({"editable": True} if record.get("dir_info", {}).get("editable") else {})
    elif url.startswith("https://"):
        source = {"url": url}
    if not source:
        return template("index.toml")
    table = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in source.items())
    return filled("source.toml", {"source": f"{{ {table} }}"})


def template(name: str) -> str:
    """The text of a file in ragc/_templates."""
    return (resources.files("ragc") / "_templates" / name).read_text("utf-8")


def filled(name: str, words: dict[str, str]) -> str:
    """The text of a file in ragc/_templates, every `{{word}}` in it replaced."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: words[match[1]], template(name))


def _local(url: str) -> Path | None:
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _parts(project: str, task: NewTask) -> tuple[str, str]:
    """The head of a new pyproject.toml, and [tool.ragc] with the task."""
    words = {
        "project": project,
        "task": task.name,
        "corpus": json.dumps(task.corpus, ensure_ascii=False),
        "examples": json.dumps(task.examples, ensure_ascii=False),
        "splits": task.splits,
    }
    text = filled("project.toml", words)
    return text.split(_MARK)[0], text.split("---\n\n", 1)[1]


def _appended(file: Path, text: str, what: str) -> bytes:
    """The bytes of the file, and after an empty line the text, with the file's own line ends."""
    old = file.read_bytes()
    end = "\r\n" if b"\r\n" in old else "\n"
    begin = "" if not old or old.endswith(b"\n") else end
    new = old + (begin + end + text.replace("\n", end)).encode()
    try:
        tomllib.loads(new.decode("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file}: {what} cannot be added at its end ({error}); add it by hand") from error
    return new
