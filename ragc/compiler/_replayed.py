"""`ragc verify --replay`: an artifact made again from the journal alone, and compared."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ragc.artifact import chosen_lm, verify
from ragc.compiler._compile import compile
from ragc.compiler._events import OnEvent, ignore
from ragc.errors import ArtifactError
from ragc.project import Project


@dataclass(frozen=True)
class Replayed:
    """What a replay of an artifact came to."""

    sealed: str
    """The artifact's id."""
    again: str
    """The id of what the replay sealed."""
    differs: tuple[str, ...]
    """The parts of the identity in which the two differ."""

    @property
    def is_same(self) -> bool:
        """Whether the replay came to the same artifact."""
        return self.sealed == self.again


def replay(place: Path, *, project: Project | Path | str | None = None, on_event: OnEvent = ignore) -> Replayed:
    """Makes the artifact at `place` again, from the journal of `project` alone, in a temporary folder.

    Raises:
        ConfigError: the journal does not know the run, or corpus, labels, program, settings have changed since.
        ModelError: a call is not in the journal; the first difference is named.
        RagcError: the artifact cannot be read.
    """
    manifest = verify(place)
    found = project if isinstance(project, Project) else Project.find(place if project is None else project)
    found = replace(found, settings=found.settings.model_copy(update={"lm": chosen_lm(manifest, None)}))
    optimizer = manifest.identity["optimizer"]
    if optimizer is None:
        raise ArtifactError(f"{place} was made without an optimizer: there is no run to replay")
    with tempfile.TemporaryDirectory(prefix="ragc-replay-") as folder:
        result = compile(
            manifest.task,
            project=found,
            optimizer=optimizer["name"],
            settings=optimizer["settings"],
            seed=optimizer["seed"],
            replay=manifest.id,
            target=Path(folder) / manifest.task,
            on_event=on_event,
        )
        if result.artifact is None:
            raise ArtifactError(f"the replay of {manifest.name} sealed nothing: the run was stopped before")
        again = verify(result.artifact)
    parts = {**manifest.identity, **again.identity}
    differs = tuple(name for name in parts if manifest.identity.get(name) != again.identity.get(name))
    return Replayed(manifest.id, again.id, differs)
