"""What is particular to the SQLite store: files, folders, disks."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from contract.stores import MADE_WITH, WordVectors, bound_by_permissions, ids, indexed
from ragc.errors import ConfigError, StoreError
from ragc.retrieval import Query, Store, open_store
from ragc.retrieval.stores.sqlite import _connections, _store
from ragc.retrieval.stores.sqlite._store import SQLiteStore

TESTS = Path(__file__).resolve().parents[2]
OLDER = Path(__file__).parent / "stored" / "index-schema-1.db.gz"
"""An index of "handbook" as schema 1 had it: one document, `leave.md`."""


def sqlite(path: Path, *, read_only: bool = False) -> Store:
    return open_store(f"sqlite:///{path}", root=path.parent, collection="handbook", read_only=read_only)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "index.db"
    store = sqlite(path)
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v1")
    store.close()
    return path


def search(store: Store, text: str = "words") -> list[str]:
    return ids(store.search(Query(text, None, 5, 0), MADE_WITH))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite://.ragc/index.db", "root/.ragc/index.db"),
        ("sqlite:///.ragc/index.db", "root/.ragc/index.db"),
        ("sqlite:////{tmp}/x/index.db", "x/index.db"),
        ("sqlite://a b/ü?#%.db", "root/a b/ü?#%.db"),
    ],
)
def test_path_in_the_url(tmp_path: Path, url: str, place: str) -> None:
    store = open_store(url.format(tmp=str(tmp_path)[1:]), root=tmp_path / "root", collection="handbook")
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v1")
    assert search(store) == ["a"]
    assert (tmp_path / place).is_file()
    assert Path(store.location) == tmp_path / place


@pytest.mark.parametrize(
    "url", ["redis://user:secret@host", "index.db", "sqlite://", "sqlite:///", "", "mongodb://secret@x"]
)
def test_unknown_store_is_one_line_without_secrets(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite://") as caught:
        open_store(url, root=tmp_path, collection="handbook")
    assert "secret" not in str(caught.value)


def test_nothing_is_created_by_looking(tmp_path: Path) -> None:
    store = sqlite(tmp_path / "new" / "index.db")
    assert store.state() is None
    assert not (tmp_path / "new").exists()


def test_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with apsw.Connection(str(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    for use in (sqlite(path).state, lambda: sqlite(path).reset(MADE_WITH)):
        with pytest.raises(StoreError, match="SQLite file of something else"):
            use()
    assert path.read_bytes() == before


def test_newer_schema_is_refused(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    for use in (sqlite(path).state, lambda: sqlite(path).write([indexed("b", "x")])):
        with pytest.raises(StoreError, match=r"newer ragc \(index schema 99, this one knows 2\)"):
            use()


def test_an_older_index_is_none_until_it_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(gzip.decompress(OLDER.read_bytes()))
    before = path.read_bytes()
    store = sqlite(path)
    assert store.state() is None
    assert store.documents() == {} and not store.vectors(["x"]) and not store.passages(["leave.md"])
    with pytest.raises(StoreError, match=r"holds no index of handbook; run `ragc index handbook`"):
        search(store)
    with pytest.raises(StoreError, match=r"holds no index of handbook; run `ragc index handbook`"):
        store.write([indexed("b", "x")])
    assert path.read_bytes() == before
    store.reset(MADE_WITH)
    store.write([indexed("a", "words")], (), "v1")
    assert search(store) == ["a"]
    state = sqlite(path).state()
    assert state is not None and (state.documents, state.passages) == (1, 1)


@pytest.mark.parametrize("content", [b"not a database, " * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_damaged_file_is_one_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged or no index.*delete it and run `ragc index`"):
        sqlite(path).state()


def test_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "index.db").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        sqlite(tmp_path / "index.db").reset(MADE_WITH)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="mend the folder"):
        sqlite(tmp_path / "file" / "index.db").reset(MADE_WITH)


def test_full_disk_is_one_line_and_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = _connections._opened

    def small(uri: str, flags: int) -> apsw.Connection:
        connection = opened(uri, flags)
        connection.pragma("max_page_count", 1)  # SQLite answers as it does when the disk is full
        return connection

    store = sqlite(path)
    with monkeypatch.context() as patched:
        patched.setattr(_connections, "_opened", small)
        with pytest.raises(StoreError, match=r"index.db: the disk is full; free some space"):
            store.write([indexed("b", "x" * 100_000)], (), "v2")
    assert store.documents() == {"a": "1"}
    store.write([indexed("b", "more words")], (), "v2")
    assert set(search(store)) == {"a", "b"}


def test_space_of_deleted_vectors_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_store, "MOST_HOLES", 0)
    store = sqlite(path)
    documents = [indexed(f"d{number}", f"words {number}") for number in range(1_500)]
    store.write(documents, ["a"], "v")
    chance = random.Random(7)
    for _ in range(12):
        store.write(chance.sample(documents, 500), (), "v")
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT count(*) FROM vectors_1_chunks").get <= 4
    connection.close()
    found = store.search(Query("", WordVectors().embed_query("words 77"), 2_000, 1), MADE_WITH)
    assert (found[0].document, len(found)) == ("d77", 1_500)


def test_connections_of_a_parent_process_are_kept_and_not_used(path: Path) -> None:
    store = SQLiteStore(path, "handbook")
    search(store)
    before = len(_connections._inherited)
    store._connections._process = -1  # as it is in a child
    assert search(store) == ["a"]
    assert len(_connections._inherited) == before + 1


def test_half_a_character_is_one_line(path: Path) -> None:
    broken = dataclasses.replace(indexed("b", "words"), title="half a \ud800")
    with pytest.raises(StoreError, match="half a character"):
        sqlite(path).write([broken])


def test_index_that_was_replaced_by_another_file_is_opened_anew(path: Path, tmp_path: Path) -> None:
    store = sqlite(path)
    assert search(store) == ["a"]
    other = sqlite(tmp_path / "other.db")
    other.reset(MADE_WITH)
    other.write([indexed("b", "words")], (), "v2")
    other.close()
    os.replace(tmp_path / "other.db", path)
    assert search(store) == ["b"]
    path.unlink()
    assert store.state() is None


READ_ONLY = """
import json, os, sys
from pathlib import Path
from contract.stores import MADE_WITH, ids, indexed
from ragc.errors import StoreError
from ragc.retrieval import Query, open_store

