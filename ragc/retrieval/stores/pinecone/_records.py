"""The documents of a namespace in Pinecone: laid out, written, read and found. See `_snapshots` for what counts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pinecone import DenseVectorQuery, Index, TextQuery
from pinecone.errors.exceptions import NotFoundError

from ragc.errors import StoreError
from ragc.retrieval._filters import Condition, holds
from ragc.retrieval._passage import indexed_text
from ragc.retrieval._store import IndexedDocument
from ragc.retrieval.stores._snapshots import State, field_key, packed, typed
from ragc.retrieval.stores._words import words
from ragc.retrieval.stores.pinecone._connection import BODY, VECTOR

BATCH = 100
"""Documents in one request."""
PAGE = 1000
"""Documents in one answer, and ids in one request."""
DEEPEST = 10_000
"""The largest `top_k` that Pinecone takes."""
CHUNK = 200
"""How many values one filter compares with."""
MOST_DOCUMENTS = 10_000
"""How many documents may have a text that is to be put in order; Pinecone has no order of texts itself."""
LONGEST_WAIT = 60.0
"""Seconds in which what was written has to be there."""


class Namespace:
    """One namespace. Raises what the client does, and StoreError."""

    def __init__(self, index: Index, name: str, dimensions: int) -> None:
        self._documents = index.documents
        self._index = index
        self.name = name
        # Every document must have a vector. One without direction, or without any, has this and is not `directed`.
        self._placeholder = [1.0, *([0.0] * (dimensions - 1))]

    def held(self, state: State, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """See Records."""
        found: dict[str, tuple[str, int]] = {}
        if state.documents:
            for each in self.among(state, "document", [typed(id_) for id_ in ids], ["document", "version", "key"]):
                id_, counted = each["document"][1:], int("key" in each)
                found[id_] = (each["version"], found.get(id_, ("", 0))[1] + counted)
        return found

    def insert(self, documents: Mapping[str, IndexedDocument], generation: int) -> None:
        """See Records. Returns when what was written can be read: before that, it must not count."""
        made = [
            one
            for version, each in documents.items()
            for one in _documents(each, version, generation, self._placeholder)
        ]
        for start in range(0, len(made), BATCH):
            self._documents.upsert(namespace=self.name, documents=made[start : start + BATCH])
        for start in range(0, len(made), PAGE):
            self._await({one["_id"] for one in made[start : start + PAGE]})

    def delete_later(self, generation: int) -> None:
        """See Records."""
        self._delete({"since": {"$gt": generation}})

    def delete_versions(self, versions: Sequence[str]) -> None:
        """See Records."""
        for start in range(0, len(versions), CHUNK):
            self._delete({"version": {"$in": list(versions[start : start + CHUNK])}})

    def among(self, state: State, key: str, values: Sequence[str], fields: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the documents that count and whose `key` is one of `values`."""
        for start in range(0, len(values), CHUNK):
            yield from self.all_of(counting(state, [{key: {"$in": list(values[start : start + CHUNK])}}]), fields)

    def all_of(self, where: dict[str, Any], fields: list[str]) -> Iterator[dict[str, Any]]:
        """Yield all documents that fulfil a filter."""
        token: str | None = None
        while True:
            try:
                found = self._documents.fetch(
                    namespace=self.name, filter=where, include_fields=fields, limit=PAGE, pagination_token=token
                )
            except NotFoundError:  # nothing was ever written to the namespace
                return
            yield from (each.to_dict() for each in found.documents.values())
            token = found.pagination.next if found.pagination else None
            if not token:
                return

    def leg(self, clause: TextQuery | DenseVectorQuery, where: dict[str, Any], depth: int) -> dict[str, float]:
        """The scores of the best documents by their ids."""
        try:
            found = self._documents.search(
                namespace=self.name, score_by=[clause], top_k=min(depth, DEEPEST), filter=where
            )
        except NotFoundError:
            return {}
        return {each.id: each.score or 0.0 for each in found.matches}

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """What passages are read from, by the ids of their documents."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), PAGE):
            some = list(ids[start : start + PAGE])
            answer = self._documents.fetch(namespace=self.name, ids=some, include_fields=["passage"])
            found.update({id_: each.to_dict().get("passage", "") for id_, each in answer.documents.items()})
        return found

    def where(self, state: State, conditions: Sequence[Condition]) -> dict[str, Any] | None:
        """The filter for what counts and fulfils all conditions; None: nothing can."""
        tests = []
        for condition in conditions:
            test = self._test(condition, state)
            if test is None:
                return None
            tests.append(test)
        return counting(state, tests)

    def has_field(self, state: State, field: str) -> bool:
        """Whether any document has the field, empty or not."""
        return any(True for _ in self.all_of(counting(state, [{_key(field): {"$exists": True}}]), ["version"]))

    def remove(self) -> None:
        """Delete the namespace."""
        try:
            self._index.delete_namespace(name=self.name)
        except NotFoundError:
            return

    def _test(self, condition: Condition, state: State) -> dict[str, Any] | None:
        key, value = _key(condition.field), condition.value
        if isinstance(value, tuple):
            return {key: {"$in": [typed(one) for one in value]}} if value else None
        if condition.operator == "eq":
            return {key: {"$eq": typed(value)}}
        if condition.operator == "ne":
            # There, not null, and another: what is not there fulfils nothing, not even this.
            return {"$and": [{key: {"$exists": True}}, {key: {"$nin": [typed(None), typed(value)]}}]}
        if not isinstance(value, str):
            return {_number_key(condition.field): {f"${condition.operator}": value}}
        if state.documents > MOST_DOCUMENTS:
            raise StoreError(
                f"filters: Pinecone has no order of texts, and of over {MOST_DOCUMENTS} documents ragc makes none; "
                f"filter {condition.field!r} by eq or in, or by a number"
            )
        heads = self.all_of(counting(state, [{"head": {"$eq": True}}, {key: {"$exists": True}}]), [key])
        texts = {each[key][1:] for each in heads if str(each[key]).startswith("t")}
        same = Condition("value", condition.operator, value)
        fit = sorted(typed(text) for text in texts if holds([same], "", {"value": text}))
        return {key: {"$in": fit}} if fit else None

    def _delete(self, where: dict[str, Any]) -> None:
        try:
            self._documents.delete(namespace=self.name, filter=where)
        except NotFoundError:
            return
        patiently(lambda: not any(True for _ in self.all_of(where, ["version"])))

    def _await(self, ids: set[str]) -> None:
        def all_there() -> bool:
            answer = self._documents.fetch(namespace=self.name, ids=sorted(ids), include_fields=["version"])
            return ids <= answer.documents.keys()

        patiently(all_there)


def patiently(done: Callable[[], bool]) -> None:
    """Wait until a write has arrived: Pinecone takes it in at once and shows it a while after."""
    ends, wait = time.monotonic() + LONGEST_WAIT, 0.05
    while not done():
        if time.monotonic() > ends:
            raise StoreError(f"what was written does not show within {LONGEST_WAIT:.0f} s; run the command again")
        time.sleep(wait)
        wait = min(2 * wait, 2.0)


def passage_id_of(id_: str) -> str:
    """The id of the passage that a document of Pinecone's holds."""
    return id_[:16]


