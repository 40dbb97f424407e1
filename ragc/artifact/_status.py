"""How an artifact stands to the project around it: its age, how far the corpus has moved, and what is due."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ragc._messages import counted
from ragc.artifact._drift import Drift, drift
from ragc.artifact._evaluated import last_evaluated
from ragc.artifact._manifest import CORPUS, DIGITS, Manifest, Verified, read
from ragc.errors import ArtifactError, RagcError, StoreError

if TYPE_CHECKING:
    from ragc.data import Corpus
    from ragc.project import Project, TaskSettings

MOST_EVIDENCE = 0.1
"""Share of the evidence, in documents that changed or are gone, from which a task is to be compiled again: what was
measured then says little about these questions now, and a tenth is more than most gains."""
MOST_DOCUMENTS = 0.2
"""Share of the documents that were added, changed or removed, from which it is: also where no label names them, the
passages compete with others than those that the retrieval settings were chosen among."""

WEEK = timedelta(days=7)
"""How old the last evaluation may be while a project is in development."""
QUARTER = timedelta(days=91)
"""How old it may be else: thirteen weeks."""


@dataclass(frozen=True)
class Moved:
    """How far a corpus has moved since an artifact was compiled on it. Ids of documents, sorted."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    before: int
    """Documents that there were."""
    evidence: int
    """Evidence that the labels name now."""
    touched: int
    """Of it, what stands in documents that changed or are gone."""

    @property
    def documents(self) -> int:
        """How many documents are others than before."""
        return len(self.added) + len(self.changed) + len(self.removed)

    @property
    def documents_share(self) -> float:
        """That as a share of those that there were."""
        return self.documents / self.before if self.before else 0.0

    @property
    def evidence_share(self) -> float:
        """Share of the evidence that is touched."""
        return self.touched / self.evidence if self.evidence else 0.0


@dataclass(frozen=True)
class Status:
    """A task's artifact as of now. What needs an artifact is None where there is none, or none that can be read."""

    task: str
    path: Path
    """Where the artifact is, or would be."""
    manifest: Manifest | None = None
    seconds: float | None = None
    """Its age."""
    evaluated: datetime | None = None
    """When it was last evaluated: the newest record of this checkout, or the time of sealing."""
    evaluate_after: timedelta = QUARTER
    """How old that may be."""
    moved: Moved | None = None
    """None too where the corpus moved and the artifact is older than ragc's record of its documents."""
    drift: Drift | None = None
    index: Literal["current", "behind", "missing", "unreachable"] | None = None
    """How the index stands to the corpus; every program searches the index."""
    due: tuple[str, ...] = ()
    """Why it is time to compile again, a line each."""
    late: str | None = None
    """Why it is time to evaluate again."""
    openings: int = 0
    """How often the test split was opened."""
    notes: tuple[str, ...] = ()
    """What cannot be told, and why; and that the test split was opened too often."""


def status(project: Project, task: TaskSettings) -> Status:
    """Return how the artifact of `task` stands to its corpus. Nothing is written and nobody is asked but the store.

    Due is what one of RULES says. What is wrong around it (a corpus that cannot be read, a store that cannot be
    reached, an artifact that was touched) is a note.
    """
    path = project.compiled_path(task)
    try:
        verified = read(path) if path.exists() else None
    except ArtifactError as error:
        return Status(task.name, path, notes=(str(error),))
    if verified is None:
        return Status(task.name, path, notes=(f"not compiled yet: ragc compile {task.name}",))
    found = drift(path)
    made = datetime.fromisoformat(str(verified.manifest.built["time"]))
    notes: list[str] = []
    moved, index = _looked(project, task, verified, notes)
    openings = _opened(project, task, notes)
    seen = Status(
        task=task.name,
        path=path,
        manifest=verified.manifest,
        seconds=max(0.0, (datetime.now(UTC) - made).total_seconds()),
        evaluated=max(made, last_evaluated(project.root, verified.manifest.id) or made),
        evaluate_after=WEEK if project.settings.development else QUARTER,
        moved=moved,
        drift=found,
        index=index,
        openings=openings,
    )
    due = tuple(reason for rule in RULES if (reason := rule(seen)) is not None)
    return Status(**{**vars(seen), "due": due, "late": _evaluated_long_ago(seen), "notes": tuple(notes)})


