"""The stores that the contract suite runs against: a fixture per store that can be reached."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.pinecone_double import KEY, running_double
from contract.postgres import PostgresServer, running_postgres
from contract.servers import delete_collections, delete_qdrant_collections
from contract.stores import MADE_WITH
from ragc.retrieval import Store, open_store

OpenStore = Callable[..., Store]
"""open_(collection="handbook", read_only=False) -> Store, all on the same database."""


STORES = ["sqlite_url", "weaviate_url", "postgres_url", "qdrant_local_url", "qdrant_url", "pinecone_url"]
"""The fixtures that give the URL of an empty database, one a store; one that cannot be reached skips, saying why."""


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/index.db"


@pytest.fixture
def weaviate_url() -> Iterator[str]:
    """A real server, 1.32 or newer: WEAVIATE_URL, such as weaviate://127.0.0.1:8080?grpc_port=50051."""
    server = os.environ.get("WEAVIATE_URL")
    if not server:
        pytest.skip("WEAVIATE_URL names no Weaviate server")
    name = f"Test{uuid.uuid4().hex}"
    yield f"{server}{'&' if '?' in server else '?'}collection={name}"
    delete_collections(server, name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    return f"{postgres_server.url}?collection=test_{uuid.uuid4().hex}"


@pytest.fixture
def qdrant_local_url(tmp_path: Path) -> str:
    return f"qdrant+local:///{tmp_path}/qdrant?collection=test"


@pytest.fixture
def qdrant_url() -> Iterator[str]:
    """A real server, 1.20 or newer: QDRANT_URL, such as qdrant://127.0.0.1:6333."""
    server = os.environ.get("QDRANT_URL")
    if not server:
        pytest.skip("QDRANT_URL names no Qdrant server")
    name = f"test{uuid.uuid4().hex}"
    yield f"{server}{'&' if '?' in server else '?'}collection={name}"
    delete_qdrant_collections(server, name)


@pytest.fixture(scope="session")
def pinecone_double() -> Iterator[str]:
    """The address of the double, in a process of its own."""
    with running_double() as address:
        yield address


@pytest.fixture
def pinecone_url(pinecone_double: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PINECONE_API_KEY", KEY)
    name = f"test{uuid.uuid4().hex}"
    return f"pinecone://tests?host={pinecone_double}&cloud=aws&region=us-east-1&collection={name}"


CUT_BY_ID = {"sqlite_url", "postgres_url"}
"""Where a leg that has to be cut through equal scores is cut in the order of ids; elsewhere, where the server does."""


@pytest.fixture(params=STORES, ids=[name.removesuffix("_url") for name in STORES])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def cuts_by_id(url: str, request: pytest.FixtureRequest) -> bool:
    return request.node.callspec.params["url"] in CUT_BY_ID


ONE_LENGTH = {"pinecone_url"}
"""Where all collections of a database have vectors of the same length; another one is refused, by name."""


@pytest.fixture
def takes_any_length(url: str, request: pytest.FixtureRequest) -> bool:
    return request.node.callspec.params["url"] not in ONE_LENGTH


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
