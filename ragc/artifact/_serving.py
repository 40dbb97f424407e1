"""What an artifact needs to answer: model, adapter and index, opened at the first call, once in each process."""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dspy

from ragc.artifact._home import Home, chosen_lm, home_of, reached_embedder, reached_rerankers, sealed_lm
from ragc.artifact._manifest import Manifest
from ragc.artifact._quotes import Outdated, Quotes, quoted_by
from ragc.artifact.answers import AnswerLog, open_log
from ragc.errors import ArtifactError, StoreError
from ragc.project import ModelSettings

if TYPE_CHECKING:
    from ragc.retrieval import Condition, Index


@dataclass(frozen=True)
class Choices:
    """What the caller of `ragc.load` chose instead of what is sealed or configured."""

    lm: str | Mapping[str, Any] | ModelSettings | dspy.LM | None = None
    store: str | None = None


@dataclass(frozen=True)
class Opened:
    """Everything open, in this process."""

    lm: dspy.LM
    adapter: dspy.Adapter
    model: str
    """The model as it resolves here."""
    count_tokens: Callable[[str], int]
    index: Index | None
    """None for a program that retrieves nothing."""
    differs: tuple[str, ...]
    """What is not as it was measured: `model`, `adapter`."""
    log: AnswerLog | None
    """None where answers are not logged."""


class Serving:
    """Opens what is needed, when it is needed. Copies of an artifact share it; a forked process opens its own."""

    def __init__(self, manifest: Manifest, choices: Choices, quotes: Quotes | None) -> None:
        """`quotes` is None for a program that retrieves nothing, which has no index."""
        self.manifest = manifest
        self.choices = choices
        self._quotes = quotes
        self._outdated: tuple[str, Outdated | None] = ("" if quotes is None else quotes.corpus_version, None)
        self._quoted: tuple[str | None, dict[str, Mapping[str, object] | None]] = (None, {})
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

    def outdated(self, corpus_version: str | None = None) -> Outdated | None:
        """Return the demonstrations that quote what the index no longer holds.

        Looked up once for each state of the documents, of which `corpus_version` (default: the index's) is the
        fingerprint, and not at all for the one that was sealed. In the midst of an update it is as before.
        """
        index = self.open().index
        if index is None or self._quotes is None or not self._quotes.documents:
            return None
        version, found = self._outdated
        now = corpus_version or index.corpus_version
        if now is not None and now != version:
            held = index.passages(self._quotes.documents) if now != self._quotes.corpus_version else None
            found = None if held is None else self._quotes.outdated(held)
            self._outdated = (now, found)
        return found

    @property
    def retrieves(self) -> bool:
        """Whether the program has a `Retrieve`."""
        return self._quotes is not None

    def may_show(self, demonstration: Any, conditions: Sequence[Condition], corpus_version: str | None) -> bool:
        """Whether all that a demonstration quotes is of documents that fulfil `conditions` now.

        One that quotes nothing, a document that is gone, or one that nobody can tell, may not be shown: what is in it
        may be from any document.
        """
        from ragc.retrieval import holds

        documents = quoted_by(demonstration, self.manifest.built.get("quoted") or {})
        if not documents:
            return False
        held = self._metadata(documents, corpus_version)
        return all(
            (metadata := held.get(document)) is not None and holds(conditions, document, metadata)
            for document in documents
        )

    def _metadata(
        self, documents: frozenset[str], corpus_version: str | None
    ) -> Mapping[str, Mapping[str, object] | None]:
        """The metadata of documents as the index has it, None for one that it has not; read once for each version."""
        version, known = self._quoted
        known = known if corpus_version is not None and version == corpus_version else {}
        missing = sorted(documents - known.keys())
        index = self.open().index
        if missing and index is not None:
            found = {passage.document: passage.metadata for passage in index.passages(missing)}
            known = {**known, **{document: found.get(document) for document in missing}}
            self._quoted = (corpus_version, known)
        return known

    def forget(self) -> None:
        """Start anew, in a process that was forked: threads, sockets and database handles stayed with the parent."""
        self._lock = threading.Lock()
        self._opened = None

    def _open(self) -> Opened:
        from ragc.models import make_adapter, token_counter

        lm, settings, changed = self._model()
        adapter = make_adapter(settings)
        model = self.manifest.identity["model"]
        differs = {
            "model": changed,
            "adapter": type(adapter).__name__ != self.manifest.identity["adapter"],
        }
        home = home_of(self.manifest, self.choices.store)
        index = None if self._quotes is None else self._index(home)
        return Opened(
            lm=lm,
            adapter=adapter,
            model=str(settings.model if changed else model.get("answered_by") or model["model"]),
            count_tokens=token_counter(settings),
            index=index,
            differs=tuple(name for name, does in differs.items() if does),
            log=open_log(home, self.manifest, index),
        )

    def _model(self) -> tuple[dspy.LM, ModelSettings, bool]:
        """Return the LM, its table, and whether it is another than the one that was measured."""
        from ragc.models import describe, make_lm, prepare_model

        sealed, given = sealed_lm(self.manifest), self.choices.lm
        if isinstance(given, dspy.LM):
            settings = sealed if given.model == sealed.model else ModelSettings(model=given.model)
            return given, settings, settings is not sealed
        settings = chosen_lm(self.manifest, given)
        prepare_model(settings)
        here, measured = describe(settings), self.manifest.identity["model"]
        other_weights = any(here[key] != measured.get(key) for key in ("provider", "revision"))
        return make_lm(settings), settings, other_weights or _answers(settings) != _answers(sealed)

    def _index(self, home: Home) -> Index:
        from ragc.project import ChunkSettings
        from ragc.retrieval import ensure_index

        manifest = self.manifest
        try:
            index = ensure_index(
                home.root,
                collection=manifest.task,
                corpus=home.corpus,
                embedder=reached_embedder(manifest),
                chunk=ChunkSettings(**manifest.identity["chunking"]),
                store=home.store,
                progress=_Progress(manifest.task),
                rerankers=reached_rerankers(manifest),
            )
        except StoreError as error:
            raise ArtifactError(f"{manifest.task} {manifest.name} cannot be served: {error}") from error
        made, sealed = index.made_with, manifest.identity["embedder"]
        if made.fingerprint != sealed["fingerprint"]:
            raise ArtifactError(
                f"{manifest.task} {manifest.name} was measured with another {sealed['name']} than the one here "
                f"({sealed['fingerprint'][:12]}, here {made.fingerprint[:12]}); install that one, or compile again"
            )
        return index


class _Progress:
    """A line on stderr while a missing index is built, every two seconds at most."""

    EVERY = 2.0

    def __init__(self, task: str) -> None:
        self._task = task
        self._next = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._next or done == total:
            self._next = now + self.EVERY
            sys.stderr.write(f"{self._task}: building the missing index, {done:,} of {total:,} documents\n")


def _answers(settings: ModelSettings) -> dict[str, Any]:
    """The part of the table that changes what a model answers; not where it is reached and how fast."""
    return settings.model_dump(include={"model", "max_tokens", "temperature", "context"})


_SERVING: weakref.WeakSet[Serving] = weakref.WeakSet()


def _after_fork() -> None:
    for serving in list(_SERVING):
        serving.forget()


os.register_at_fork(after_in_child=_after_fork)
