"""What is Pinecone's own: its errors in one line, against a double that checks requests by the client's own models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.pinecone_double import KEY
from contract.stores import MADE_WITH
from ragc.errors import StoreError
from ragc.retrieval import Store, open_store

Open = Callable[[str], Store]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    stores: list[Store] = []

    def open_one(url: str) -> Store:
        stores.append(open_store(url, root=tmp_path, collection="handbook"))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def refused(store: Store, said: str) -> None:
    with pytest.raises(StoreError, match=said) as found:
        store.reset(MADE_WITH)
    assert "\n" not in str(found.value)
    assert KEY not in str(found.value)


def test_wrong_key(opened: Open, pinecone_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_API_KEY", "pcsk_wrong_0123456789")
    refused(opened(pinecone_url), "refuses the key in PINECONE_API_KEY")


def test_index_that_is_not_there(opened: Open, pinecone_double: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_API_KEY", KEY)
    store = opened(f"pinecone://nowhere?host={pinecone_double}")
    assert store.state() is None
    refused(store, "there is no such index; add .cloud=")


def test_service_out_of_reach(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_API_KEY", KEY)
    refused(opened("pinecone://any?host=http://127.0.0.1:1"), "cannot be reached")