def _opened(project: Project, task: TaskSettings, notes: list[str]) -> int:
    from ragc.data import openings_beside, read_openings

    try:
        openings = read_openings(openings_beside(project.splits_path(task)))
    except RagcError as error:
        notes.append(str(error))
        return 0
    if openings.warning is not None:
        notes.append(openings.warning)
    return openings.count


def _evaluated_long_ago(seen: Status) -> str | None:
    if seen.evaluated is None:
        return None
    age = datetime.now(UTC) - seen.evaluated
    if age <= seen.evaluate_after:
        return None
    limit = "a week, in development" if seen.evaluate_after == WEEK else "a quarter"
    return f"last evaluated {counted(age.days, 'day')} ago, more than {limit}"


def _evidence_moved(seen: Status) -> str | None:
    if seen.moved is None or seen.moved.evidence_share < MOST_EVIDENCE:
        return None
    share = f"{seen.moved.evidence_share:.0%} of the evidence"
    return f"{share} stands in documents that changed or are gone (due from {MOST_EVIDENCE:.0%})"


def _documents_moved(seen: Status) -> str | None:
    if seen.moved is None or seen.moved.documents_share < MOST_DOCUMENTS:
        return None
    what = f"{counted(seen.moved.documents, 'document')} added, changed or removed"
    return f"{what}, {seen.moved.documents_share:.0%} of what there was (due from {MOST_DOCUMENTS:.0%})"


def _demonstrations_outdated(seen: Status) -> str | None:
    return None if seen.drift is None or seen.drift.demonstrations is None else str(seen.drift.demonstrations)


RULES: Sequence[Callable[[Status], str | None]] = (_evidence_moved, _documents_moved, _demonstrations_outdated)
"""What makes it time to compile again: each returns its reason in one line, or None."""


def _looked(
    project: Project, task: TaskSettings, verified: Verified, notes: list[str]
) -> tuple[Moved | None, Literal["current", "behind", "missing", "unreachable"] | None]:
    from ragc.data import read_corpus

    try:
        corpus = read_corpus(project.path(task.corpus))
    except RagcError as error:
        notes.append(str(error))
        return None, None
    moved = _moved(project, task, verified, corpus, notes)
    try:
        version = _indexed_version(project, task)
    except StoreError as error:
        notes.append(str(error))
        return moved, "unreachable"
    if version is None:
        return moved, "missing"
    return moved, "current" if version == corpus.fingerprint else "behind"


def _moved(project: Project, task: TaskSettings, verified: Verified, corpus: Corpus, notes: list[str]) -> Moved | None:
    from ragc.data import read_examples

    now = {document.id: document.digest[:DIGITS] for document in corpus.documents}
    is_same = verified.manifest.identity["fingerprints"].get("corpus") == corpus.fingerprint
    sealed = verified.files.get(CORPUS)
    if sealed is None and not is_same:
        notes.append("the corpus has moved; how far is known of artifacts that this ragc compiles")
        return None
    then: dict[str, str] = now if is_same or sealed is None else json.loads(sealed)["documents"]
    changed = {id_ for id_ in then.keys() & now.keys() if then[id_] != now[id_]}
    removed = then.keys() - now.keys()
    try:
        examples = read_examples(project.path(task.examples))
    except RagcError as error:
        notes.append(str(error))
        examples = ()
    evidence = [one.document for example in examples for one in example.evidence]
    return Moved(
        added=tuple(sorted(now.keys() - then.keys())),
        changed=tuple(sorted(changed)),
        removed=tuple(sorted(removed)),
        before=len(then),
        evidence=len(evidence),
        touched=sum(document in changed or document in removed for document in evidence),
    )


def _indexed_version(project: Project, task: TaskSettings) -> str | None:
    """The version of the corpus that the index mirrors; empty during an update, None where there is no index."""
    from ragc.retrieval import open_store

    store = open_store(project.settings.store, root=project.root, collection=task.name, read_only=True)
    try:
        state = store.state()
        return None if state is None else state.corpus_version or ""
    finally:
        store.close()
