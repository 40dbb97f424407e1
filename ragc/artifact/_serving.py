"""What an artifact needs to answer: model, adapter and index, opened at the first call, once in each process."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dspy

from ragc.artifact._home import chosen_lm, home_of, sealed_lm
from ragc.artifact._manifest import Manifest
from ragc.errors import ArtifactError, StoreError

if TYPE_CHECKING:
    from ragc.project import ModelSettings
    from ragc.retrieval import Index


@dataclass(frozen=True)
class Choices:
    """What the caller of `ragc.load` chose instead of what is sealed or configured."""

    lm: str | Mapping[str, Any] | ModelSettings | dspy.LM | None = None
    store: str | None = None
    filters: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Opened:
    """Everything open, in this process."""

    lm: dspy.LM
    adapter: dspy.Adapter
    settings: ModelSettings
    model: str
    """The model as it resolves here."""
    count_tokens: Callable[[str], int]
    index: Index | None
    """None for a program that retrieves nothing."""
    differs: tuple[str, ...]
    """What is not as it was measured: `model`, `adapter`, `filters`."""


class Serving:
    """Opens what is needed, when it is needed. Copies of an artifact share it; a forked process opens its own."""

    def __init__(self, manifest: Manifest, choices: Choices, *, retrieves: bool) -> None:
        self.manifest = manifest
        self.choices = choices
        self._retrieves = retrieves
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        _SERVING.add(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Serving:
        return self

    @property
    def opened(self) -> Opened | None:
        """What is open already; None before the first call."""
        return self._opened

    def open(self) -> Opened:
        """Return model and index, opened. Raises ModelError, StoreError, ArtifactError or ConfigError in one line."""
        if self._opened is None:
            with self._lock:
                if self._opened is None:
                    self._opened = self._open()
        return self._opened

    def forget(self) -> None:
        """Start anew, in a process that was forked: threads, sockets and database handles stayed with the parent."""
        self._lock = threading.Lock()
        self._opened = None

    def check(self) -> str:
        """Return one line that says what it would answer with. Raises what `open` raises, and for a missing key."""
        from ragc.models import check_model

        opened = self.open()
        if not isinstance(self.choices.lm, dspy.LM):
            check_model(opened.settings)
        index = "no index needed" if opened.index is None else f"index {str(opened.index.corpus_version)[:8]}"
        return f"{self.manifest.task} {self.manifest.name} is ready: {opened.model}, {index}"

    def _open(self) -> Opened:
        from ragc.models import describe, make_adapter, make_lm, token_counter

        manifest = self.manifest
        project, _ = home_of(manifest, self.choices.store)
        given = self.choices.lm
        if isinstance(given, dspy.LM):
            lm, settings = given, self._settings_of(given)
            model = {"model": given.model}
            changed = settings.model != manifest.identity["lm"]["model"]
        else:
            settings = chosen_lm(project, given)
            lm, model = make_lm(settings), describe(settings)
            changed = _answers(settings) != _answers(sealed_lm(manifest)) or model != manifest.identity["model"]
        adapter = make_adapter(settings)
        differs = {
            "model": changed,
            "adapter": type(adapter).__name__ != manifest.identity["adapter"],
            "filters": bool(self.choices.filters),
        }
        return Opened(
            lm=lm,
            adapter=adapter,
            settings=settings,
            model=str(model["model"]),
            count_tokens=token_counter(settings),
            index=self._index() if self._retrieves else None,
            differs=tuple(name for name, does in differs.items() if does),
        )

    def _index(self) -> Index:
        from ragc.retrieval import open_index

        project, task = home_of(self.manifest, self.choices.store)
        try:
            return open_index(project, task)
        except StoreError as error:
            raise ArtifactError(f"{self.manifest.task} {self.manifest.name} cannot use the index: {error}") from error

    def _settings_of(self, lm: dspy.LM) -> ModelSettings:
        """The sealed table for the sealed model, so that its adapter stays; a new one for any other."""
        from ragc.project import ModelSettings

        sealed = sealed_lm(self.manifest)
        return sealed if lm.model == sealed.model else ModelSettings(model=lm.model)


def _answers(settings: ModelSettings) -> dict[str, Any]:
    """The part of the table that changes what a model answers; not where it is reached and how fast."""
    return settings.model_dump(include={"model", "max_tokens", "temperature", "context"})


_SERVING: weakref.WeakSet[Serving] = weakref.WeakSet()


def _after_fork() -> None:
    for serving in list(_SERVING):
        serving.forget()


os.register_at_fork(after_in_child=_after_fork)
