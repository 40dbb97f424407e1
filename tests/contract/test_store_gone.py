"""What every store on a server must do when the server goes away, and when it comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.doubles import Line, lines_to
from contract.stores import MADE_WITH, WordVectors, corpus_of, ids, indexed
from ragc.errors import StoreError
from ragc.project import ChunkSettings
from ragc.retrieval import Index, Query, Store, open_store
from ragc.retrieval._store import AsyncStore

SERVERS = ["weaviate_url", "postgres_url", "qdrant_url"]
"""The stores whose server is reached at a port of this machine."""
SOON = 10
"""Seconds in which a person learns that the server is gone."""


@pytest.fixture(params=SERVERS, ids=[name.removesuffix("_url") for name in SERVERS])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Store, list[Line]]]:
    """An empty collection, and the lines to its server."""
    with lines_to(request.getfixturevalue(request.param)) as (url, lines):
        store = open_store(url, root=Path("/"), collection="handbook")
        store.reset(MADE_WITH)
        yield store, lines
        store.close()


def asked(text: str) -> Query:
    return Query(text, WordVectors().embed_query(text), 10)


def refused(call: Callable[[], object]) -> None:
    begun = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot be reached.*; start the server") as found:
        call()
    assert "\n" not in str(found.value)
    assert time.monotonic() - begun < SOON


def test_a_server_that_is_gone_is_one_line_and_one_that_is_back_is_used(server: tuple[Store, list[Line]]) -> None:
    store, lines = server
    store.write([indexed("a", "words")], (), "v1")
    assert ids(store.search(asked("words"), MADE_WITH)) == ["a"]
    for _ in range(2):
        for line in lines:
            line.cut()
        refused(lambda: store.search(asked("words"), MADE_WITH))
        refused(store.state)
        refused(store.documents)
        refused(lambda: store.write([indexed("b", "words")], (), "v2"))
        for line in lines:
            line.mend()
        assert ids(store.search(asked("words"), MADE_WITH)) == ["a"]
    store.write([indexed("b", "words")], (), "v2")
    assert set(ids(store.search(asked("words"), MADE_WITH))) == {"a", "b"}


def test_an_event_loop_outlives_the_server_too(server: tuple[Store, list[Line]]) -> None:
    store, lines = server
    if not isinstance(store, AsyncStore):
        pytest.skip("this store has no event loop's own way to search")
    store.write([indexed("a", "words")], (), "v1")

    async def search() -> list[list[str]]:
        found = [ids(await store.asearch(asked("words"), MADE_WITH))]
        for line in lines:
            line.cut()
        with pytest.raises(StoreError, match=r"cannot be reached"):
            await store.asearch(asked("words"), MADE_WITH)
        for line in lines:
            line.mend()
        found.append(ids(await store.asearch(asked("words"), MADE_WITH)))
        store.close()
        await asyncio.sleep(0.05)
        return found

    assert asyncio.run(search()) == [["a"], ["a"]]


def test_an_update_that_loses_the_server_is_completed_by_the_next(
    server: tuple[Store, list[Line]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, lines = server
    monkeypatch.setattr("ragc.retrieval._index.BATCH", 4)
    corpus = corpus_of({f"d{number:02}": f"words {number}" for number in range(12)})
    words = WordVectors()
    index = Index(store, words, ChunkSettings(), name="handbook")

    def cut(done: int, _: int) -> None:
        if done >= 4:
            for line in lines:
                line.cut()

    refused(lambda: index.update(corpus, cut))
    for line in lines:
        line.mend()
    state = store.state()
    assert state is not None
    assert state.corpus_version != corpus.fingerprint
    embedded = words.embedded
    report = index.update(corpus)
    assert index.corpus_version == corpus.fingerprint
    assert report.unchanged >= 4
    assert words.embedded - embedded == 12 - report.unchanged
    assert sorted(ids(index.search("words", k=100))) == [f"d{number:02}" for number in range(12)]
