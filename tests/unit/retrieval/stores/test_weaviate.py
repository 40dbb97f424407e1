"""Weaviate without a server: addresses, values that sort, what is said when there is none."""

from __future__ import annotations

import asyncio
import itertools
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contract.doubles import answering
from contract.stores import MADE_WITH, indexed
from ragc.errors import ConfigError, StoreError
from ragc.retrieval import Query, open_store
from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores._entries import version_of
from ragc.retrieval.stores._words import words
from ragc.retrieval.stores.weaviate._connection import Connections
from ragc.retrieval.stores.weaviate._schema import create, sortable
from ragc.retrieval.stores.weaviate._server import Server
from ragc.retrieval.stores.weaviate._store import WeaviateStore


def server(url: str) -> Server:
    return Server.at(Address(url, Path("/project"), "handbook"))


def test_address_says_how_the_server_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = server("weaviate://db:8081?grpc_port=5005&tenant=acme&replicas=3&shards=2")
    assert (plain.host, plain.port, plain.grpc_port, plain.tls) == ("db", 8081, 5005, False)
    assert (plain.tenant, plain.replicas, plain.shards) == ("acme", 3, 2)
    assert (server("weaviate://db").port, server("weaviate://db").grpc_port) == (8080, 50051)
    assert server("weaviate://db?tls=true").tls
    monkeypatch.setenv("WEAVIATE_API_KEY", "a key that is long")
    cloud = server("weaviate+cloud://abc.weaviate.cloud")
    assert (cloud.host, cloud.port, cloud.grpc_host, cloud.grpc_port) == (
        *("abc.weaviate.cloud", 443),
        *("grpc-abc.weaviate.cloud", 443),
    )
    embedded = server("weaviate+embedded://data/wv?version=1.33.0")
    assert embedded.embedded == (Path("/project/data/wv"), "1.33.0")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("weaviate://", "names no host"),
        ("weaviate://db:99999", "port is a number"),
        ("weaviate://db?grpc=1", "unknown parameter 'grpc'; known are grpc_port"),
        ("weaviate://db?grpc_port=x", "grpc_port is a number from 1 to 65535, not 'x'"),
        ("weaviate://db?tls=maybe", "tls is true or false"),
        ("weaviate://db?tenant=", "tenant takes one value"),
        ("weaviate://db?tenant=two's", "tenant is called by 1 to 64 letters"),
        ("weaviate://user:secret-word@db", "the key belongs into WEAVIATE_API_KEY"),
        ("weaviate+cloud://abc.weaviate.cloud", "no key in WEAVIATE_API_KEY"),
    ],
)
def test_a_wrong_address_is_one_line(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEAVIATE_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=message) as error:
        open_store(url, root=Path("/"), collection="handbook")
    assert "secret-word" not in str(error.value)
    assert "\n" not in str(error.value)


def test_two_projects_and_two_tasks_have_other_names(tmp_path: Path) -> None:
    def name(project: str, task: str, owner: str | None = None) -> str:
        return Address("weaviate://db", tmp_path / project, task).name_on_server(owner)

    names = [name("a", "b_c"), name("a_b", "c"), name("a-b", "c"), name("a", "b", "x"), name("a", "b"), name("é", "b")]
    assert len(set(names)) == len(names)
    assert name("other", "b", "x") == name("a", "b", "x")


def test_values_sort_as_what_they_stand_for() -> None:
    numbers = [-(2**63), -1e300, -2.5, -2, -0.5, 0, 1e-300, 1, 1.5, 2**53, 2**53 + 1, 2**63 - 1, 1e300]
    numbers.sort()
    for one, other in itertools.pairwise(numbers):
        assert sortable(one) < sortable(other), (one, other)
    texts = ["", " ", " a", "a", "a ", "ab", "b", "é", "東"]
    assert sorted(texts, key=sortable) == sorted(texts, key=lambda text: text.encode())
    assert sortable(2) == sortable(2.0)
    assert sortable(0.0) == sortable(-0.0)
    assert len({sortable(value) for value in (None, True, 1, "1", "true")}) == 5


def test_words_are_those_of_the_embedded_store() -> None:
    assert words("Gdańsk-Straße 2½ O'Brien RÉSUMÉ 東京") == ["gdansk", "straße", "2½", "o", "brien", "resume", "東京"]


def test_a_version_says_whether_there_is_anything_to_write() -> None:
    assert version_of(indexed("a", "one")) == version_of(indexed("a", "one"))
    others = [indexed("a", "two"), indexed("b", "one"), indexed("a", "one", digest="2"), indexed("a", "one", title="T")]
    assert version_of(indexed("a", "one")) not in {version_of(other) for other in others}


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        store = open_store(f"weaviate://127.0.0.1:{port}", root=Path("/"), collection="handbook")
        with pytest.raises(
            StoreError, match=r"weaviate://127\.0\.0\.1:\d+ cannot be reached; start the server"
        ) as error:
            store.state()
        assert "\n" not in str(error.value)
        with pytest.raises(StoreError, match="cannot be reached"):
            store.reset(MADE_WITH)
        store.close()


