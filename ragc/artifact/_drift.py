"""What moved on around an artifact since it was sealed, in lines for a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragc.artifact._home import Home, configured_lm, home_of, root_of
from ragc.artifact._manifest import Verified, read
from ragc.artifact._quotes import Outdated, Quotes
from ragc.errors import ConfigError, RagcError

if TYPE_CHECKING:
    from ragc.retrieval import Passage


@dataclass(frozen=True)
class Drift:
    """One line on each thing that the project around the artifact says otherwise by now; None where it agrees."""

    source: str | None
    """Files of `programs/` that differ from the sealed source, which is what runs."""
    model: str | None
    """The model that pyproject.toml names, where it is another than the sealed one, which answers; None under RAGC_LM,
    which overrides both."""
    demonstrations: Outdated | None = None
    """Demonstrations that quote what the documents no longer hold: `str` of it is the line."""

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it that is not None."""
        return tuple(str(part) for part in (self.source, self.model, self.demonstrations) if part is not None)


def drift(path: Path | str) -> Drift:
    """Compare the artifact at `path` with the project around it. Raises ArtifactError as `verify` does.

    Its documents are looked for in the index, or where there is none, read.
    """
    verified = read(path)
    return Drift(source_drift(verified), _model_drift(verified), _demonstrations_drift(verified))


def source_drift(verified: Verified) -> str | None:
    """Say which files of the project are not those that were sealed; None when all are."""
    root = root_of(verified.manifest.path)
    changed = []
    for name, sealed in verified.sources.items():
        try:
            if (root / name).read_bytes() != sealed:
                changed.append(name)
        except OSError:  # not there: an artifact needs no programs/
            continue
    if not changed:
        return None
    task = verified.manifest.task
    return (
        f"{task} {verified.manifest.name} runs its sealed source; {', '.join(sorted(changed))} changed since "
        f"(ragc compile {task} seals the new one)"
    )


def _model_drift(verified: Verified) -> str | None:
    manifest = verified.manifest
    if os.environ.get("RAGC_LM", "").strip():
        return None
    try:
        configured = configured_lm(manifest)
    except ConfigError:  # to look at an artifact, nothing around it has to be in order
        return None
    sealed = manifest.identity["lm"]["model"]
    if configured is None or configured.model == sealed:
        return None
    return f"{manifest.task} {manifest.name} answers with the sealed {sealed}; pyproject.toml names {configured.model}"


def _demonstrations_drift(verified: Verified) -> Outdated | None:
    quotes = Quotes.of(verified)
    if not quotes.documents:
        return None
    try:
        home = home_of(verified.manifest)
        held = _indexed(home, verified.manifest.task, quotes.documents)
        return quotes.outdated(_read(home, quotes.documents) if held is None else held)
    except RagcError:  # to look at an artifact, nothing around it has to be in order
        return None


def _indexed(home: Home, collection: str, documents: Sequence[str]) -> Sequence[Passage] | None:
    """What the index holds of `documents`; None without a whole index."""
    from ragc.retrieval import open_store

    store = open_store(home.store, root=home.root, collection=collection, read_only=True)
    try:
        state = store.state()
        return store.passages(documents) if state is not None and state.complete else None
    finally:
        store.close()


def _read(home: Home, documents: Sequence[str]) -> list[Passage]:
    """What `documents` themselves hold."""
    from ragc.data import read_corpus
    from ragc.retrieval import sections

    held = read_corpus(home.corpus).by_id
    return [section for id_ in documents if id_ in held for section in sections(held[id_])]
