"""A disk that is full, failing or read-only: one line for everybody who waits, and what was committed stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

from contract.stores import bound_by_permissions
from journals import WORST, ended, entry, heard, key, started
from ragc.errors import RagcError
from ragc.models.gateway._journal import Journal
from ragc.models.gateway._journal._database import Database


class FailingFile(apsw.VFSFile):
    """A file whose writes fail while `Disk.error` is set."""

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 SQLite's name
        if Disk.error is not None:
            raise Disk.error("on order")
        super().xWrite(data, offset)


class Disk(apsw.VFS):
    """The usual file system, whose files are `FailingFile`s. Without shared memory of its own: that is the base's."""

    error: type[apsw.Error] | None = None

    def __init__(self) -> None:
        super().__init__("failing", "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> FailingFile:  # noqa: N802
        return FailingFile("", name, flags)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".ragc" / "journal.db"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Disk]]:
    """A disk that the journals of a test are written to."""
    kept = Disk()
    uri = Database._uri

    def on_disk(self: Database, *, writing: bool) -> str:
        return f"{uri(self, writing=writing)}?vfs=failing" if writing else uri(self, writing=writing)

    monkeypatch.setattr(Database, "_uri", on_disk)
    yield Disk
    Disk.error = None
    kept.unregister()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (apsw.FullError, "the disk is full; what was committed is kept: free some space"),
        (apsw.IOError, "the disk refused .*; what was committed is kept: see whether the disk is full or failing"),
        (apsw.ReadOnlyError, "cannot be opened or written"),
    ],
)
def test_all_that_wait_get_one_line_and_what_was_committed_stays(
    error: type[apsw.Error], line: str, path: Path, disk: type[Disk]
) -> None:
    with Journal.open(path) as journal:
        for number in range(5):
            journal.settle(key(number), entry(number))
        assert journal.claim(key(5), "r1", WORST).mine
        disk.error = error
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(journal.settle, key(number), entry(number)) for number in range(5, 30)]
            for each in waiting:
                with pytest.raises(RagcError, match=line) as caught:
                    each.result(timeout=20)
                assert "journal.db" in str(caught.value) and "\n" not in str(caught.value)
        assert journal.find(key(0)) is not None
        assert journal.find(key(5)) is None
        disk.error = None
        with pytest.raises(RagcError, match=line):
            journal.claim(key("later"), "r1", WORST)  # nothing is taken up again behind a run's back
        journal.release(key(5))
        with pytest.raises(RagcError, match=line):
            journal.release(key(5), paid=WORST)
    with Journal.open(path) as journal:
        assert journal.notes == []
        for number in range(5):
            found = journal.find(key(number))
            assert found is not None and dict(found.request) == dict(entry(number).request)
        assert journal.find(key(5)) is None
        assert journal.lost("r1") == 1
        journal.settle(key(5), entry(5))


LIMITED = """
import resource, threading
from concurrent.futures import ThreadPoolExecutor
journal = Journal.open(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))  # no file may grow beyond it
done, errors = [], []
def ask(number):
    try:
        if journal.claim(key(number), "r1", WORST).mine:
            journal.settle(key(number), entry(number, response={"text": (str(number) * 3 + "-") * 900}))
            done.append(number)
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")
with ThreadPoolExecutor(8) as pool:
    list(pool.map(ask, range(4000)))
journal.close()
say(len(set(errors)), errors[0])
say(*done)
"""


def test_a_file_that_may_not_grow_any_more_ends_the_run_and_loses_nothing(path: Path) -> None:
    process = started(LIMITED, path)
    number, _, error = heard(process).partition(" ")
    done = [int(word) for word in heard(process).split()]
    assert ended(process) == ("", "")
    assert number == "1", "everybody gets the same line"
    assert error.startswith("RagcError: ") and "what was committed is kept" in error
    assert len(done) > 20
    with Journal.open(path) as journal:
        assert journal.notes == []
        assert all(journal.find(key(number)) for number in done)
        assert journal.spent_by("r1").calls >= len(done)


def test_a_full_disk_while_a_damaged_journal_is_set_aside_moves_nothing(path: Path, disk: type[Disk]) -> None:
    with Journal.open(path) as journal:
        journal.settle(key(1), entry(1))
    data = bytearray(path.read_bytes())
    data[0] ^= 0xFF
    path.write_bytes(data)
    disk.error = apsw.FullError
    with pytest.raises(RagcError, match="the disk is full"):
        Journal.open(path)
    assert path.read_bytes() == bytes(data)
    disk.error = None
    with Journal.open(path) as journal:
        assert len(journal.notes) == 1


UNWRITABLE = """
for read_only in (False, True):
    try:
        with Journal.open(path, read_only=read_only) as journal:
            say(journal.find(key(1)) is not None, journal.summary().total.entries, len(list(journal.lines())))
    except Exception as error:
        say(f"{type(error).__name__}: {error}")
"""


@pytest.mark.parametrize("locks", [True, False])
def test_in_a_folder_that_cannot_be_written_it_is_one_line_or_read_only(path: Path, locks: bool) -> None:
    with Journal.open(path) as journal:
        journal.settle(key(1), entry(1))
    if not locks:  # a journal that was copied there
        shutil.rmtree(path.with_suffix(".owners"))
    for folder in (path.with_suffix(".owners"), path.parent):
        if folder.exists():
            for file in folder.iterdir():
                file.chmod(0o555 if file.is_dir() else 0o444)
            folder.chmod(0o555)
    before = sorted(os.listdir(path.parent))
    process = started(UNWRITABLE, path, under=bound_by_permissions())
    first = heard(process)
    assert first.startswith("RagcError: ") and "journal" in first and "see who owns it and its folder" in first
    assert heard(process) == "True 1 2"
    assert ended(process) == ("", "")
    assert sorted(os.listdir(path.parent)) == before
    for folder in (path.parent, path.with_suffix(".owners")):
        if folder.exists():
            folder.chmod(0o755)


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".ragc").write_text("")
    with pytest.raises(RagcError, match="journal") as caught:
        Journal.open(tmp_path / ".ragc" / "journal.db")
    assert "\n" not in str(caught.value)