def counting(state: State, tests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The filter for what counts and passes all tests."""
    dead = [{"version": {"$nin": list(state.dead)}}] if state.dead else []
    return {"$and": [{"since": {"$lte": state.generation}}, *dead, *tests]}


def _documents(
    document: IndexedDocument, version: str, generation: int, placeholder: list[float]
) -> Iterator[dict[str, Any]]:
    """A document of Pinecone's for each passage, and one that stands for the whole."""
    common: dict[str, Any] = {"document": typed(document.id), "version": version, "since": generation}
    for field, value in document.metadata.items():
        if field != "document":  # in a filter, that is the id
            common[_key(field)] = typed(value)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                common[_number_key(field)] = float(value)
    for entry in document.entries:
        passage, directed = entry.passage, bool(entry.vector.any())
        yield {
            **common,
            "_id": passage.id + version,
            VECTOR: entry.vector.tolist() if directed else placeholder,
            BODY: " ".join(words(indexed_text(passage.title, passage.heading, passage.text))),
            "directed": directed,
            "key": entry.key,
            "passage": packed(document, passage),
        }
    id_ = hashlib.sha256(document.id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    yield {**common, "_id": f"{id_}{version}-head", VECTOR: placeholder, "head": True, "digest": document.digest}


def _key(field: str) -> str:
    return "document" if field == "document" else f"f_{field_key(field)}"


def _number_key(field: str) -> str:
    return f"n_{field_key(field)}"
