"""How several writes take effect as one, in a database that has no transactions.

Every record has the generation (`since`) at which it was written and the version of its document. One more record, the
state, has the generation that counts and the versions that no longer do. Records are only ever added and deleted: a
reader that knows the state sees what belongs to it, whatever is added meanwhile, until what is gone is deleted. That
comes after the next state, so a reader that finds the state unchanged at its end has seen all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, Self, TypeVar

from ragc.retrieval._fusion import Fused, fuse
from ragc.retrieval._passage import Passage, Scalar
from ragc.retrieval._store import CollectionState, IndexedDocument, MadeWith
from ragc.retrieval.stores._entries import as_json, check_vector, version_of


@dataclass(frozen=True)
class State:
    """What a collection says of itself."""

    made_with: MadeWith
    corpus_version: str | None = None
    complete: bool = False
    generation: int = 0
    """The newest one that counts; what was written for a later one is not there yet."""
    documents: int = 0
    passages: int = 0
    dead: tuple[str, ...] = ()
    """Versions of documents that were replaced or removed and whose records are not yet deleted."""

    @property
    def public(self) -> CollectionState:
        """As the protocol has it."""
        return CollectionState(self.made_with, self.corpus_version, self.complete, self.documents, self.passages)

    def written(self) -> str:
        """The state as text."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Unlike `written`: from the text to the state."""
        data: dict[str, Any] = json.loads(text)
        lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
        return cls(**{**data, **lists, "made_with": MadeWith(**data["made_with"])})


S = TypeVar("S", bound=State)
S_contra = TypeVar("S_contra", bound=State, contravariant=True)


class Records(Protocol[S_contra]):
    """What a write needs of the database. Raises StoreError on whatever it objects to."""

    def held(self, state: S_contra, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """The version and the number of passages of each of these documents that the state counts."""

    def insert(self, documents: Mapping[str, IndexedDocument], generation: int) -> None:
        """Add the records of documents, by their versions."""

    def delete_later(self, generation: int) -> None:
        """Delete what was written for a generation after this one."""

    def delete_versions(self, versions: Sequence[str]) -> None:
        """Delete the records of these versions, once no reader can still want them."""

    def commit(self, state: S_contra) -> None:
        """Replace the state."""


def write(
    records: Records[S],
    state: S,
    documents: Sequence[IndexedDocument],
    removed: Sequence[str],
    corpus_version: str | None,
) -> S:
    """Put documents in place of those with the same ids, delete others, and return the state that counts from then on.

    What a writer left that was killed or failed is deleted before. Only one may write at a time.
    """
    for entry in (entry for document in documents for entry in document.entries):
        check_vector(entry, state.made_with.dimensions)
    records.delete_later(state.generation)
    last = {document.id: document for document in documents}
    versions = {id_: version_of(document) for id_, document in last.items()}
    held = records.held(state, list(dict.fromkeys([*removed, *last])))
    changed = {versions[id_]: each for id_, each in last.items() if held.get(id_, ("", 0))[0] != versions[id_]}
    if changed.keys() & set(state.dead):
        state = tidied(records, state)  # a document as it was before: the same records, so they must be gone
    records.insert(changed, state.generation + 1)
    ids = {each.id for each in changed.values()}
    gone = {id_: held[id_] for id_ in {*(set(removed) - set(last)), *ids} if id_ in held}
    state = replace(
        state,
        generation=state.generation + 1,
        corpus_version=corpus_version,
        complete=state.complete or corpus_version is not None,
        documents=state.documents + len(changed) - len(gone),
        passages=state.passages
        + sum(len(each.entries) for each in changed.values())
        - sum(passages for _, passages in gone.values()),
        dead=(*state.dead, *sorted(version for version, _ in gone.values())),
    )
    records.commit(state)
    return state


def tidied(records: Records[S], state: S) -> S:
    """Delete what is gone, and return the state without it."""
    if state.dead:
        records.delete_versions(state.dead)
        state = replace(state, dead=())
        records.commit(state)
    return state


@dataclass(frozen=True)
class Found:
    """What two legs found together, the best first."""

    fused: Sequence[Fused]
    """By the passage's id as a number, so that ties are in the order of ids."""
    records: Mapping[int, str]
    """The id of the record that a passage is in, by the same number."""

    @property
    def wanted(self) -> list[str]:
        """The records whose texts are needed."""
        return [self.records[each.key] for each in self.fused]

    def passages(self, texts: Mapping[str, str]) -> list[Passage]:
        """The passages, read from `texts` by their records; one that has none was deleted meanwhile."""
        return [
            unpacked(
                f"{each.key:016x}",
                texts[self.records[each.key]],
                score=each.score,
                text_score=each.text_score,
                vector_score=each.vector_score,
            )
            for each in self.fused
            if texts.get(self.records[each.key])
        ]


def found(legs: Sequence[Mapping[str, float]], passage_of: Callable[[str], str], alpha: float, k: int) -> Found:
    """Fuse two legs, text and vector, of scores by record; `passage_of` is the id of the passage in a record."""
    records = {int(passage_of(id_), 16): id_ for leg in legs for id_ in leg}
    text, vector = ({int(passage_of(id_), 16): score for id_, score in leg.items()} for leg in legs)
    return Found(fuse(text, vector, alpha, k), records)


def field_key(field: str) -> str:
    """Return what a field of the metadata is called in a record: without dots and brackets, which mean things."""
    return hashlib.sha256(field.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def typed(value: Scalar) -> str:
    """Return a value as text in which types do not mix: `b1`, `n2024.0`, `tpayroll`; numbers that are equal are one."""
    if value is None:
        return "a"
    if isinstance(value, bool):
        return f"b{int(value)}"
    if isinstance(value, str):
        return f"t{value}"
    return f"n{int(value)}" if value == int(value) else f"n{value!r}"


def packed(document: IndexedDocument, passage: Passage) -> str:
    """Return what a passage is read from. Raises StoreError on metadata that JSON has no form for."""
    metadata = {**document.metadata, **passage.metadata}
    kept = [document.id, passage.title, passage.text, metadata, passage.start, passage.end, list(passage.heading)]
    return as_json(document, kept)


def unpacked(id_: str, text: str, **scores: Any) -> Passage:
    """Unlike `packed`: from the text to the passage with this id."""
    document, title, body, metadata, start, end, heading = json.loads(text)
    return Passage(
        id_, document, title, body, metadata=metadata, start=start, end=end, heading=tuple(heading), **scores
    )
