"""What an artifact takes from around it: where its passages are now, and which model was chosen for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ragc.artifact._manifest import PLACE, Manifest, real
from ragc.errors import ConfigError
from ragc.project import Project

if TYPE_CHECKING:
    from ragc.project import EmbedderSettings, ModelSettings, RerankerSettings, Settings

_WITHOUT_PROJECT = ("RAGC_STORE", "RAGC_AUDIT", "RAGC_REDACT")
"""What the environment says of an artifact's surroundings where there is no project; its model is its own."""

Model = TypeVar("Model", "ModelSettings", "EmbedderSettings")


def locate(target: str | None, start: Path | None = None) -> Path:
    """Return the folder of an artifact named on a command line: a bare name is a task, anything else is a path.

    None is the only task. Raises ConfigError for an unknown task, where there are several and none was named, or
    without a project at `start` (default: the working folder).
    """
    if target is not None and (os.sep in target or target.startswith(".")):
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


@dataclass(frozen=True)
class Home:
    """Where an artifact finds its passages: as the project around it is configured now."""

    root: Path
    store: str
    corpus: Path
    """Read when the index has to be built."""
    audit: str = "off"
    """The address of the answer log."""
    redact: str | None = None
    """What every text of a logged answer goes through: `module:function`."""


def home_of(manifest: Manifest, store: str | None = None) -> Home:
    """Return where the index is: `store` before RAGC_STORE before the project before the default.

    An artifact without a project around it has the defaults and variables, and the corpus where it was when it was
    compiled. Raises ConfigError when the project's configuration, or a variable, cannot be read.
    """
    from ragc.project import settings_alone

    root = root_of(manifest.path)
    settings = _settings(root)
    if settings is None:
        settings = settings_alone({name: os.environ.get(name, "") for name in _WITHOUT_PROJECT})
    task = settings.tasks.get(manifest.task)
    corpus = task.corpus if task else str(manifest.built.get("corpus") or f"data/{manifest.task}/corpus")
    return Home(root, store or settings.store, root / corpus, settings.audit, settings.redact)


def _settings(root: Path) -> Settings | None:
    """Return the configuration at `root`; None without a project."""
    return Project.find(root).settings if (root / "pyproject.toml").is_file() else None


def sealed_embedder(manifest: Manifest) -> EmbedderSettings:
    """Return the sealed `embedder` table."""
    from ragc.project import EmbedderSettings, EmbeddingPrice

    table = {**manifest.identity["embedder_settings"], **manifest.built["embedder_settings"]}
    if table.get("price"):
        table["price"] = EmbeddingPrice(**table["price"])
    return EmbedderSettings(**table)


def reached_embedder(manifest: Manifest) -> EmbedderSettings:
    """Return the sealed `embedder` table, with the address that the project around states for it; see `reached_lm`."""
    sealed, settings = sealed_embedder(manifest), _settings(root_of(manifest.path))
    return sealed if settings is None else _moved(sealed, settings.embedder)


def reached_rerankers(manifest: Manifest) -> list[RerankerSettings]:
    """Return the tables of rerankers: the project's around, then the sealed ones; the first of a name counts."""
    from ragc.project import RerankerSettings

    settings = _settings(root_of(manifest.path))
    sealed = [RerankerSettings.model_validate(table) for table in manifest.built.get("rerankers", ())]
    return [*(settings.rerankers if settings is not None else ()), *sealed]


def sealed_lm(manifest: Manifest) -> ModelSettings:
    """Return the sealed `lm` table: the measured model, and where it was reached."""
    from ragc.project import ModelSettings, Price

    table = {**manifest.identity["lm"], **manifest.built["lm"]}
    if table.get("price"):
        table["price"] = Price(**table["price"])
    return ModelSettings(**table)


def configured_lm(manifest: Manifest) -> ModelSettings | None:
    """Return the `lm` table of the project around the artifact; None without a project, or where it names none.

    RAGC_LM stands in for the table where it is set. Raises ConfigError when the configuration cannot be read.
    """
    settings = _settings(root_of(manifest.path))
    return settings.lm if settings is not None and "lm" in settings.model_fields_set else None


def reached_lm(manifest: Manifest) -> ModelSettings:
    """Return the sealed `lm` table, with the address that the project around the artifact states for that model.

    Where a model is reached is not what it is, so an endpoint may move without compiling again. What the project does
    not state stays as it was sealed, so that no question goes to a provider's public endpoint by mistake; but a
    `base_url` comes with its own key variable, so that no key goes to an endpoint that it was not meant for. Raises
    ConfigError when the configuration cannot be read.
    """
    sealed, configured = sealed_lm(manifest), configured_lm(manifest)
    return sealed if configured is None else _moved(sealed, configured)


def _moved(sealed: Model, configured: Model) -> Model:
    if configured.model != sealed.model:
        return sealed
    stated = {name: getattr(configured, name) for name in PLACE if name in configured.model_fields_set}
    if "base_url" in stated:
        stated["api_key_env"] = configured.api_key_env
    return sealed.model_copy(update=stated)


def chosen_lm(manifest: Manifest, choice: str | Mapping[str, Any] | ModelSettings | None) -> ModelSettings:
    """Return the `lm` table to use: `choice`, else RAGC_LM, else the sealed one (`reached_lm`).

    A name alone is another model: at the sealed address where that is one's own and the provider is the same, else at
    the provider's.
    Raises ConfigError for a table with unknown keys or wrong types.
    """
    from pydantic import ValidationError

    from ragc.project import ModelSettings

    if isinstance(choice, ModelSettings):
        return choice
    if choice is None:
        variable = os.environ.get("RAGC_LM", "").strip()
        return _named(manifest, variable, "RAGC_LM") if variable else reached_lm(manifest)
    if isinstance(choice, str):
        return _named(manifest, choice, "lm=")
    try:
        return ModelSettings.model_validate(dict(choice))
    except ValidationError as error:
        problem = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        where = ".".join(map(str, problem["loc"]))
        raise ConfigError(f"lm=: {where}: {problem['msg']}; see the table of lm in the README") from error


def _named(manifest: Manifest, name: str, source: str) -> ModelSettings:
    """Read a name, or a table in braces, as `--lm` does."""
    from ragc.project import Settings

    sealed = Project(manifest.path, Settings(lm=reached_lm(manifest)), manifest.task)
    try:
        return sealed.with_lm(name).settings.lm
    except ConfigError as error:
        raise ConfigError(str(error).replace("--lm", source, 1)) from error
