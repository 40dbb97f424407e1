"""What is wrong with an address is said before anything is asked, in one line and without a password."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from ragc.errors import ConfigError
from ragc.retrieval import open_store


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_API_KEY", "pcsk_any_0123456789")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:hunter2secret@h/db?schema=Bad-Name", "schema is a name of small letters"),
        ("postgresql://u:hunter2secret@h/db?schema=a&schema=b", "schema takes one value"),
        ("postgresql://u:hunter2secret@h/db?nonsense=1", 'invalid URI query parameter: "nonsense"'),
        ("postgresql://u:hunter2secret@[h/db", "no address|cannot be read"),
        ("qdrant://hunter2secret@h:6333", "the key belongs into QDRANT_API_KEY"),
        ("qdrant://", "names no host"),
        ("qdrant://h:0x1", "port is a number"),
        ("qdrant://h?tls=yes", "tls is true or false"),
        ("qdrant://h?replicas=0", "replicas is a number from 1"),
        ("qdrant://h?shards=many", "shards is a number from 1"),
        ("qdrant://h?timeout=-1", "timeout is a number from 1"),
        ("qdrant://h?grpc=1", "unknown parameter 'grpc'"),
        ("qdrant+local://", "names no folder"),
        ("qdrant+local://folder?tls=true", "unknown parameter 'tls'"),
        ("pinecone://", "names no host|write pinecone://INDEX"),
        ("pinecone://Index_1", "write pinecone://INDEX"),
        ("pinecone://index/more", "write pinecone://INDEX"),
        ("pinecone://hunter2secret@index", "the key belongs into PINECONE_API_KEY"),
        ("pinecone://index?cloud=aws", "cloud and region belong together"),
        ("pinecone://index?timeout=soon", "timeout is a number from 1"),
    ],
)
def test_address_that_is_none_is_refused(url: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said) as found:
        open_store(url, root=tmp_path, collection="handbook")
    assert "\n" not in str(found.value)
    assert "hunter2secret" not in str(found.value)


def test_pinecone_without_a_key_says_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PINECONE_API_KEY")
    with pytest.raises(ConfigError, match="no key in PINECONE_API_KEY"):
        open_store("pinecone://index", root=tmp_path, collection="handbook")


@pytest.mark.parametrize(
    ("url", "library", "extra"),
    [
        ("postgresql://h/db", "psycopg", "postgres"),
        ("qdrant://h", "qdrant_client", "qdrant"),
        ("qdrant+local://folder", "qdrant_client", "qdrant"),
        ("pinecone://index", "pinecone", "pinecone"),
    ],
)
def test_missing_client_is_named_with_its_extra(
    url: str, library: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == library else there(name))
    with pytest.raises(ConfigError, match=rf"{library}: pip install 'ragc\[{extra}\]'"):
        open_store(url, root=tmp_path, collection="handbook")


def test_nothing_is_made_before_it_is_used(tmp_path: Path) -> None:
    open_store("qdrant+local://folder", root=tmp_path, collection="handbook").close()
    assert list(tmp_path.iterdir()) == []
