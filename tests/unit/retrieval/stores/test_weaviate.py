"""Weaviate without a server: addresses, values that sort, what is said when there is none."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

import pytest

from contract.stores import MADE_WITH, indexed
from ragc.errors import ConfigError, StoreError
from ragc.retrieval import open_store
from ragc.retrieval.stores._address import Address
from ragc.retrieval.stores._entries import version_of
from ragc.retrieval.stores._words import words
from ragc.retrieval.stores.weaviate._schema import sortable
from ragc.retrieval.stores.weaviate._server import Server


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