store = open_store(f"sqlite:///{sys.argv[1]}", root=Path("/"), collection="handbook")
search = lambda: ids(store.search(Query("words", None, 5, 0), MADE_WITH))
found = [search()]
for change in (lambda: store.write([indexed("b", "x")]), lambda: store.updating().__enter__()):
    try:
        change()
    except StoreError as error:
        found.append(str(error))
print(json.dumps(found), flush=True)
sys.stdin.readline()
print(json.dumps(search()), flush=True)
"""


def test_index_in_a_folder_that_cannot_be_written_is_read_and_followed(path: Path) -> None:
    command = [*bound_by_permissions(), sys.executable, "-c", READ_ONLY, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    assert sorted(os.listdir(path.parent)) == ["index.db"]
    path.chmod(0o444)
    path.parent.chmod(0o555)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment) as reader:
        assert reader.stdout is not None
        first = reader.stdout.readline()
        assert first, reader.communicate()[1]
        found, *errors = json.loads(first)
        assert found == ["a"]
        assert len(errors) == 2
        assert all(str(path) in error and "\n" not in error for error in errors)
        assert sorted(os.listdir(path.parent)) == ["index.db"]
        # Somebody who may write brings it up to date; the reader has kept its connection all the while.
        path.parent.chmod(0o755)
        path.chmod(0o644)
        writer = sqlite(path)
        with writer.updating():
            writer.write([indexed("b", "new words")], (), "v2")
        writer.close()
        path.parent.chmod(0o555)
        output, problems = reader.communicate("\n", timeout=20)
        assert reader.returncode == 0, problems
    path.parent.chmod(0o755)
    assert set(json.loads(output)) == {"a", "b"}
