"""The points of a collection: how they are laid out, written, read and found. See `_snapshots` for what counts."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qdrant_client import QdrantClient, models

from ragc.errors import StoreError
from ragc.retrieval._filters import Condition, holds
from ragc.retrieval._passage import indexed_text
from ragc.retrieval._store import IndexedDocument
from ragc.retrieval.stores._snapshots import State, field_key, packed, typed
from ragc.retrieval.stores._words import words

STATE_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "ragc:state"))
"""The id of the point that holds the state."""
VECTOR, BODY = "dense", "body"
BATCH = 256
"""Points in one request."""
PAGE = 1000
"""Points in one answer."""
CHUNK = 500
"""How many values one filter compares with."""
MOST_VALUES = 10_000
"""How many different texts a field may have for them to be put in order; Qdrant has no order of texts itself."""
TEXT_INDEX = models.TextIndexParams(
    type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, lowercase=True, scoring=True
)
"""BM25 over words. They are ragc's own, parted by spaces, so that nothing is left for Qdrant to split otherwise."""
INDEXES: dict[str, Any] = {
    "key": models.PayloadSchemaType.KEYWORD,
    "version": models.PayloadSchemaType.KEYWORD,
    "document": models.PayloadSchemaType.KEYWORD,
    "since": models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=False, range=True),
    "head": models.PayloadSchemaType.BOOL,
}


class Points:
    """The points of one collection, for one lent client."""

    def __init__(self, client: QdrantClient, name: str, *, local: bool, grace: float) -> None:
        self._client = client
        self.name = name
        self._local = local
        self._grace = grace

    def create(self, dimensions: int, replicas: int | None, shards: int | None) -> None:
        """Make the collection and its indexes."""
        # Vectors come normalised, so that their product is the cosine; COSINE would normalise, and round, them again.
        vectors = {VECTOR: models.VectorParams(size=dimensions, distance=models.Distance.DOT)}
        self._client.create_collection(
            self.name, vectors_config=vectors, replication_factor=replicas, shard_number=shards
        )
        self._client.create_payload_index(self.name, BODY, TEXT_INDEX, wait=True)
        self._index(INDEXES)

    def state(self) -> State | None:
        """The state; None where there is none."""
        found = self._client.retrieve(self.name, [STATE_ID], with_payload=["state"])
        text = (found[0].payload or {}).get("state") if found else None
        return None if text is None else State.read(text)

    def commit(self, state: State) -> None:
        """See Records."""
        self._upsert([models.PointStruct(id=STATE_ID, vector={}, payload={"state": state.written()})])

    def held(self, state: State, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """See Records."""
        found: dict[str, tuple[str, int]] = {}
        if state.documents:
            for point in self.among(state, "document", ids, ["document", "version", "passage"]):
                id_, counted = point.payload["document"], int("passage" in point.payload)
                found[id_] = (point.payload["version"], found.get(id_, ("", 0))[1] + counted)
        return found

    def insert(self, documents: Mapping[str, IndexedDocument], generation: int) -> None:
        """See Records."""
        fields = {field for each in documents.values() for field in each.metadata}
        self._index_fields(fields)
        points = [point for version, each in documents.items() for point in _points(each, version, generation)]
        for start in range(0, len(points), BATCH):
            self._upsert(points[start : start + BATCH])

    def delete_later(self, generation: int) -> None:
        """See Records."""
        later = models.FieldCondition(key="since", range=models.Range(gt=generation))
        self._delete(models.Filter(must=[later]))

    def delete_versions(self, versions: Sequence[str]) -> None:
        """See Records."""
        time.sleep(self._grace)
        for start in range(0, len(versions), CHUNK):
            self._delete(models.Filter(must=[_any_of("version", versions[start : start + CHUNK])]))

    def among(
        self, state: State, key: str, values: Sequence[str], fields: list[str], *, vectors: bool = False
    ) -> Iterator[Any]:
        """Yield the points that count and whose `key` is one of `values`."""
        for start in range(0, len(values), CHUNK):
            wanted = _counting(state, [_any_of(key, values[start : start + CHUNK])])
            yield from self.all_of(wanted, fields, vectors=vectors)

    def heads(self, state: State, fields: list[str]) -> Iterator[Any]:
        """Yield a point for each document."""
        head = models.FieldCondition(key="head", match=models.MatchValue(value=True))
        yield from self.all_of(_counting(state, [head]), fields)

    def all_of(self, where: models.Filter, fields: list[str], *, vectors: bool = False) -> Iterator[Any]:
        """Yield all points that fulfil a filter."""
        offset: Any = None
        while True:
            found, offset = self._client.scroll(
                self.name,
                scroll_filter=where,
                limit=PAGE,
                offset=offset,
                with_payload=fields,
                with_vectors=[VECTOR] if vectors else False,
            )
            yield from found
            if offset is None:
                return

    def legs(
        self, text: str, vector: Sequence[float] | None, where: models.Filter, depth: int
    ) -> list[dict[str, float]]:
        """The scores of both legs by the ids of points, asked for in one request; none for a leg that is not asked."""
        asked = []
        if text:
            scoring = models.Bm25Scoring(bm25=models.Bm25Params(k=1.2, b=0.75))
            query = models.TextQuery(text=models.TextQueryInput(query=text, scoring=scoring))
            asked.append(models.QueryRequest(query=query, using=BODY, filter=where, limit=depth))
        if vector:
            params = None if self._local else models.SearchParams(hnsw_ef=max(128, depth))
            query_ = models.NearestQuery(nearest=list(vector))
            asked.append(models.QueryRequest(query=query_, using=VECTOR, filter=where, limit=depth, params=params))
        answers = self._client.query_batch_points(self.name, asked) if asked else []
        found = [{str(point.id): point.score for point in answer.points} for answer in answers]
        if not text:
            found.insert(0, {})
        return found if vector else [*found, {}]

    def spread(self, state: State) -> Counter[str]:
        """In how many passages each word stands; for the local mode, which reads all of them for a single word too."""
        found: Counter[str] = Counter()
        for point in self.all_of(_counting(state, []), [BODY]):
            found.update(set(point.payload.get(BODY, "").split()))
        return found

    def holding(self, state: State, word: str) -> int:
        """In how many passages a word stands."""
        there = models.FieldCondition(key=BODY, match=models.MatchText(text=word))
        return self._client.count(self.name, count_filter=_counting(state, [there]), exact=True).count

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """What passages are read from, by the ids of their points."""
        found = self._client.retrieve(self.name, list(ids), with_payload=["passage"])
        return {str(point.id): (point.payload or {}).get("passage", "") for point in found}

    def where(self, state: State, conditions: Sequence[Condition]) -> models.Filter | None:
        """The filter for what counts and fulfils all conditions; None: nothing can."""
        tests: list[Any] = []
        for condition in conditions:
            test = self._test(condition, state)
            if test is None:
                return None
            tests.append(test)
        return _counting(state, tests)

    def has_field(self, state: State, field: str) -> bool:
        """Whether any document has the field, empty or not."""
        there = models.Filter(must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key=_key(field)))])
        return bool(self._client.scroll(self.name, scroll_filter=_counting(state, [there]), limit=1)[0])

    def _test(self, condition: Condition, state: State) -> Any:
        field, value = condition.field, condition.value
        if isinstance(value, tuple):
            return _any_of(_key(field), [typed(one) for one in value]) if value else None
        if condition.operator == "eq":
            return _any_of(_key(field), [typed(value)])
        if condition.operator == "ne":
            # There, not null, and another: what is not there fulfils nothing, not even this.
            empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=_key(field)))
            return models.Filter(must_not=[empty, _any_of(_key(field), [typed(None), typed(value)])])
        if isinstance(value, str):
            return self._ordered(condition, state)
        return models.FieldCondition(key=_number_key(field), range=models.Range(**{condition.operator: float(value)}))

    def _ordered(self, condition: Condition, state: State) -> Any:
        """Qdrant puts no texts in order: which of the field's texts fulfil the condition is found out here."""
        found = self._client.facet(
            self.name,
            key=_key(condition.field),
            facet_filter=_counting(state, []),
            limit=MOST_VALUES + 1,
            exact=True,
        ).hits
        if len(found) > MOST_VALUES:
            raise StoreError(
                f"filters: {condition.field!r} has more than {MOST_VALUES} different values, and Qdrant has "
                f"no order of texts; filter by eq or in, or by a number"
            )
        values = [str(hit.value)[1:] for hit in found if str(hit.value).startswith("t")]
        same = Condition("value", condition.operator, condition.value)
        fit = [typed(value) for value in values if holds([same], "", {"value": value})]
        return _any_of(_key(condition.field), fit) if fit else None

    def _upsert(self, points: list[models.PointStruct]) -> None:
        self._client.upsert(self.name, points, wait=True, ordering=models.WriteOrdering.STRONG)

    def _delete(self, where: models.Filter) -> None:
        self._client.delete(
            self.name, models.FilterSelector(filter=where), wait=True, ordering=models.WriteOrdering.STRONG
        )

    def _index_fields(self, fields: set[str]) -> None:
        wanted: dict[str, Any] = {}
        for field in (*fields, "document"):
            wanted[_key(field)] = models.PayloadSchemaType.KEYWORD
            wanted[_number_key(field)] = models.PayloadSchemaType.FLOAT
        if not self._local:
            known = self._client.get_collection(self.name).payload_schema
            self._index({key: kind for key, kind in wanted.items() if key not in known})

    def _index(self, wanted: Mapping[str, Any]) -> None:
        for key, kind in wanted.items():
            if not self._local:  # where they have no effect, and a warning says so
                self._client.create_payload_index(self.name, key, kind, wait=True)


