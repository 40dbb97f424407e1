"""Objects in bulk: written with their failures named and tried again, read page by page, deleted to the last."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from ragc._messages import counted
from ragc.errors import StoreError
from ragc.retrieval._passage import indexed_text
from ragc.retrieval._store import IndexedDocument
from ragc.retrieval.stores.weaviate._schema import fields, passage_properties
from ragc.retrieval.stores.weaviate._search import DEEPEST
from ragc.retrieval.stores.weaviate._told import NotWritten

BATCH = 128
"""Objects in one request."""
WRITERS = 4
"""Requests at a time."""
SAMPLE = 2000
"""How many passages words are counted in."""
FEW = 1000
"""With fewer passages than that every word counts: there is little to gain, and words are quickly in half of them."""
AGAIN = (0.2, 1.0)
"""Seconds to wait before objects that failed are sent again."""
NAMED = 3
"""How many of the objects that failed a message names."""
CHUNK = 200
"""How many values one filter compares with."""


def objects_of(document: IndexedDocument, version: str, generation: int) -> list[Any]:
    """Return the objects of a document. Their ids say what they hold: the passage's id, then the version's.

    The first one also stands for the document; one without passages has an object for that alone.
    """
    from weaviate.classes.data import DataObject

    common = {**fields(document), "version": version, "since": generation}
    head = {"head": True, "digest": document.digest}
    made = []
    for number, entry in enumerate(document.entries):
        passage = entry.passage
        body = indexed_text(passage.title, passage.heading, passage.text)
        properties = {
            **passage_properties(passage, document, body),
            **common,
            **(head if number == 0 else {}),
            "key": entry.key,
        }
        # A vector without direction is near to nothing, so there is none.
        vector = {"default": entry.vector.tolist()} if entry.vector.any() else {}
        made.append(DataObject(uuid=uuid.UUID(hex=passage.id + version), properties=properties, vector=vector))
    if not made:
        empty = hashlib.sha256(document.id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        properties = {**common, **head, "document": document.id}
        made.append(DataObject(uuid=uuid.UUID(hex=empty + version), properties=properties))
    return made


def insert(collection: Any, objects: Iterable[Any]) -> None:
    """Write all objects, several requests at a time, while more are made. NotWritten names what goes on failing."""
    made = iter(objects)
    batches = iter(lambda: list(islice(made, BATCH)), [])
    with ThreadPoolExecutor(WRITERS, "ragc-weaviate") as pool:
        for future in [pool.submit(_insert, collection, batch) for batch in batches]:
            future.result()


def _insert(collection: Any, batch: list[Any]) -> None:
    for wait in (*AGAIN, None):
        failed = _failed(collection, batch)
        if not failed:
            return
        batch = [batch[number] for number in failed]
        if wait is not None:
            time.sleep(wait)
    names = ", ".join(f"{one.properties['document']} ({one.uuid})" for one in batch[:NAMED])
    more = ", …" if len(batch) > NAMED else ""
    raise NotWritten(f"{counted(len(batch), 'passage')} not written, {names}{more}: {next(iter(failed.values()))}")


def _failed(collection: Any, batch: list[Any]) -> dict[int, str]:
    """Send a batch; return what was said of each that failed, by its place."""
    from weaviate.exceptions import WeaviateInsertManyAllFailedError

    try:
        answer = collection.data.insert_many(batch)
    except WeaviateInsertManyAllFailedError as error:
        return dict.fromkeys(range(len(batch)), str(error))
    return {number: str(error.message) for number, error in answer.errors.items()}


def delete(collection: Any, where: Any) -> None:
    """Delete all objects for which the filter holds; a server deletes so many at once and no more."""
    while True:
        answer = collection.data.delete_many(where=where)
        if answer.failed:
            raise StoreError(f"{counted(answer.failed, 'passage')} not deleted; run the command again")
        if answer.matches < DEEPEST:
            return


def frequent_words(collection: Any, passages: int) -> tuple[str, ...]:
    """Return the words in more than half of the passages, of which the first ones are a sample: ids are digests."""
    if passages < FEW:
        return ()
    sample = islice(collection.iterator(return_properties=["body"], cache_size=1000), SAMPLE)
    bodies = [set(body.split()) for each in sample if (body := each.properties.get("body"))]
    counts = Counter(word for body in bodies for word in body)
    return tuple(sorted(word for word, count in counts.items() if 2 * count > len(bodies)))


def among(
    collection: Any, name: str, values: Sequence[str], properties: list[str], *, vectors: bool = False
) -> Iterator[Any]:
    """Yield the objects whose property `name` is one of `values`, without a vector unless asked for."""
    from weaviate.classes.query import Filter

    for start in range(0, len(values), CHUNK):
        wanted = list(values[start : start + CHUNK])
        found = collection.query.fetch_objects(
            filters=Filter.by_property(name).contains_any(wanted),
            limit=DEEPEST,
            include_vector=vectors,
            return_properties=properties,
        ).objects
        if len(found) < DEEPEST or len(wanted) == 1:
            yield from found
        else:
            for value in wanted:
                yield from among(collection, name, [value], properties, vectors=vectors)
