"""Projects to try things on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ragc.project import Project

TASK = """
[tool.ragc.tasks.handbook]
program = "grounded"
corpus = "data/handbook/corpus"
examples = "data/handbook/examples.jsonl"
"""

MakeProject = Callable[..., Project]


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """Return a function that writes files, `{path: text}`, below a folder of that name and opens the project."""

    def make(files: dict[str, str] | None = None, name: str = "mine", config: str = "[tool.ragc]" + TASK) -> Project:
        root = tmp_path / name
        for path, text in {"pyproject.toml": config, **(files or {})}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        return Project.find(root)

    return make
