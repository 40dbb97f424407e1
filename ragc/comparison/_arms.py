"""The contestants of a comparison: what the settings of an arm come to in its project, and where it is searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ragc._files import canonical_json, digest
from ragc.artifact import chosen_lm, load, reached_embedder, verify
from ragc.compiler import identify, state_of
from ragc.errors import ArtifactError, ConfigError
from ragc.project import ChunkSettings, Project, load_optimizer, load_program, optimizer_settings
from ragc.retrieval import Retrieve

if TYPE_CHECKING:
    import dspy

    from ragc.artifact import Manifest
    from ragc.compiler import Identity, Labelled
    from ragc.project import ArmSettings, TaskSettings

_PLACE = ("api_key_env", "base_url", "timeout", "rpm", "tpm", "price")
"""Keys of an embedder's table that do not change its vectors."""


@dataclass(frozen=True)
class Arm:
    """One contestant, ready to be put on a bench."""

    name: str
    settings: ArmSettings
    """As they were given."""
    project: Project
    """With the arm's model, embedder and store."""
    task: TaskSettings
    """With the arm's program and chunking."""
    program: type[dspy.Module]
    make: Callable[[], dspy.Module]
    """Makes its program before any search, with the retrieval settings of the arm."""
    collection: str
    """The name of its index in the store."""
    optimizer: Callable[..., Any] | None = None
    optimizer_settings: Mapping[str, Any] | None = None
    manifest: Manifest | None = None
    """Of the artifact that it is, where it is one."""

    @property
    def model(self) -> str:
        """The model string that its program runs on."""
        return self.project.settings.lm.model

    def identity(self, labelled: Labelled) -> Identity:
        """Everything that decides what it answers, but the seed."""
        modules = {} if self.manifest is not None else {"program": self.program.__module__}
        if self.optimizer is not None:
            modules["optimizer"] = self.optimizer.__module__
        return identify(
            self.project,
            self.task,
            labelled,
            modules,
            **{
                "program name": self.program.__qualname__,
                "optimizer name": self.settings.optimizer,
                "settings": self.optimizer_settings or {},
                "artifact": None if self.manifest is None else self.manifest.id,
                "state": state_of(self.make()),
                "store": self.project.settings.store,
            },
        )

    @cached_property
    def says(self) -> dict[str, Any]:
        """What it has otherwise than the task, as it was given; the report shows it."""
        return self.settings.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude={"name"})


def resolve(project: Project, task: TaskSettings, settings: ArmSettings) -> Arm:
    """The arm that `settings` describe. Raises RagcError, naming the arm: what is in it cannot be used."""
    try:
        return _resolved(project, task, settings)
    except ConfigError as error:
        raise ConfigError(f'arm "{settings.name}": {error}') from error
    except ArtifactError as error:
        raise ArtifactError(f'arm "{settings.name}": {error}') from error


def _resolved(project: Project, task: TaskSettings, settings: ArmSettings) -> Arm:
    manifest = None
    mine, own = project, task
    if settings.artifact is not None:
        manifest = _artifact(project, task, settings.artifact)
        mine = _with(mine, lm=chosen_lm(manifest, None), embedder=reached_embedder(manifest))
        own = own.model_copy(update={"chunk": ChunkSettings(**manifest.identity["chunking"])})
    mine = _with_models(mine, settings)
    if settings.store is not None:
        mine = _with(mine, store=settings.store)
    if manifest is not None:
        sealed = load(manifest.path).program
        program: type[dspy.Module] = type(sealed)
        fresh: Callable[[], dspy.Module] = sealed.deepcopy
    else:
        own = own.model_copy(update={"program": settings.program or task.program})
        program = fresh = load_program(mine, own.program)
    optimizer = values = None
    if settings.optimizer is not None:
        optimizer = load_optimizer(mine, settings.optimizer)
        values = optimizer_settings(optimizer, settings.set)
    return Arm(
        settings.name,
        settings,
        mine,
        own,
        program,
        _maker(fresh, settings.retrieval),
        _collection(project, task, mine, own),
        optimizer,
        values,
        manifest,
    )


def _artifact(project: Project, task: TaskSettings, path: str) -> Manifest:
    place = project.path(path)
    if not place.is_dir():
        raise ArtifactError(f"no artifact at {path}: compile the task first, or give the path of another")
    manifest = verify(place)
    if manifest.task != task.name:
        raise ArtifactError(f'{path} is an artifact of "{manifest.task}", not of "{task.name}": compare it there')
    return manifest


def _with(project: Project, **changes: Any) -> Project:
    return replace(project, settings=project.settings.model_copy(update=changes))


def _with_models(project: Project, settings: ArmSettings) -> Project:
    """A name alone is read as `--lm` reads it: it keeps the endpoint of the configured provider."""
    if settings.lm is not None:
        is_name = settings.lm.model_fields_set == {"model"}
        project = project.with_lm(settings.lm.model) if is_name else _with(project, lm=settings.lm)
    if settings.embedder is not None:
        is_name = settings.embedder.model_fields_set == {"model"}
        project = (
            project.with_embedder(settings.embedder.model) if is_name else _with(project, embedder=settings.embedder)
        )
    return project


def _maker(fresh: Callable[[], dspy.Module], retrieval: Mapping[str, Any]) -> Callable[[], dspy.Module]:
    """What makes the program with these settings of retrieval. Raises ConfigError where it retrieves nothing."""

    def make() -> dspy.Module:
        program = fresh()
        for _, retrieve in program.named_sub_modules(type_=Retrieve):
            retrieve.load_state(dict(retrieval))
        return program

    if retrieval and not list(make().named_sub_modules(type_=Retrieve)):
        raise ConfigError(f"{', '.join(retrieval)} says nothing here: its program retrieves nothing")
    return make


def _collection(project: Project, task: TaskSettings, mine: Project, own: TaskSettings) -> str:
    """The index of the arm: the task's, or beside it one of its own where another embedder or chunking made it."""

    def made_with(one: Project, of: TaskSettings) -> dict[str, Any]:
        embedder = one.settings.embedder.model_dump(mode="json", exclude=set(_PLACE), exclude_none=True)
        return {"embedder": embedder, "chunk": of.chunk.model_dump(mode="json")}

    own_way = made_with(mine, own)
    if own_way == made_with(project, task):
        return task.name
    return f"{task.name}_{digest(canonical_json(own_way))[:8]}"