def passage_id_of(point: str) -> str:
    """The id of the passage that a point holds."""
    return uuid.UUID(point).hex[:16]


def _points(document: IndexedDocument, version: str, generation: int) -> Iterator[models.PointStruct]:
    """The points of a document: a passage each, and one that stands for the document."""
    common: dict[str, Any] = {"document": document.id, "version": version, "since": generation}
    fields: dict[str, Any] = {_key("document"): typed(document.id)}
    for field, value in document.metadata.items():
        if field != "document":  # in a filter, that is the id
            fields[_key(field)] = typed(value)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                fields[_number_key(field)] = float(value)
    for entry in document.entries:
        passage = entry.passage
        body = words(indexed_text(passage.title, passage.heading, passage.text))
        payload = {**common, **fields, "key": entry.key, "passage": packed(document, passage), BODY: " ".join(body)}
        # A vector without direction is near to nothing, so there is none.
        vector: Any = {VECTOR: entry.vector.tolist()} if entry.vector.any() else {}
        yield models.PointStruct(id=str(uuid.UUID(hex=passage.id + version)), vector=vector, payload=payload)
    head = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([document.id, version]))
    yield models.PointStruct(
        id=str(head), vector={}, payload={**common, **fields, "head": True, "digest": document.digest}
    )


def _counting(state: State, tests: Sequence[Any]) -> models.Filter:
    since = models.FieldCondition(key="since", range=models.Range(lte=state.generation))
    dead = [_any_of("version", state.dead)] if state.dead else None
    return models.Filter(must=[since, *tests], must_not=dead)


def _any_of(key: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))


def _key(field: str) -> str:
    return f"f_{field_key(field)}"


def _number_key(field: str) -> str:
    return f"n_{field_key(field)}"
