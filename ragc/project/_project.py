"""A project: a folder whose `pyproject.toml` has `[tool.ragc]`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc._messages import shown_path
from ragc.errors import ConfigError

if TYPE_CHECKING:
    from ragc.project._settings import ExperimentSettings, Settings, TaskSettings


@dataclass(frozen=True)
class Project:
    """A folder with programs, optimizers, data and compiled artifacts, and its validated configuration."""

    root: Path
    """The folder of `pyproject.toml`, absolute."""
    settings: Settings
    """`[tool.ragc]` with the `RAGC_*` variables over it."""
    name: str
    """The name in `[project]`, else the folder's."""

    @classmethod
    def find(cls, start: Path | str | None = None) -> Project:
        """Return the project that `start` (default: the working folder) lies in, the nearest one upwards.

        RAGC_LM, RAGC_EMBEDDER, RAGC_STORE, RAGC_TRACKING, RAGC_AUDIT and RAGC_REDACT override the file. Raises
        ConfigError in one line: no `[tool.ragc]` anywhere, bad TOML with its line, an unknown key with the nearest
        known one, a wrong type.
        """
        begin = Path(start or ".").resolve()
        found = cls.find_any(begin)
        if found is None:
            raise ConfigError(f'no pyproject.toml with [tool.ragc] in {begin} or above it; run "ragc init"')
        return found

    @classmethod
    def find_any(cls, start: Path | str | None = None) -> Project | None:
        """Like `find`, and return None where there is no `[tool.ragc]` anywhere."""
        from ragc.project._read import read_settings, read_toml

        begin = Path(start or ".").resolve()
        if not begin.exists():
            raise ConfigError(f"no folder {begin}")
        for folder in (begin, *begin.parents):
            file = folder / "pyproject.toml"
            if not file.is_file():
                continue
            document = read_toml(file)
            if isinstance(document.get("tool"), dict) and "ragc" in document["tool"]:
                settings = read_settings(file, document, os.environ)
                return cls(folder, settings, _name(folder, document))
        return None

    def task(self, name: str | None = None) -> TaskSettings:
        """Return the task of that name, or without a name the only one. Raises ConfigError, naming the nearest."""
        tasks = self.settings.tasks
        if not tasks:
            raise ConfigError(
                f'{shown_path(self.root / "pyproject.toml")}: no [tool.ragc.tasks.…]; add one or run "ragc init"'
            )
        if name is None:
            if len(tasks) > 1:
                raise ConfigError(f"{len(tasks)} tasks in this project; name one of {', '.join(sorted(tasks))}")
            return next(iter(tasks.values()))
        if name not in tasks:
            from ragc.project._explain import nearest

            raise ConfigError(f'unknown task "{name}", {nearest(name, tasks)}')
        return tasks[name]

    def experiment(self, name: str) -> ExperimentSettings:
        """Return the experiment of that name. Raises ConfigError, naming the nearest."""
        experiments = self.settings.experiments
        if name not in experiments:
            from ragc.project._explain import nearest

            if not experiments:
                raise ConfigError(
                    f'unknown experiment "{name}": {shown_path(self.root / "pyproject.toml")} has no '
                    "[tool.ragc.experiments.…]; add one, or say what to compare with --arm"
                )
            raise ConfigError(f'unknown experiment "{name}", {nearest(name, experiments)}')
        return experiments[name]

    def path(self, relative: str) -> Path:
        """Return a path of the configuration, made absolute against the root."""
        return self.root / relative

    def with_lm(self, model: str) -> Project:
        """Return the project with another model, as `--lm` gives it: a name or, in braces, a TOML table.

        A name of the configured model's provider, or one without a provider, is another model at the same endpoint.
        """
        from ragc.project._read import read_model
        from ragc.project._settings import ModelSettings

        lm = read_model(model.strip(), ModelSettings, self.settings.lm, "--lm")
        return replace(self, settings=self.settings.model_copy(update={"lm": lm}))

    def with_embedder(self, model: str) -> Project:
        """Return the project with another embedder: a name or, in braces, a TOML table. See `with_lm`."""
        from ragc.project._read import read_model
        from ragc.project._settings import EmbedderSettings

        embedder = read_model(model.strip(), EmbedderSettings, self.settings.embedder, "embedder")
        return replace(self, settings=self.settings.model_copy(update={"embedder": embedder}))

    @property
    def journal_path(self) -> Path:
        """Where the journal of all runs is."""
        return self.root / ".ragc" / "journal.db"

    def splits_path(self, task: TaskSettings) -> Path:
        """Return where the task's splits are committed: beside its examples."""
        return splits_beside(self.path(task.examples))

    def compiled_path(self, task: TaskSettings) -> Path:
        """Return the folder of the task's artifact."""
        return self.root / "compiled" / task.name


def project_name(root: Path) -> str:
    """Return the name in `[project]` of the `pyproject.toml` in `root`, else the folder's.

    Raises ConfigError when the file cannot be read.
    """
    from ragc.project._read import read_toml

    file = root / "pyproject.toml"
    return _name(root, read_toml(file) if file.is_file() else {})


def _name(folder: Path, document: Mapping[str, Any]) -> str:
    project = document.get("project")
    name = project.get("name") if isinstance(project, dict) else None
    return name if isinstance(name, str) and name else folder.name


def splits_beside(examples: Path) -> Path:
    """Return where the splits of a file of examples are: `splits.json` beside `examples.…`.

    Another file of examples, such as `faq.csv`, has `faq.splits.json`, so that two in one folder stay apart.
    """
    return examples.with_name("splits.json" if examples.stem == "examples" else f"{examples.stem}.splits.json")
