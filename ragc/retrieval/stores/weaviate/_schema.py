"""What is kept in Weaviate: the names of collections, their schema, and the properties of an object.

Metadata has names and types of the user's; Weaviate wants a schema. So each field is one text property, called by a
digest of the field's name, whose value is the metadata's type and value written so that comparing two texts compares
what they stand for: every operator of the filters is then one that Weaviate has for text, and types never mix.
"""

from __future__ import annotations

import functools
import hashlib
import json
import struct
from dataclasses import asdict
from typing import Any

from ragc.errors import StoreError
from ragc.retrieval._passage import Passage, Scalar
from ragc.retrieval._store import IndexedDocument, MadeWith
from ragc.retrieval.stores._entries import as_json
from ragc.retrieval.stores._words import words
from ragc.retrieval.stores.weaviate._server import Server

LOCKS = "RagcLock"
"""The collection that all locks of a server are in."""
BUILT_WITH = 64
"""How many neighbours are looked at when a passage is added: half of Weaviate's default finds as many."""
MARK = "made by ragc"
"""Stands in the description of ragc's collections."""
NULL, BOOLEAN, NUMBER, TEXT, BEYOND = "a", "b", "n", "t", "u"
"""How values of a type begin; BEYOND follows all of them."""


@functools.lru_cache(maxsize=256)
def physical_name(alias: str, made_with: MadeWith) -> str:
    """Return the name of the collection that holds what is made with `made_with`."""
    data = json.dumps(asdict(made_with), sort_keys=True).encode("utf-8")
    return f"{alias}_{hashlib.sha256(data).hexdigest()[:12]}"


def field_name(field: str) -> str:
    """Return the property that holds the metadata's field, or with `document` the document's id."""
    return f"f_{hashlib.sha256(field.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def sortable(value: Scalar) -> str:
    """Return `value` as text: of the same order within its type, and of letters and digits only."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return f"{BOOLEAN}{int(value)}"
    if isinstance(value, str):
        return TEXT + value.encode("utf-8").hex()
    return NUMBER + _number(value)


def _number(value: int | float) -> str:
    """16 hexadecimal digits of the nearest double, then 16 for what an integer has beyond it."""
    near = float(value)
    (bits,) = struct.unpack(">Q", struct.pack(">d", near + 0.0))  # -0.0 is 0.0
    bits ^= 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else 1 << 63
    return f"{bits:016x}{int(value) - int(near) + 2**32 if isinstance(value, int) else 2**32:016x}"


def create(client: Any, server: Server, name: str) -> None:
    """Make a collection for passages. Raises what the client does."""
    from weaviate.classes.config import (
        Configure,
        DataType,
        Property,
        StopwordsPreset,
        Tokenization,
        VectorDistances,
    )

    def kept(name: str, type_: DataType = DataType.TEXT) -> Property:
        return Property(name=name, data_type=type_, index_filterable=False, index_searchable=False)

    client.collections.create(
        name,
        description=MARK,
        properties=[
            # The words as ragc splits them, so that nothing is left to split but at spaces.
            Property(
                name="body",
                data_type=DataType.TEXT,
                tokenization=Tokenization.WHITESPACE,
                index_searchable=True,
                index_filterable=False,
            ),
            *(kept(name) for name in ("document", "title", "text", "rest", "digest", "state")),
            filtered("key"),
            filtered("version"),
            filtered(field_name("document")),
            Property(name="since", data_type=DataType.INT, index_filterable=False, index_range_filters=True),
            Property(name="head", data_type=DataType.BOOL, index_filterable=True),
        ],
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(
                distance_metric=VectorDistances.COSINE,
                ef_construction=BUILT_WITH,
                quantizer=Configure.VectorIndex.Quantizer.none(),
            )
        ),
        inverted_index_config=Configure.inverted_index(bm25_k1=1.2, bm25_b=0.75, stopwords_preset=StopwordsPreset.NONE),
        multi_tenancy_config=Configure.multi_tenancy(enabled=True) if server.tenant else None,
        replication_config=Configure.replication(factor=server.replicas) if server.replicas else None,
        sharding_config=Configure.sharding(desired_count=server.shards)
        if server.shards and not server.tenant
        else None,
    )


def filtered(name: str) -> Any:
    """A text property that is compared as a whole."""
    from weaviate.classes.config import DataType, Property, Tokenization

    return Property(
        name=name,
        data_type=DataType.TEXT,
        tokenization=Tokenization.FIELD,
        index_filterable=True,
        index_searchable=False,
    )


def check_schema(config: Any, server: Server, name: str) -> set[str]:
    """Return the properties of a collection. StoreError when it is not one of ragc's, or was changed since."""
    from weaviate.classes.config import StopwordsPreset, Tokenization, VectorDistances

    if config.description != MARK:
        raise StoreError(f"{server.shown}: {name} is a collection of somebody else's; add ?collection=NAME to `store`")
    found = {each.name: each for each in config.properties}
    inverted, vectors = config.inverted_index_config, config.vector_config or {}
    body, vector = found.get("body"), vectors.get("default")
    sound = (
        body is not None
        and body.tokenization == Tokenization.WHITESPACE
        and body.index_searchable
        and {"document", "title", "text", "rest", "digest", "state", "key", "version", "since", "head"} <= set(found)
        and vector is not None
        and getattr(vector.vector_index_config, "distance_metric", None) == VectorDistances.COSINE
        and abs(inverted.bm25.k1 - 1.2) < 1e-6
        and abs(inverted.bm25.b - 0.75) < 1e-6
        and inverted.stopwords.preset == StopwordsPreset.NONE
        and bool(config.multi_tenancy_config.enabled) == bool(server.tenant)
    )
    if not sound:
        raise StoreError(
            f"{server.shown} does not have the schema that ragc makes: {name} was changed; "
            "delete that collection, or add ?collection=NAME to `store`"
        )
    return set(found)


def fields(document: IndexedDocument) -> dict[str, str]:
    """Return the properties that filters ask for."""
    found = {field_name("document"): sortable(document.id)}
    for field, value in document.metadata.items():
        if field != "document":  # in a filter, that is the id
            found[field_name(field)] = sortable(value)
    return found


def passage_properties(passage: Passage, document: IndexedDocument, body: str) -> dict[str, Any]:
    """Return the properties that a passage is read from, and its words."""
    rest = [passage.start, passage.end, list(passage.heading), {**document.metadata, **passage.metadata}]
    return {
        "body": " ".join(words(body)),
        "document": document.id,
        "title": passage.title,
        "text": passage.text,
        "rest": as_json(document, rest),
    }


READ = ["document", "title", "text", "rest"]
"""The properties that `passage_of` wants."""


def passage_of(uuid: Any, properties: dict[str, Any], **scores: Any) -> Passage:
    """Return the passage that an object holds."""
    start, end, heading, metadata = json.loads(properties["rest"])
    return Passage(
        id=f"{uuid.int >> 64:016x}",
        document=properties["document"],
        title=properties["title"],
        text=properties["text"],
        metadata=metadata,
        start=start,
        end=end,
        heading=tuple(heading),
        **scores,
    )
