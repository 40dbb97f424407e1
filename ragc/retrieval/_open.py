"""From a project and a task to an index: `index`, `search`, and the index that a server builds for itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragc._files import digest
from ragc.errors import ConfigError, StoreError
from ragc.retrieval._filters import Filters
from ragc.retrieval._index import Index, IndexReport, Report
from ragc.retrieval._passage import Passage
from ragc.retrieval._query import check_alpha, check_count
from ragc.retrieval._store import MadeWith, Store
from ragc.retrieval.embedders._embedder import is_local, make_embedder
from ragc.retrieval.rerankers import Rerankers, check_reranker_name
from ragc.retrieval.stores import open_store

if TYPE_CHECKING:
    from ragc.data import Corpus
    from ragc.models import Gateway
    from ragc.project import ChunkSettings, EmbedderSettings, Project, RerankerSettings, TaskSettings

INDEXING = "index"
"""What the journal has as the run that paid for an index, where that was no run."""


def open_index(
    project: Project,
    task: TaskSettings,
    *,
    store: str | None = None,
    read_only: bool = False,
    check: bool = True,
    gateway: Gateway | None = None,
    collection: str | None = None,
) -> Index:
    """Return the index of `task`; `store` takes the place of the project's. An embedder's calls go through `gateway`.

    `collection` is its name in the store, where a task has more than one (another embedder); default: the task's.

    Raises StoreError when there is none, or when it was made with another embedder or chunking. With `check=False`
    that is left to the first search, and `Index.update` makes the index, or makes it anew.
    """
    opened = _made(
        open_store(
            store or project.settings.store,
            root=project.root,
            collection=collection or task.name,
            read_only=read_only,
        ),
        project.settings.embedder,
        task.chunk,
        name=task.name,
        gateway=gateway,
        rerankers=project.settings.rerankers,
    )
    if check:
        opened.check()
    return opened


def _made(
    store: Store,
    embedder: EmbedderSettings,
    chunk: ChunkSettings,
    *,
    name: str,
    gateway: Gateway | None = None,
    rerankers: Sequence[RerankerSettings] = (),
) -> Index:
    def held() -> MadeWith | None:
        state = store.state()
        return None if state is None else state.made_with

    made = make_embedder(embedder, gateway, held=held)
    return Index(store, made, chunk, name=name, rerankers=Rerankers(rerankers, gateway))


def index(
    task: str | None = None,
    *,
    project: Project | None = None,
    strict: bool = False,
    progress: Report | None = None,
    reading: Report | None = None,
    on_note: Callable[[str], None] = lambda note: None,
) -> IndexReport:
    """Bring the store up to date with the corpus of `task` (default: the only one) and return what was done.

    Vectors of an embedder that is not in this process are kept in the project's journal, so that an update that was
    killed pays for nothing twice. It has no budget: `IndexReport.paid` says what it took, and `on_note` is told what a
    person should know meanwhile.

    `reading` is told how many of how many files are read, where any has to be converted; `progress`, how many of how
    many documents are indexed. `strict` makes a file that cannot be read an error. Raises DataError on a corpus that
    cannot be used, or a text that cannot be embedded, StoreError on a store that cannot be written, ConfigError on an
    unknown task, ModelError on an embedder that refuses.
    """
    from ragc.data import read_corpus
    from ragc.project import Project

    project = project or Project.find()
    settings = project.task(task)
    corpus = read_corpus(project.path(settings.corpus), strict=strict, report=reading)
    opened = open_index(project, settings, check=False)
    try:
        if is_local(project.settings.embedder) or opened.mirrors(corpus):
            report = opened.update(corpus, progress)
        else:
            report = _update_metered(project, settings, corpus, progress, on_note)
        return replace(report, findings=corpus.findings)
    finally:
        opened.close()


def _update_metered(
    project: Project, task: TaskSettings, corpus: Corpus, progress: Report | None, on_note: Callable[[str], None]
) -> IndexReport:
    """Bring the index up to date through a gateway of its own, whose journal is the project's."""
    from ragc.models import Gateway, Journal

    journal = Journal.open(project.journal_path)
    for note in journal.notes:
        on_note(note)
    gateway = Gateway(journal=journal, run=INDEXING, task=task.name, generation=journal.generation(task.name))
    gateway.on_note = on_note
    opened = open_index(project, task, check=False, gateway=gateway)
    try:
        with gateway.aside(INDEXING):
            report = opened.update(corpus, progress)
        return replace(report, paid=gateway.usage)
    finally:
        opened.close()
        gateway.close()


def search(
    task: str | None,
    query: str,
    *,
    k: int = 5,
    alpha: float = 0.5,
    filters: Filters | None = None,
    reranker: str | None = None,
    project: Project | None = None,
) -> list[Passage]:
    """Return what retrieval alone finds for `query` in the corpus of `task`, best first.

    `alpha`: 0 text alone, 1 vectors alone; `filters`: conditions on metadata, see `ragc.retrieval.Condition`;
    `reranker`: see `Index.search`. Raises StoreError when there is no index, ConfigError on an empty query, an unknown
    task or reranker, k or alpha out of range, filters that are none, and what a reranker raises.
    """
    from ragc.project import Project

    if not query.strip():
        raise ConfigError("the query is empty: type one, in quotes")
    check_count("k", k)
    check_alpha(alpha)
    check_reranker_name(reranker)
    project = project or Project.find()
    opened = open_index(project, project.task(task))
    try:
        return opened.search(query, k=k, alpha=alpha, filters=filters, reranker=reranker)
    finally:
        opened.close()


def ensure_index(
    root: Path,
    *,
    collection: str,
    corpus: Path,
    embedder: EmbedderSettings,
    chunk: ChunkSettings,
    store: str = "sqlite://.ragc/index.db",
    progress: Report | None = None,
    rerankers: Sequence[RerankerSettings] = (),
) -> Index:
    """Return the index of `collection` for serving; a missing one is built first, when the embedder is local.

    Several processes may ask at once: one builds, the others wait. Where the folder cannot be written, the index
    stands in the user's cache, brought up to date at every start. An index that was made with something else is never
    touched. Raises StoreError, which names `ragc index`, when there is none and it is not built here.
    """
    found = _made(
        open_store(store, root=root, collection=collection), embedder, chunk, name=collection, rerankers=rerankers
    )
    if not (found.missing and is_local(embedder)):
        found.check()
        return found
    if store.startswith("sqlite:") and not _can_write(Path(found.location)):
        path = _cache() / f"{digest(os.fsencode(root.resolve()) + store.encode())[:16]}.db"
        opened = open_store(f"sqlite:///{path}", root=root, collection=collection)
        found = _made(opened, embedder, chunk, name=collection, rerankers=rerankers)
    from ragc.data import read_corpus

    found.update(read_corpus(corpus), progress)
    return found


def _can_write(path: Path) -> bool:
    """Whether the file, or the nearest folder above it that exists, can be written."""
    if path.exists():
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    return os.access(nearest, os.W_OK)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "ragc" / "indexes"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"neither the project nor {folder} can be written ({error.strerror}); run `ragc index` before serving"
        ) from error
    return folder
