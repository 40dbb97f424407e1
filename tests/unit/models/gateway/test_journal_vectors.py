"""The journal knows every embedded text by itself, whatever batch it was sent in; an older journal learns it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from provider import Provider
from ragc.models import Embeddings, Gateway, Journal
from ragc.models.gateway._journal._schema import SCHEMA
from ragc.project import EmbedderSettings

STORED = Path(__file__).parent / "stored" / "journal-schema-1.sql"
"""A journal of schema 1: "one" and "two" embedded together, "three" alone, in 4 dimensions each."""
STORED_AT = "http://127.0.0.1:9/v1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path) as journal:
        yield journal


def endpoint(provider: Provider, gateway: Gateway, **values: Any) -> Embeddings:
    given = {"model": "openai/scripted", "base_url": provider.base_url, "api_key_env": "OUR_KEY", **values}
    return Embeddings(EmbedderSettings.model_validate(given), gateway=gateway)


def held(ours: Embeddings, texts: Sequence[str], size: int | None = None, **use: Any) -> dict[str, array[float]]:
    found = ours.held(dict(enumerate(texts)), size, **{"use": "document", **use})
    return {texts[number]: vector for number, vector in found}


def test_a_text_is_known_whatever_it_was_sent_with(provider: Provider, journal: Journal) -> None:
    ours = endpoint(provider, Gateway(journal=journal))
    together = ours.embed(ours.request(["one", "two", "three"]))
    alone = ours.embed(ours.request(["four"]))
    found = held(ours, ["new", "three", "one", "four", "one"])
    assert ours.are_held(dict(enumerate(["new", "three", "one", "four", "one"])), None, "document") == {1, 2, 3, 4}
    assert found == {"one": together.vectors[0], "three": together.vectors[2], "four": alone.vectors[0]}
    assert len(provider.requests) == 2
    assert ours.gateway is not None and ours.gateway.usage.calls == 2


def test_another_model_size_use_address_or_generation_knows_nothing_of_it(provider: Provider, journal: Journal) -> None:
    gateway = Gateway(journal=journal)
    ours = endpoint(provider, gateway, model="voyage/scripted")
    ours.embed(ours.request(["one", "two"], 8))
    assert set(held(ours, ["one"], 8)) == {"one"}
    assert not held(ours, ["one"])
    assert not held(ours, ["one"], 4)
    assert not held(ours, ["one"], 8, use="query")
    assert not held(endpoint(provider, gateway, model="voyage/other"), ["one"], 8)
    elsewhere = provider.base_url.replace("127.0.0.1", "localhost")
    assert not held(endpoint(provider, gateway, model="voyage/scripted", base_url=elsewhere), ["one"], 8)
    fresh = Gateway(journal=journal, generation=1)
    assert not held(endpoint(provider, fresh, model="voyage/scripted"), ["one"], 8)


def test_a_text_that_held_a_secret_is_not_taken_for_one_that_holds_its_mask(
    provider: Provider, journal: Journal
) -> None:
    ours = endpoint(provider, Gateway(journal=journal))
    ours.embed(ours.request(["the key is sk-test-0123456789abcdefghij", "two"]))
    assert set(held(ours, ["the key is ***", "two"])) == {"two"}


def test_what_an_entry_holds_is_read_from_the_entry(provider: Provider, journal: Journal, path: Path) -> None:
    ours = endpoint(provider, Gateway(journal=journal))
    ours.embed(ours.request(["one", "two"]))
    ours.embed(ours.request(["three", "four"]))
    with apsw.Connection(str(path)) as connection:  # as a flipped bit might
        keys = [key for (key,) in connection.execute("SELECT key FROM entries ORDER BY id")]
        connection.execute("UPDATE vectors SET key = ? WHERE key = ?", (keys[1], keys[0]))
    connection.close()
    assert set(held(ours, ["one", "two", "three"])) == {"three"}


def test_what_is_pruned_is_forgotten_and_asked_for_again(provider: Provider, journal: Journal) -> None:
    ours = endpoint(provider, Gateway(journal=journal))
    ours.embed(ours.request(["one", "two"]))
    assert journal.prune(timedelta(seconds=-10)).entries == 1
    assert not held(ours, ["one"])
    ours.embed(ours.request(["two", "one"]))
    assert set(held(ours, ["one"])) == {"one"}


def test_an_export_read_again_knows_the_texts(provider: Provider, journal: Journal, tmp_path: Path) -> None:
    ours = endpoint(provider, Gateway(journal=journal))
    ours.embed(ours.request(["one", "two"]))
    journal.export(tmp_path / "journal.jsonl")
    with Journal.load(tmp_path / "journal.jsonl") as loaded:
        assert set(held(endpoint(provider, Gateway(journal=loaded)), ["two"])) == {"two"}


def older(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(STORED.read_text("utf-8"))
    connection.close()


def test_an_older_journal_is_brought_up_to_date_and_knows_its_texts(provider: Provider, path: Path) -> None:
    older(path)
    with Journal.open(path) as journal:
        assert journal.notes == []
        ours = endpoint(provider, Gateway(journal=journal), base_url=STORED_AT)
        assert {text: len(vector) for text, vector in held(ours, ["two", "three", "four"], 4).items()} == {
            "two": 4, "three": 4,
        }  # fmt: skip
    connection = apsw.Connection(str(path))
    assert connection.pragma("user_version") == SCHEMA
    connection.close()
    with Journal.open(path) as journal:
        assert len(list(journal.lines())) == 3


def test_an_older_journal_is_read_as_it_is_where_it_may_not_be_written(provider: Provider, path: Path) -> None:
    older(path)
    before = path.read_bytes()
    with Journal.open(path, read_only=True) as journal:
        assert journal.summary().total.entries == 2
        assert not held(endpoint(provider, Gateway(journal=journal), base_url=STORED_AT), ["one"], 4)
    assert path.read_bytes() == before
