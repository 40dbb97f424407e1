"""What `from compiled import handbook` gives: a callable that loads nothing before it is first used.

Imports the standard library only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragc.artifact._program import Artifact

_MANIFEST = "manifest.json"


class LazyArtifact:
    """An artifact that is verified and loaded at its first use; from then on it is what `ragc.load` returns.

    It answers calls as that does, and hands every other attribute on. It is no dspy.Module itself: where one is
    needed, as a part of another program, take `handbook.module`.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._kept: dict[str, Artifact] = {}

    @property
    def module(self) -> Artifact:
        """The artifact as a dspy.Module. Loads it; raises what `ragc.load` raises."""
        if not self._kept:
            from ragc.artifact import load

            # Without a lock, which a forked worker could inherit locked: of two that load at once, one is kept.
            self._kept.setdefault("artifact", load(self._path))
        return self._kept["artifact"]

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        return self.module(*args, **inputs)

    def __getattr__(self, name: str) -> Any:
        # Python asks for __deepcopy__, __len__ and the like on its own: that is no use of the artifact.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.module, name)

    def __reduce__(self) -> tuple[type[LazyArtifact], tuple[Path]]:
        return LazyArtifact, (self._path,)

    def __repr__(self) -> str:
        return f"<artifact {self._path}>"


def names(folder: Path) -> list[str]:
    """Return the names of the artifacts in `folder`."""
    return sorted(path.parent.name for path in folder.glob(f"[!.]*/{_MANIFEST}") if path.parent.name.isidentifier())


def find(folder: Path, name: str) -> LazyArtifact:
    """Return the artifact `name` in `folder`. Raises AttributeError, naming those that are there."""
    if name.startswith("_") or not (folder / name / _MANIFEST).is_file():
        there = ", ".join(names(folder)) or "none"
        raise AttributeError(f"no artifact {name!r} in {folder} (there: {there}); ragc compile {name} makes it")
    return LazyArtifact(folder / name)
