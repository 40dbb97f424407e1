"""From an answer back to all that stands behind it: passages, documents, artifact, verdict, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ragc._tables import stands as stands_in
from ragc._text import find_span, tokens
from ragc.artifact import lazy
from ragc.artifact._figures import sealed_side
from ragc.artifact._manifest import Manifest, verify
from ragc.artifact.answers._log import SCHEME, log_path
from ragc.artifact.answers._read import Logged, find_answer
from ragc.errors import ArtifactError, ConfigError, RagcError

if TYPE_CHECKING:
    from ragc.data import Corpus, Example, Splits
    from ragc.project import Project, TaskSettings

NEAREST = 3
"""Labelled questions that are shown beside the one that was asked."""
_ALIKE = 0.2
"""The share of common words (Jaccard) from which a labelled question is shown at all."""

State = Literal["unchanged", "changed", "gone", "unknown"]


@dataclass(frozen=True)
class Behind:
    """A passage that was retrieved, and what became of it."""

    passage: Mapping[str, Any]
    """As it was logged."""
    cited: bool
    document: State
    """Its document now, compared by hash with what it was; unknown where neither corpus nor index can be read."""
    sha256: str | None
    """The document's hash now."""
    stands: bool | None
    """Whether the passage's text stands in the document now; None where that cannot be told."""


@dataclass(frozen=True)
class Near:
    """A labelled question that is like the one that was asked."""

    example: Example
    split: str | None
    likeness: float
    """Share of common words, 0 to 1."""
    score: float | None
    """What the artifact that answered scored on it; None: it was not asked it, or is no longer there."""


@dataclass(frozen=True)
class Audit:
    """An answer and all that stands behind it."""

    logged: Logged
    passages: tuple[Behind, ...]
    corpus_version: str | None
    """The fingerprint of the documents now."""
    artifact: Manifest | None
    """The artifact that answered, where it is still in `compiled/`."""
    instead: str | None
    """What is at its place in `compiled/`: another artifact's id, or why it cannot be read; None: it, or nothing."""
    labels: State
    """The labels now, compared by fingerprint with those that the artifact was compiled and tested with."""
    splits: State
    nearest: tuple[Near, ...]

    @property
    def record(self) -> Mapping[str, Any]:
        """The line of the log."""
        return self.logged.record


def audit(id: str, project: Project, on_damage: Callable[[str], None] = lambda line: None) -> Audit:
    """Return what stands behind the answer whose id begins with `id`, as the project's answer log has it.

    The log has the texts that were answered from, so that a document may have changed, or gone, since. `on_damage` is
    told of damaged lines, which are skipped. Raises ConfigError without a log, DataError when there is no such answer.
    """
    path = log_path(project.settings.audit, project.root)
    if path is None:
        raise ConfigError(
            f'no answers are logged: set audit = "{SCHEME}.ragc/answers.jsonl" in [tool.ragc], or RAGC_AUDIT'
        )
    logged = find_answer(path, id, on_damage)
    record = logged.record
    task = project.settings.tasks.get(str(record.get("task")))
    corpus = None if task is None else _corpus(project, task)
    held = _held(project, task) if corpus is None else {one.id: one.digest for one in corpus.documents}
    artifact, instead = _artifact(project, record)
    labelled = None if task is None else _labelled(project, task, corpus)
    sealed = (record.get("sealed") or {}).get("fingerprints") or {}
    labels, splits = labelled.compared(sealed) if labelled else ("unknown", "unknown")
    return Audit(
        logged=logged,
        passages=tuple(_behind(one, record, held, corpus) for one in record.get("passages") or ()),
        corpus_version=None if corpus is None else corpus.fingerprint,
        artifact=artifact,
        instead=instead,
        labels=labels,
        splits=splits,
        nearest=_nearest(str(record.get("question") or ""), labelled, artifact),
    )


def _corpus(project: Project, task: TaskSettings) -> Corpus | None:
    from ragc.data import read_corpus

    try:
        return read_corpus(project.path(task.corpus))
    except RagcError:  # an answer can be audited wherever its log is
        return None


def _held(project: Project, task: TaskSettings | None) -> Mapping[str, str] | None:
    """The hashes of the documents as the index has them; None without one."""
    from ragc.retrieval import open_store

    if task is None:
        return None
    try:
        store = open_store(project.settings.store, root=project.root, collection=task.name, read_only=True)
        try:
            return store.documents() if store.state() else None
        finally:
            store.close()
    except RagcError:
        return None


