"""The project that an artifact answers for: its store and corpus as configured now, the rest as it was sealed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc.artifact._manifest import Manifest, real
from ragc.errors import ConfigError
from ragc.project import Project

if TYPE_CHECKING:
    from ragc.project import ModelSettings, TaskSettings


def locate(target: str, start: Path | None = None) -> Path:
    """Return the folder of an artifact named on a command line: a bare name is a task, anything else is a path.

    Raises ConfigError for an unknown task, or without a project at `start` (default: the working folder).
    """
    if os.sep in target or target.startswith("."):
        return Path(target)
    project = Project.find(start)
    return project.compiled_path(project.task(target))


def root_of(path: Path) -> Path:
    """Return the folder that relative paths are meant from: the nearest project's, else the parent of `compiled/`."""
    folder = real(path)
    for parent in folder.parents:
        file = parent / "pyproject.toml"
        if file.is_file() and "tool.ragc" in file.read_text("utf-8", errors="replace"):
            return parent
    return folder.parent.parent


def home_of(manifest: Manifest, store: str | None = None) -> tuple[Project, TaskSettings]:
    """Return the project and the task to open the index with.

    Store and corpus are the project's own, as configured now; model, embedder, chunking and metric are the sealed ones.
    `store` overrides, then RAGC_STORE, then the project. An artifact without a project around it has the defaults.
    Raises ConfigError when the project's configuration cannot be read.
    """
    from ragc.project import ChunkSettings, EmbedderSettings, Settings, TaskSettings

    root = root_of(manifest.path)
    if (root / "pyproject.toml").is_file():
        project = Project.find(root)
    else:
        project = Project(root, Settings(), root.name)
        store = store or os.environ.get("RAGC_STORE", "").strip() or None
    identity = manifest.identity
    sealed = {
        "program": manifest.program,
        "metric": identity["metric"],
        "chunk": ChunkSettings(**identity["chunking"]),
    }
    configured = project.settings.tasks.get(manifest.task)
    task = (
        configured.model_copy(update=sealed)
        if configured
        else TaskSettings(
            name=manifest.task,
            corpus=manifest.built.get("corpus", f"data/{manifest.task}/corpus"),
            examples=manifest.built.get("examples", f"data/{manifest.task}/examples.jsonl"),
            **sealed,
        )
    )
    settings = project.settings.model_copy(
        update={
            "lm": sealed_lm(manifest),
            "embedder": EmbedderSettings(**identity["embedder_settings"], **manifest.built["embedder_settings"]),
            "store": store or project.settings.store,
            "tasks": {**project.settings.tasks, manifest.task: task},
        }
    )
    return Project(project.root, settings, project.name), task


def sealed_lm(manifest: Manifest) -> ModelSettings:
    """Return the sealed `lm` table: the measured model, and where it was reached."""
    from ragc.project import ModelSettings, Price

    table = {**manifest.identity["lm"], **manifest.built["lm"]}
    if table.get("price"):
        table["price"] = Price(**table["price"])
    return ModelSettings(**table)


def chosen_lm(project: Project, choice: str | Mapping[str, Any] | ModelSettings | None) -> ModelSettings:
    """Return the `lm` table to use: `choice`, else RAGC_LM, else the sealed one (`project.settings.lm`).

    A name alone is another model without the sealed address and key variable, unless it is the sealed model's own.
    Raises ConfigError for a table with unknown keys or wrong types.
    """
    from pydantic import ValidationError

    from ragc.project import ModelSettings

    if isinstance(choice, ModelSettings):
        return choice
    if choice is None:
        variable = os.environ.get("RAGC_LM", "").strip()
        return _named(project, variable, "RAGC_LM") if variable else project.settings.lm
    if isinstance(choice, str):
        return _named(project, choice, "lm=")
    try:
        return ModelSettings.model_validate(dict(choice))
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(f"lm=: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error


def _named(project: Project, name: str, source: str) -> ModelSettings:
    try:
        return project.with_lm(name).settings.lm
    except ConfigError as error:
        raise ConfigError(str(error).replace("--lm", source, 1)) from error
