"""What is PostgreSQL's own: its errors in one line, its index of vectors, its server that goes and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from contract.postgres import PASSWORD, PostgresServer, running_postgres
from contract.stores import MADE_WITH, WordVectors, ids, indexed
from ragc.errors import StoreError
from ragc.retrieval import Query, Store, open_store, parse_filters
from ragc.retrieval.stores.postgres import _connections, _search

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


def ask(store: Store, text: str, alpha: float = 0.5, **asked: Any) -> list[str]:
    conditions = parse_filters(asked.pop("filters", None))
    query = Query(text, WordVectors().embed_query(text), 10, alpha, conditions=conditions, **asked)
    return ids(store.search(query, MADE_WITH))


def run(server: PostgresServer, *statements: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def refused(store: Store, said: str) -> None:
    with pytest.raises(StoreError, match=said) as found:
        store.reset(MADE_WITH)
    assert "\n" not in str(found.value)
    assert PASSWORD not in str(found.value)


def test_server_that_is_not_there(opened: Open) -> None:
    refused(opened(f"postgresql://postgres:{PASSWORD}@127.0.0.1:1/postgres"), "cannot be reached .* start the server")


def test_wrong_password(opened: Open, postgres_server: PostgresServer) -> None:
    refused(opened(postgres_server.url.replace(PASSWORD, "wrong-password")), "refuses user or password")


def test_database_that_is_not_there(opened: Open, postgres_server: PostgresServer) -> None:
    refused(opened(postgres_server.url + "_nowhere"), "no such database")


def test_server_without_pgvector(opened: Open, postgres_server: PostgresServer, monkeypatch: Any) -> None:
    def without(connection: Any, sql: str, values: Any = (), **how: Any) -> Any:
        return _connections.run(connection, sql.replace("name = 'vector'", "name = 'no such'"), values, **how)

    monkeypatch.setattr("ragc.retrieval.stores.postgres._sql.run", without)
    refused(opened(f"{postgres_server.url}?schema=no_vector"), "has no pgvector; install it")


def test_user_who_may_not_create(opened: Open, postgres_server: PostgresServer) -> None:
    run(postgres_server, "CREATE EXTENSION IF NOT EXISTS vector", "CREATE ROLE small LOGIN PASSWORD 'small-pass-1'")
    url = postgres_server.url.replace(f"postgres:{PASSWORD}", "small:small-pass-1")
    refused(opened(f"{url}?schema=not_mine"), "permission denied .* grant this user")


def test_database_that_is_read_only(opened: Open, postgres_server: PostgresServer) -> None:
    store = opened(f"{postgres_server.url}?schema=fixed&options=-c%20default_transaction_read_only%3Don")
    refused(store, "is read-only")


def test_tables_of_somebody_else_are_left_alone(opened: Open, postgres_server: PostgresServer) -> None:
    run(postgres_server, "CREATE SCHEMA theirs", "CREATE TABLE theirs.collections (a int)")
    store = opened(f"{postgres_server.url}?schema=theirs")
    refused(store, "tables of somebody else's; add .schema=NAME")
    with pytest.raises(StoreError, match="somebody else's"):
        store.state()


def test_tables_that_were_changed(opened: Open, postgres_server: PostgresServer) -> None:
    store = opened(f"{postgres_server.url}?schema=changed")
    store.reset(MADE_WITH)
    run(postgres_server, "ALTER TABLE changed.collections DROP COLUMN words")
    with pytest.raises(StoreError, match="do not match what ragc makes"):
        store.state()


def test_tables_of_a_newer_ragc(opened: Open, postgres_server: PostgresServer) -> None:
    store = opened(f"{postgres_server.url}?schema=newer")
    store.reset(MADE_WITH)
    run(postgres_server, "COMMENT ON TABLE newer.collections IS 'ragc index, schema 9'")
    refused(store, "made by a newer ragc")


@pytest.mark.parametrize(("field", "said"), [("id", "no NUL character in an id"), ("team", "metadata holds a NUL")])
def test_nul_is_refused_where_it_cannot_be_kept(opened: Open, postgres_url: str, field: str, said: str) -> None:
    store = opened(postgres_url)
    store.reset(MADE_WITH)
    document = indexed("a\0b", "x") if field == "id" else indexed("a", "x", metadata={"team": "p\0q"})
    with pytest.raises(StoreError, match=said):
        store.write([document])
    store.write([indexed("a", "a text with \0 in it")], (), "v")
    assert store.passages(["a"])[0].text == "a text with \0 in it"


def test_long_words_and_many_of_them(opened: Open, postgres_url: str) -> None:
    store = opened(postgres_url)
    store.reset(MADE_WITH)
    store.write([indexed("a", "x" * 50_000 + " " + "hay " * 5_000), indexed("b", "hay"), indexed("c", "rent")], (), "v")
    assert ask(store, "x" * 50_000, 0) == ["a"]
    assert ask(store, "hay", 0) == ["a", "b"]


def test_many_passages_are_found_by_the_index(
    opened: Open, postgres_url: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_search, "EXACT", 100)
    store = opened(postgres_url)
    store.reset(MADE_WITH)
    store.write(
        [
            indexed(f"d{number}", f"word{number} of all", metadata={"odd": number % 2, "one": number == 7})
            for number in range(400)
        ],
        (),
        "v",
    )
    with psycopg.connect(postgres_server.url) as connection:
        made = connection.execute("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%hnsw%'").fetchone()
    assert made is not None
    assert made[0] >= 1
    assert ask(store, "word31 of all", 1)[0] == "d31"
    assert ask(store, "word31 of all", 1, filters={"odd": 1})[0] == "d31"
    assert ask(store, "word31 of all", 1, filters={"one": True}) == ["d7"]
    assert len(store.search(Query("", WordVectors().embed_query("all"), 400, 1), MADE_WITH)) == 400


def test_server_that_went_and_came_back(opened: Open) -> None:
    with running_postgres() as server:
        store = opened(server.url)
        store.reset(MADE_WITH)
        store.write([indexed("a", "words")], (), "v")
        assert ask(store, "words") == ["a"]
        server.stop()
        with pytest.raises(StoreError, match="cannot be reached"):
            ask(store, "words")
        server.start()
        assert ask(store, "words") == ["a"]
        store.close()
