"""What is Qdrant's own: errors in one line, its local folder, the lease that stands for a lock on a server."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient, models

from contract.stores import MADE_WITH, WordVectors, indexed
from ragc.errors import StoreError
from ragc.retrieval import Query, Store, open_store
from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores.qdrant import _lock
from ragc.retrieval.stores.qdrant._connection import Connection
from ragc.retrieval.stores.qdrant._lock import leased
from ragc.retrieval.stores.qdrant._server import Server

KEY = "secret-key-0123456789"
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


@contextlib.contextmanager
def answering(version: str, status: int, said: str) -> Iterator[str]:
    """A server that tells its version to everybody and answers all else with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            root = self.path == "/"
            body = {"title": "qdrant", "version": version} if root else {"status": {"error": said}, "time": 0}
            data = json.dumps(body).encode()
            self.send_response(200 if root else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"qdrant://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def refused(store: Store, said: str) -> None:
    with pytest.raises(StoreError, match=said) as found:
        store.state()
    assert "\n" not in str(found.value)
    assert KEY not in str(found.value)


def test_server_that_is_not_there(opened: Open) -> None:
    refused(opened("qdrant://127.0.0.1:1"), "cannot be reached .* start the server")


def test_wrong_key(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)
    with answering("1.20.0", 401, f"Invalid API key {KEY}") as url:
        refused(opened(url), "refuses the key in QDRANT_API_KEY, or there is none")


def test_server_that_is_too_old(opened: Open) -> None:
    with answering("1.19.3", 200, "") as url:
        refused(opened(url), "is Qdrant 1.19.3; 1.20 or newer is needed")


def test_server_that_is_full(opened: Open) -> None:
    with answering("1.20.0", 500, "No space left on device") as url:
        refused(opened(url), "takes no more: No space left on device")


def test_folder_in_use_by_another_program(opened: Open, qdrant_local_url: str, tmp_path: Path) -> None:
    other = QdrantClient(path=str(tmp_path / "qdrant"))
    store = opened(qdrant_local_url)
    refused(store, "in use by another program than ragc")
    other.close()
    assert store.state() is None


def test_collection_of_somebody_else_is_left_alone(opened: Open, qdrant_local_url: str, tmp_path: Path) -> None:
    store = opened(qdrant_local_url)
    name = store.location.rpartition("(")[2].rstrip(")")
    other = QdrantClient(path=str(tmp_path / "qdrant"))
    other.create_collection(name, vectors_config={})
    other.close()
    with pytest.raises(StoreError, match="somebody else's"):
        store.reset(MADE_WITH)


def test_what_a_killed_writer_left_does_not_count_and_is_deleted(opened: Open, qdrant_local_url: str) -> None:
    store: Any = opened(qdrant_local_url)
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v")
    with store._connection.lent(writing=True) as client:
        points = store._points(client, store._physical(client))
        points.insert({"0123456789abcdef": indexed("b", "half")}, 99)
    assert set(store.documents()) == {"a"}
    store.write([indexed("c", "more")], (), "v2")
    assert set(store.documents()) == {"a", "c"}
    with store._connection.lent() as client:
        left = client.scroll(store._physical(client), limit=100)[0]
    assert {point.payload["document"] for point in left if "document" in point.payload} == {"a", "c"}


def test_a_folder_holds_no_pickle_and_is_read_again_as_it_was(
    opened: Open, qdrant_local_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dumps", "loads"):
        monkeypatch.setattr(f"pickle.{name}", None)  # whoever pickles now fails
    store: Any = opened(qdrant_local_url)
    store.reset(MADE_WITH)
    store.write([indexed("a", "words about leave"), indexed("b", "Ünïcode 東京 🙂", metadata={"team": "x"})], (), "v")
    store.write([indexed("c", "gone")], ("a",), "v2")
    vector = WordVectors().embed_query("東京")
    query = Query("東京 gone", vector, 5, 0.5)
    before = store.search(query, MADE_WITH)
    assert {one.document for one in before} == {"b", "c"}
    store._connection._folder.close()
    assert store.search(query, MADE_WITH) == before
    files = list((tmp_path / "qdrant").rglob("*.sqlite"))
    assert files and not [file for file in files if b"qdrant_client" in file.read_bytes()]


def test_a_folder_that_is_pickled_is_not_read(opened: Open, qdrant_local_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    theirs = QdrantClient(path=str(folder))
    theirs.create_collection("any", vectors_config={})
    theirs.upsert("any", [models.PointStruct(id=1, vector={}, payload={})])
    theirs.close()
    (folder / ".lock").unlink()
    folder.rename(tmp_path / "qdrant")
    refused(opened(qdrant_local_url), "its points are pickled, which ragc does not read; delete the folder")


@pytest.fixture
def shared(tmp_path: Path) -> Connection:
    """A connection whose client is one in memory, which keeps the rules of a server's upsert with a filter."""
    connection = Connection(Server.at(Address("qdrant://h", tmp_path, "any")))
    connection._client = QdrantClient(":memory:")
    return connection


def test_lease_is_had_by_one_at_a_time(shared: Connection) -> None:
    order: list[str] = []
    with leased(shared, "handbook"):

        def other() -> None:
            with leased(shared, "handbook"):
                order.append("other")

        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.4)
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "other"]


def test_lease_of_a_dead_holder_runs_out(shared: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lock, "LEASE", 0.5)
    with leased(shared, "handbook"):
        pass
    import uuid

    id_ = str(uuid.uuid5(uuid.NAMESPACE_URL, "ragc:lock:handbook"))
    with shared.lent() as client:
        client.upsert(_lock.LOCKS, [models.PointStruct(id=id_, vector={}, payload={"token": "dead", "beat": "last"})])
    began = time.monotonic()
    with leased(shared, "handbook"):
        assert time.monotonic() - began >= 0.5