def _behind(
    passage: Mapping[str, Any], record: Mapping[str, Any], held: Mapping[str, str] | None, corpus: Corpus | None
) -> Behind:
    name, then = str(passage.get("document")), passage.get("sha256")
    now = None if held is None else held.get(name)
    state: State
    if held is None or (then is None and now is not None):
        state = "unknown"
    elif now is None:
        state = "gone"
    else:
        state = "unchanged" if now == then else "changed"
    stands: bool | None = None
    text = passage.get("text")
    if corpus is not None and isinstance(text, str):
        now_there = corpus.by_id[name].text if name in corpus.by_id else ""
        stands = stands_in(text, lambda part: find_span(part, now_there) is not None)
    return Behind(passage, passage.get("id") in (record.get("citations") or ()), state, now, stands)


def _artifact(project: Project, record: Mapping[str, Any]) -> tuple[Manifest | None, str | None]:
    """The artifact that answered, and what stands in its place."""
    folder, wanted, task = project.root / "compiled", record.get("artifact"), str(record.get("task"))
    instead: str | None = None
    for name in sorted(lazy.names(folder), key=lambda name: name != task):
        try:
            manifest = verify(folder / name)
        except ArtifactError as error:
            instead = str(error) if name == task else instead
            continue
        if manifest.id == wanted:
            return manifest, None
        instead = manifest.id if name == task else instead
    return None, instead


@dataclass(frozen=True)
class _Labelled:
    """The labels of a task as they are now."""

    examples: Sequence[Example]
    fingerprint: str | None
    """None where the corpus that tells stale labels apart cannot be read."""
    splits: Splits | None

    def compared(self, sealed: Mapping[str, Any]) -> tuple[State, State]:
        """Labels and splits, as they are against those that were sealed."""
        splits = None if self.splits is None else self.splits.fingerprint
        return _compared(sealed.get("examples"), self.fingerprint), _compared(sealed.get("splits"), splits)

    def split(self, id: str) -> str | None:
        """The split of an example."""
        for name in ("train", "validation", "test") if self.splits else ():
            if any(one.id == id for one in getattr(self.splits, name)):
                return name
        return None


def _compared(then: str | None, now: str | None) -> State:
    if then is None or now is None:
        return "unknown"
    return "unchanged" if then == now else "changed"


def _labelled(project: Project, task: TaskSettings, corpus: Corpus | None) -> _Labelled | None:
    from ragc.data import check_labels, examples_fingerprint, read_examples, recorded_splits

    try:
        examples = read_examples(project.path(task.examples))
    except RagcError:
        return None
    try:
        valid = None if corpus is None else check_labels(examples, corpus).valid
        splits = None if valid is None else recorded_splits(valid, project.splits_path(task))
    except RagcError:  # too many of them are stale by now
        valid = splits = None
    return _Labelled(examples, None if valid is None else examples_fingerprint(valid), splits)


def _nearest(question: str, labelled: _Labelled | None, artifact: Manifest | None) -> tuple[Near, ...]:
    """The labelled questions with the most words in common: the nearest, then those of its slice before others."""
    words = set(tokens(question))
    if labelled is None or not words:
        return ()
    found = [(_likeness(words, set(tokens(one.question))), one) for one in labelled.examples]
    ranked = sorted((pair for pair in found if pair[0] >= _ALIKE), key=lambda pair: (-pair[0], pair[1].id))
    if ranked and (slice_ := ranked[0][1].slice) is not None:
        ranked = [*ranked[:1], *sorted(ranked[1:], key=lambda pair: pair[1].slice != slice_)]
    scores = {} if artifact is None else _scores(artifact)
    return tuple(
        Near(one, labelled.split(one.id), round(likeness, 3), scores.get(one.id)) for likeness, one in ranked[:NEAREST]
    )


def _likeness(words: set[str], others: set[str]) -> float:
    return len(words & others) / len(words | others)


def _scores(artifact: Manifest) -> dict[str, float | None]:
    """The score of every question that the sealed program was asked."""
    side, scores = sealed_side(artifact), artifact.identity.get("scores") or {}
    return {id_: score for split in ("validation", "test") for id_, score in _side(scores, split, side).items()}


def _side(scores: Mapping[str, Any], split: str, side: str) -> Mapping[str, float | None]:
    found: Mapping[str, float | None] = (scores.get(split) or {}).get(side) or {}
    return found
