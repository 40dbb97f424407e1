"""What only a Weaviate server has: tenants, an index that grows beside another, collections of somebody else's."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.stores import MADE_WITH, WordVectors, ids, indexed
from ragc.errors import StoreError
from ragc.retrieval import Query, Store, open_store
from ragc.retrieval._store import AsyncStore
from ragc.retrieval.stores.weaviate._state import State
from ragc.retrieval.stores.weaviate._store import WeaviateStore

OTHER = dataclasses.replace(MADE_WITH, fingerprint="other")


def opened(url: str, collection: str = "handbook") -> WeaviateStore:
    store = open_store(url, root=Path("/"), collection=collection)
    assert isinstance(store, WeaviateStore)
    return store


def collection_of(store: WeaviateStore) -> Any:
    """What holds the passages, as the client has it."""
    return store._collections.use(store._collections.physical(MADE_WITH))


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
        held = collection_of(store).iterator(return_properties=["since"])
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
    collection = collection_of(store)
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
    with pytest.raises(StoreError, match="not have the schema that ragc makes"):
        store.reset(MADE_WITH)
    store.close()


def test_a_grpc_port_that_is_none_is_named(weaviate_url: str) -> None:
    port = weaviate_url.partition("grpc_port=")[2].partition("&")[0]
    store = opened(weaviate_url.replace(f"grpc_port={port}", "grpc_port=1"))
    with pytest.raises(StoreError, match=r"not by gRPC at .*:1; correct grpc_port"):
        store.state()
    store.close()


def test_a_full_server_is_one_line_goes_on_being_read_and_takes_more_when_it_has_room(weaviate_url: str) -> None:
    store = opened(weaviate_url)
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v1")
    config = collection_of(store).config
    config.update_shards(status="READONLY")  # what a server does whose disk is full
    for _ in range(2):
        with pytest.raises(StoreError, match=r"takes no more: .*read-only.*; give it room, then run") as full:
            store.write([indexed("b", "words")], (), "v2")
        assert "\n" not in str(full.value)
        assert len(str(full.value)) < 400
    assert found(store, "words") == ["a"]
    config.update_shards(status="READY")
    store.write([indexed("b", "words")], (), "v2")
    assert found(store, "words") == ["a", "b"]
    store.close()


def test_what_a_batch_could_not_write_is_named_and_nothing_of_it_is_found(weaviate_url: str) -> None:
    store = opened(weaviate_url)
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v1")
    batch = [indexed(f"b{number}", "words") for number in range(4)]

    def fill() -> None:
        with store.updating():
            store.write([], ["nowhere"])  # readers are told; from here on only passages are written
            session = store._session.held
            held, session.commit = session.commit, lambda *_: None
            collection_of(store).config.update_shards(status="READONLY")
            try:
                store.write(batch)
            finally:
                collection_of(store).config.update_shards(status="READY")
                session.commit = held

    with pytest.raises(
        StoreError, match=r"takes no more: 4 passages not written, b0 \([0-9a-f-]+\), b1 .*, …: .*read-only"
    ):
        fill()
    assert found(store, "words") == ["a"]
    assert store.documents() == {"a": "1"}
    store.close()


def test_a_lock_that_could_not_be_had_is_no_lock(weaviate_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(weaviate_url)
    store.reset(MADE_WITH)

    def fail(*_: Any) -> None:
        raise OSError("no room")

    with monkeypatch.context() as full:
        full.setattr("ragc.retrieval.stores.weaviate._lock.put", fail)
        with pytest.raises(StoreError):
            store.write([indexed("a", "words")], (), "v1")
    aliases = store._connections.client.alias.list_all()
    assert [name for name in aliases if name.startswith(f"{store._collections.alias}_lock")] == []
    store.close()


def test_vectors_of_another_length_in_the_collection_are_one_line(weaviate_url: str) -> None:
    store = opened(weaviate_url)
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v1")
    with pytest.raises(StoreError, match="has vectors of another length in that collection") as error:
        store.search(Query("words", np.ones(3, dtype=np.float32), 5), MADE_WITH)
    assert "\n" not in str(error.value)
    store.close()


def test_a_schema_that_was_changed_is_named_when_it_is_read_or_written(weaviate_url: str) -> None:
    store = opened(weaviate_url)
    client = store._connections.client
    # Of the right name and mark, but without the properties.
    client.collections.create(store._collections.physical(MADE_WITH), description="made by ragc")
    client.alias.create(alias_name=store._collections.alias, target_collection=store._collections.physical(MADE_WITH))
    for call in (lambda: store.write([indexed("a", "words")], (), "v"), store.state, lambda: found(store, "words")):
        with pytest.raises(StoreError, match="not have the schema that ragc makes") as error:
            call()
        assert "\n" not in str(error.value)
    store.close()


def test_a_tenant_that_was_put_to_sleep_is_named(weaviate_url: str) -> None:
    from weaviate.classes.tenants import Tenant, TenantActivityStatus

    store = opened(f"{weaviate_url}&tenant=one")
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v1")
    name = store._collections.physical(MADE_WITH)
    store._connections.client.collections.use(name).tenants.update(
        [Tenant(name="one", activity_status=TenantActivityStatus.INACTIVE)]
    )
    with pytest.raises(StoreError, match=r"put that tenant to sleep: .*'one'; make it active"):
        found(store, "words")
    store.close()


def test_shards_are_those_of_the_address(weaviate_url: str) -> None:
    store = opened(f"{weaviate_url}&shards=3")
    store.reset(MADE_WITH)
    store.write([indexed(f"d{number}", "words") for number in range(9)], (), "v1")
    config = collection_of(store).config.get()
    assert config.sharding_config.actual_count == 3
    assert found(store, "words") == [f"d{number}" for number in range(9)]
    store.write([], [f"d{number}" for number in range(5)], "v2")
    assert found(store, "words") == [f"d{number}" for number in range(5, 9)]
    store.close()


NOBODY_ELSE = """
import asyncio, socket, sys
from pathlib import Path

