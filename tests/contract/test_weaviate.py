"""What only a Weaviate server has: tenants, an index that grows beside another, collections of somebody else's."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from contract.stores import MADE_WITH, WordVectors, ids, indexed
from ragc.errors import StoreError
from ragc.retrieval import Query, Store, open_store
from ragc.retrieval._store import AsyncStore
from ragc.retrieval.stores.weaviate._store import WeaviateStore

OTHER = dataclasses.replace(MADE_WITH, fingerprint="other")


def opened(url: str, collection: str = "handbook") -> WeaviateStore:
    store = open_store(url, root=Path("/"), collection=collection)
    assert isinstance(store, WeaviateStore)
    return store


def found(store: Store, text: str) -> list[str]:
    return sorted(ids(store.search(Query(text, WordVectors().embed_query(text), 10), MADE_WITH)))


def test_tenants_do_not_see_each_other(weaviate_url: str) -> None:
    one, two = opened(f"{weaviate_url}&tenant=one"), opened(f"{weaviate_url}&tenant=two-s")
    one.reset(MADE_WITH)
    one.write([indexed("a", "secret words")], (), "v1")
    assert two.state() is None
    with pytest.raises(StoreError, match="ragc index handbook"):
        found(two, "words")
    two.reset(MADE_WITH)
    two.write([indexed("b", "other words")], (), "v2")
    assert (found(one, "words"), found(two, "words")) == (["a"], ["b"])
    assert (one.documents(), two.documents()) == ({"a": "1"}, {"b": "1"})
    one.write([], ["a"], "v3")
    assert (found(one, "words"), found(two, "words")) == ([], ["b"])
    one.close()
    two.close()


def test_an_index_grows_beside_the_one_that_is_searched(weaviate_url: str) -> None:
    reader, writer = opened(weaviate_url), opened(weaviate_url)
    writer.reset(MADE_WITH)
    writer.write([indexed("a", "words")], (), "v1")
    writer.reset(OTHER)
    writer.write([indexed("b", "words")])
    state = reader.state()
    assert state is not None
    assert (state.made_with, state.complete) == (MADE_WITH, True)
    assert found(reader, "words") == ["a"]
    again = opened(weaviate_url)  # the writer was killed; the next one goes on
    again.reset(OTHER)
    assert again.documents() == {"b": "1"}
    again.write([indexed("c", "words")], (), "v2")
    state = reader.state()
    assert state is not None
    assert (state.made_with, state.documents) == (OTHER, 2)
    with pytest.raises(StoreError, match="other settings; open it again"):
        found(reader, "words")
    for store in (reader, writer, again):
        store.close()


def test_the_same_again_changes_nothing(weaviate_url: str) -> None:
    store = opened(weaviate_url)
    store.reset(MADE_WITH)

    def objects() -> dict[str, object]:
        held = store._collections.use(store._collections.physical(MADE_WITH)).iterator(return_properties=["since"])
        return {str(each.uuid): each.properties["since"] for each in held if each.properties["since"]}

    store.write([indexed("a", "one", "two"), indexed("b")], (), "v1")
    before = objects()
    store.write([indexed("a", "one", "two"), indexed("b")], (), "v1")
    assert objects() == before
    assert len(before) == 3
    store.close()


def test_what_a_writer_left_that_was_killed_is_not_found_and_goes(weaviate_url: str) -> None:
    from ragc.retrieval.stores._entries import version_of
    from ragc.retrieval.stores.weaviate._objects import insert, objects_of

    store = opened(weaviate_url)
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v1")
    collection = store._collections.use(store._collections.physical(MADE_WITH))
    half = indexed("b", "words")
    # As a writer does: readers are told, then passages are added; and then it is killed.

    def killed() -> None:
        with store.updating():
            store.write([indexed("c", "words")])
            insert(collection, objects_of(half, version_of(half), 99))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    reader = opened(weaviate_url)
    assert found(reader, "words") == ["a", "c"]
    assert reader.documents() == {"a": "1", "c": "1"}
    reader.write([indexed("d", "words")], (), "v2")
    assert found(reader, "words") == ["a", "c", "d"]
    assert collection.aggregate.over_all(total_count=True).total_count == 4  # three passages and the state
    store.close()
    reader.close()


def test_an_event_loop_searches_without_a_thread(weaviate_url: str) -> None:
    store = opened(weaviate_url)
    assert isinstance(store, AsyncStore)
    store.reset(MADE_WITH)
    store.write([indexed("a", "words"), indexed("b", "other")], (), "v1")

    async def search() -> list[list[str]]:
        query = Query("words", WordVectors().embed_query("words"), 1)
        answers = await asyncio.gather(*[store.asearch(query, MADE_WITH) for _ in range(8)])
        with pytest.raises(StoreError, match="other settings"):
            await store.asearch(query, OTHER)
        store.close()
        await asyncio.sleep(0.05)
        return [ids(answer) for answer in answers]

    assert asyncio.run(search()) == [["a"]] * 8


def test_a_collection_of_somebody_elses_is_left_alone(weaviate_url: str) -> None:
    store = opened(weaviate_url)
    client = store._connections.client
    client.collections.create(store._collections.alias)
    with pytest.raises(StoreError, match=r"somebody else's; add \?collection=NAME"):
        store.reset(MADE_WITH)
    client.collections.delete(store._collections.alias)
    client.collections.create(store._collections.physical(MADE_WITH), description="made by ragc")
    with pytest.raises(StoreError, match=r"schema of .* does not match"):
        store.reset(MADE_WITH)
    store.close()


def test_a_grpc_port_that_is_none_is_named(weaviate_url: str) -> None:
    port = weaviate_url.partition("grpc_port=")[2].partition("&")[0]
    store = opened(weaviate_url.replace(f"grpc_port={port}", "grpc_port=1"))
    with pytest.raises(StoreError, match=r"not by gRPC at .*:1; correct grpc_port"):
        store.state()
    store.close()
