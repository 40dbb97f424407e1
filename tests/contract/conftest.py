"""The stores that the contract suite runs against: a fixture per store that can be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.stores import MADE_WITH
from ragc.retrieval import Store, open_store

OpenStore = Callable[..., Store]
"""open_(collection="handbook", read_only=False) -> Store, all on the same database."""


STORES = ["sqlite_url"]
"""The fixtures that give the URL of an empty database, one a store; one that cannot be reached skips, saying why."""


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/index.db"


@pytest.fixture(params=STORES, ids=[name.removesuffix("_url") for name in STORES])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def open_(url: str, tmp_path: Path) -> Iterator[OpenStore]:
    opened: list[Store] = []

    def open_one(collection: str = "handbook", read_only: bool = False) -> Store:
        opened.append(open_store(url, root=tmp_path, collection=collection, read_only=read_only))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_: OpenStore) -> Store:
    """An empty collection."""
    made = open_()
    made.reset(MADE_WITH)
    return made