KEY = "secret-key-0123456789"
META = "/v1/meta"
REFUSED = {"code": 401, "message": f"anonymous access not enabled; the key was {KEY}"}


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (None, "refuses the key in WEAVIATE_API_KEY, or there is none; export the right one"),
        ((401, REFUSED), "refuses the key in WEAVIATE_API_KEY, or there is none; export the right one"),
        ((403, {}), "refuses the key in WEAVIATE_API_KEY"),
        ((200, {"version": "1.31.9"}), r"is Weaviate 1\.31\.9; 1\.32 or newer is needed"),
        ((200, {"version": "1.25.0"}), r"is Weaviate 1\.25\.0; 1\.32 or newer is needed"),
        ((200, {"version": "1.38.11"}), r"answers, but not by gRPC at 127\.0\.0\.1:1; correct grpc_port"),
        ((200, {"version": "new"}), "answers, but not as a Weaviate server does; correct `store`"),
        ((200, {}), "not as a Weaviate server does"),
        ((200, []), "not as a Weaviate server does"),
        ((200, b"<html>"), "not as a Weaviate server does"),
        ((404, {}), "not as a Weaviate server does"),
        ((503, b"starting"), r"is not ready \(status 503\); try again"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_line(
    meta: tuple[int, Any] | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEAVIATE_API_KEY", KEY if meta else "")
    with answering({META: meta or (401, REFUSED)}) as port:
        store = open_store(f"weaviate://127.0.0.1:{port}?grpc_port=1", root=Path("/"), collection="handbook")
        assert isinstance(store, WeaviateStore)
        with pytest.raises(StoreError, match=rf"^weaviate://127\.0\.0\.1:{port} .*{message}") as error:
            store.state()
        assert "\n" not in str(error.value)
        assert KEY not in str(error.value)
        if not meta or meta[1] != {"version": "1.38.11"}:  # else it is found out by the first search
            with pytest.raises(StoreError, match=message):
                asyncio.run(store.asearch(Query("words", None, 1, 0), MADE_WITH))
        store.close()


def test_the_client_is_asked_for_what_the_address_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    options = Connections(server("weaviate+cloud://abc.weaviate.cloud?key_env=OUR_KEY&timeout=7"))._options()
    http, grpc = options["connection_params"].http, options["connection_params"].grpc
    assert (http.host, http.port, http.secure) == ("abc.weaviate.cloud", 443, True)
    assert (grpc.host, grpc.port, grpc.secure) == ("grpc-abc.weaviate.cloud", 443, True)
    assert options["auth_client_secret"].api_key == KEY
    assert options["additional_config"].timeout.query == options["additional_config"].timeout.init == 7
    assert options["skip_init_checks"]  # one of which asks the package registry
    plain = Connections(server("weaviate://db:8081?grpc_port=5005&grpc_host=rpc"))._options()
    http, grpc = plain["connection_params"].http, plain["connection_params"].grpc
    assert (http.host, http.port, http.secure, grpc.host, grpc.port) == ("db", 8081, False, "rpc", 5005)
    assert plain["auth_client_secret"] is None


class _Client:
    """What the embedded store makes of the client's class: the first one finds no server, the second starts one."""

    made: list[dict[str, Any]]

    def __init__(self, **options: Any) -> None:
        self.made.append(options)
        self._connection = SimpleNamespace(
            server_version="1.38.11", _ping_grpc=lambda _: None, _grpc_stub=SimpleNamespace(), _grpc_channel=None
        )
        for name in ("Search", "BatchObjects", "BatchDelete"):
            setattr(self._connection._grpc_stub, name, None)

    def connect(self) -> None:
        if "embedded_options" not in self.made[-1]:
            raise ConnectionRefusedError

    def close(self) -> None:
        pass


def test_an_embedded_server_is_started_where_none_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_Client, "made", [], raising=False)
    monkeypatch.setattr("weaviate.WeaviateClient", _Client)
    address = Address("weaviate+embedded://wv?version=1.33.0&port=8123&grpc_port=50123", tmp_path, "handbook")
    Connections(Server.at(address)).client.close()
    first, second = _Client.made
    assert first["connection_params"].http.port == 8123
    started = second["embedded_options"]
    assert (started.persistence_data_path, started.version) == (str(tmp_path / "wv"), "1.33.0")
    assert (started.port, started.grpc_port) == (8123, 50123)
    assert started.additional_env_vars["DISABLE_TELEMETRY"] == "true"
    assert second["skip_init_checks"]


def test_a_collection_is_made_as_the_address_says() -> None:
    asked: dict[str, SimpleNamespace] = {}

    def make(name: str, **how: Any) -> None:
        asked[name] = SimpleNamespace(**how)

    client = SimpleNamespace(collections=SimpleNamespace(create=make))
    create(client, server("weaviate://db?replicas=3&shards=2"), "Handbook_1")
    create(client, server("weaviate://db?tenant=acme&shards=2"), "Handbook_2")
    one, two = asked["Handbook_1"], asked["Handbook_2"]
    assert (one.replication_config.factor, one.sharding_config.desiredCount) == (3, 2)
    assert one.multi_tenancy_config is None
    assert two.multi_tenancy_config.enabled
    assert (two.sharding_config, two.replication_config) == (None, None)  # a tenant is one shard