def watch(event, arguments):
    loopback = ("127.0.0.1", "::1", "localhost", None)
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in loopback:
        print("LEAVES:", arguments[1])
        raise ConnectionRefusedError
    if event == "socket.getaddrinfo" and arguments[0] not in loopback:
        print("LEAVES:", arguments[0])
        raise socket.gaierror

sys.addaudithook(watch)
from contract.stores import MADE_WITH, indexed
from ragc.retrieval import Query, open_store

store = open_store(sys.argv[1], root=Path("/"), collection="handbook")
store.reset(MADE_WITH)
store.write([indexed("a", "words")], (), "v1")
query = Query("words", None, 1, 0)
print(len(store.search(query, MADE_WITH)), len(asyncio.run(store.asearch(query, MADE_WITH))))
store.close()
"""


def test_nobody_but_the_server_is_contacted(weaviate_url: str) -> None:
    tests = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", NOBODY_ELSE, weaviate_url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "1 1\n", (done.stdout, done.stderr)


def test_a_write_whose_answer_was_lost_is_counted_once(weaviate_url: str) -> None:
    store = opened(weaviate_url)
    store.reset(MADE_WITH)

    def lost(state: State) -> None:
        commit(state)
        raise OSError("the line was cut")

    with store.updating():
        session = store._session.held
        store.write([indexed("z", "words")])
        commit, session.commit = session.commit, lost
        with pytest.raises(StoreError):
            store.write([indexed("a", "words", "more words")])
        session.commit = commit
        store.write([indexed("a", "words", digest="2")], (), "v1")
    state = store.state()
    assert state is not None
    assert (state.documents, state.passages) == (2, 2)
    assert store.documents() == {"a": "2", "z": "1"}
    assert found(store, "words") == ["a", "z"]
    store.close()


def test_a_server_that_still_starts_is_not_taken_for_one_with_another_index(
    weaviate_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(weaviate_url)
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v1")
    with monkeypatch.context() as starting:
        starting.setattr("ragc.retrieval.stores.weaviate._requests.state_in", lambda _: None)
        with pytest.raises(StoreError, match=r"is not ready: .*; try again"):
            found(store, "words")
    assert found(store, "words") == ["a"]
    store.close()
