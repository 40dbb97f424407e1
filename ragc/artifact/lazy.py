"""What `from compiled import handbook` gives: a callable that loads nothing before it is first used.

Imports the standard library only.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dspy

    from ragc.artifact._manifest import Manifest
    from ragc.artifact._program import Artifact, Inputs

_MANIFEST = "manifest.json"


class LazyArtifact:
    """A compiled program, ready to answer: `from compiled import handbook`.

        prediction = handbook(question="Can I carry days over?")
        prediction.answer        the answer
        prediction.citations     ids of the passages that support it; none: do not rely on it
        prediction.passages      all passages that it was looked for in: document, title, text, score
        prediction.provenance    which artifact, model and corpus answered, and whether that is what was measured

        await handbook.acall(question="…")     the same without blocking the event loop
        handbook.batch(["…", "…"])             many at once: an answer or an error for each
        handbook.ready()                       check model, key, index and store; asks no model
        handbook.with_filters({"team": "hr"})  the same, but it sees only documents that match; one for each user
        handbook.module                        the dspy.Module, to build on or to compile again
        handbook.id, handbook.manifest         what it is

    Nothing is loaded before the first use; then the artifact is verified. `ragc show` says what it is, card.md and
    report.html in its folder how good. What goes wrong is an error of `ragc.errors`, in one line that says what to do.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._kept: dict[str, Artifact] = {}

    def __call__(self, *question: str, **inputs: Any) -> dspy.Prediction:
        """Answer one question: `handbook(question="…")`, or whatever inputs the program has, by name."""
        return self.module(*question, **inputs)

    async def acall(self, *question: str, **inputs: Any) -> dspy.Prediction:
        """Answer one question without blocking the event loop: `await handbook.acall(question="…")`."""
        if not self._kept:
            import asyncio

            await asyncio.to_thread(lambda: self.module)
        return await self.module.acall(*question, **inputs)

    def batch(self, inputs: Sequence[Inputs], *, threads: int = 8) -> list[dspy.Prediction | Exception]:
        """Answer many questions (or mappings of inputs), `threads` at once, in their order.

        A question that could not be answered has the error in its place. Raises what no question could be answered
        with: a missing key, a missing index.
        """
        return self.module.batch(inputs, threads=threads)

    def ready(self) -> str:
        """Check model, key, index and store, and return one line that says what it answers with. Asks no model.

        For the start of a service. Raises an error of `ragc.errors` in one line that says what is missing.
        """
        return self.module.ready()

    def with_filters(self, filters: Mapping[str, Any]) -> Artifact:
        """Return a copy that finds only what matches `filters`; it shares model and index, so make one for each user.

        Raises ConfigError for filters that compare with nothing: None, blank text, or no field at all.
        """
        return self.module.with_filters(filters)

    @property
    def module(self) -> Artifact:
        """The artifact as a dspy.Module, with the program inside. Loads it; raises what `ragc.load` raises."""
        if not self._kept:
            # Without a lock, which a forked worker could inherit locked: of two that load at once, one is kept.
            self._kept.setdefault("artifact", _loaded(self._path))
        return self._kept["artifact"]

    @property
    def manifest(self) -> Manifest:
        """What the artifact says about itself: verdict, scores, cost, model. Loads it."""
        return self.module.manifest

    @property
    def id(self) -> str:
        """The artifact's id, 64 hexadecimal digits. Loads it."""
        return self.module.id

    def __getattr__(self, name: str) -> Any:
        # Python asks for __deepcopy__, __len__ and the like on its own: that is no use of the artifact.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.module, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> LazyArtifact:
        # A program that calls it is copied for each user (`with_filters`), and is not to load it each time.
        return self

    def __reduce__(self) -> tuple[type[LazyArtifact], tuple[Path]]:
        return LazyArtifact, (self._path,)

    def __repr__(self) -> str:
        return repr(self._kept["artifact"]) if self._kept else f"<artifact {self._path}, not loaded yet>"


def _loaded(path: Path) -> Artifact:
    """The artifact. No looking for garbage meanwhile: what is imported stays, and looking takes a tenth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        from ragc.artifact import load

        return load(path)
    finally:
        if collects:
            if not gc.get_freeze_count():  # what somebody froze stays frozen
                gc.freeze()  # what is new counts as old from now on: else the next look would go through all of it
                gc.unfreeze()
            gc.enable()


def names(folder: Path) -> list[str]:
    """Return the names of the artifacts in `folder`."""
    return sorted(path.parent.name for path in folder.glob(f"[!.]*/{_MANIFEST}") if path.parent.name.isidentifier())


def find(folder: Path, name: str) -> LazyArtifact:
    """Return the artifact `name` in `folder`. Raises AttributeError, naming those that are there."""
    if name.startswith("_") or not (folder / name / _MANIFEST).is_file():
        raise AttributeError(_not_there(folder, name))
    return LazyArtifact(folder / name)


def _not_there(folder: Path, name: str) -> str:
    there = ", ".join(names(folder)) or "none"
    return f"no artifact {name!r} in {folder} (there: {there}); ragc compile {name} makes it"


class _Hints:
    """Says in the ImportError of `from compiled import nope` what the AttributeError of `compiled.nope` says.

    Python drops that one, and looks for a module `compiled.nope` before it gives up: finders are asked, this one last.
    """

    @staticmethod
    def find_spec(fullname: str, path: object, target: object = None) -> None:
        package, _, name = fullname.rpartition(".")
        ours = vars(sys.modules.get(package, object))
        folder = ours.get("_HERE")
        if name.startswith("_") or folder is None or ours.get("lazy") is not sys.modules[__name__]:
            return
        if name in names(folder):
            raise ImportError(f"{name} is an artifact and no module: from {package} import {name}", name=fullname)
        raise ImportError(_not_there(folder, name), name=fullname)


sys.meta_path.append(_Hints)
