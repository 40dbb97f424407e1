"""A disk that fills up, a folder that can no longer be written, a journal that is damaged or too new."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kills import Clean, undisturbed
from launcher import Done
from ragc.models.gateway import Journal
from scenes import FEW, THREADS, Scene

ROOM = 20_000
"""Bytes that a file may still grow by."""


@pytest.fixture(scope="module")
def clean(shared: Scene) -> Clean:
    return undisturbed(shared, *FEW)


@pytest.fixture
def scene(shared: Scene) -> Scene:
    """In this module: the shared one, as if nothing had been done."""
    shared.forget()
    return shared


def last_line(done: Done) -> str:
    """The one line that a mistake ends with."""
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("error: "), done.stderr
    assert sum(one.startswith("error: ") for one in done.stderr.splitlines()) == 1
    return line


def largest(folder: Path) -> int:
    return max(file.stat().st_size for file in folder.glob("journal.db*") if file.is_file())


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_a_disk_that_is_full_ends_the_run_with_one_line_and_nothing_is_lost(
    scene: Scene, clean: Clean, share: float
) -> None:
    running = scene.start("compile", "--json", *FEW)
    running.until(lambda: scene.asked >= share * clean.calls)
    running.limit_files(largest(scene.root / ".ragc") + ROOM)
    stopped = running.wait()
    assert stopped.returncode == 2, stopped.stderr
    line = last_line(stopped)
    assert "journal.db" in line and "what was committed is kept" in line
    known = scene.in_journal()
    assert scene.provider.counts(delivered=True).total() <= known + THREADS
    done = scene.compile(*FEW)
    assert done.json["id"] == clean.done.json["id"]
    assert done.json["paid_calls"] == clean.calls - known
    assert (scene.provider.counts() - clean.counts).total() <= THREADS


def test_a_disk_that_is_full_when_all_is_known_costs_nothing_and_leaves_the_artifact_whole(
    scene: Scene, clean: Clean
) -> None:
    first = scene.compile(*FEW)
    for size in (1_000, 30_000, 80_000):
        stopped = scene.compile(*FEW, file_size=size)
        assert stopped.returncode in (0, 2), stopped.stderr
        if stopped.returncode == 2:
            assert "free some space" in last_line(stopped) or "what was committed is kept" in last_line(stopped)
    assert scene.run("verify").returncode == 0
    again = scene.compile(*FEW)
    assert (again.json["id"], again.json["paid_calls"], scene.asked) == (first.json["id"], 0, clean.calls)


def test_events_that_cannot_be_written_end_the_run_with_one_line(scene: Scene, clean: Clean) -> None:
    stopped = scene.compile(*FEW, "--events", "/dev/full")
    assert stopped.returncode == 2
    assert "/dev/full" in last_line(stopped)
    done = scene.compile(*FEW)
    assert done.json["id"] == clean.done.json["id"]
    assert scene.asked <= clean.calls + THREADS


BOUND = """
import ctypes
capset = getattr(ctypes.CDLL(None), "capset", None)
if capset is not None:  # root without its capabilities: permission bits hold for it too
    capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
"""


def test_a_folder_that_becomes_read_only_ends_the_run_with_one_line_and_nothing_is_lost(
    scene: Scene, clean: Clean
) -> None:
    running = scene.start("compile", "--json", *FEW, before=BOUND)
    running.until(lambda: scene.asked >= clean.calls // 2)
    state = scene.root / ".ragc"
    modes = {path: path.stat().st_mode for path in (state, scene.root, *state.rglob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    stopped = running.wait()
    refused = scene.compile(*FEW, before=BOUND)
    for path, mode in modes.items():
        if path.exists():
            path.chmod(mode)
    assert stopped.returncode in (0, 2), stopped.stderr  # files that were open already can still be written
    if stopped.returncode == 2:
        last_line(stopped)
    assert refused.returncode == 2 and ".ragc/" in last_line(refused)
    known = scene.in_journal()
    done = scene.compile(*FEW, before=BOUND)
    assert done.json["id"] == clean.done.json["id"]
    assert done.json["paid_calls"] == clean.calls - known
    assert (scene.provider.counts() - clean.counts).total() <= THREADS


@pytest.mark.parametrize("place", ["middle", "end"])
def test_a_damaged_journal_is_set_aside_and_what_can_be_read_is_not_paid_for_again(
    scene: Scene, clean: Clean, place: str
) -> None:
    running = scene.start("compile", "--json", *FEW)
    running.until(lambda: scene.in_journal() >= clean.calls // 2)
    running.kill()
    asked, known = scene.asked, scene.in_journal()
    file = scene.root / ".ragc" / "journal.db"
    sqlite3.connect(file).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    data = bytearray(file.read_bytes())
    if place == "middle":
        data[len(data) // 2 : len(data) // 2 + 5000] = b"x" * 5000
    else:
        del data[-6000:]
    file.write_bytes(data)
    done = scene.compile(*FEW)
    if done.returncode == 2:  # what is deep inside is found when it is read
        assert "run the command again: it is set aside" in last_line(done)
        done = scene.compile(*FEW)
    assert done.returncode == 0, done.stderr
    assert "is set aside as journal.db.damaged-" in done.stderr
    (aside,) = (one for one in file.parent.glob("journal.db.damaged-*") if not one.name.endswith("-wal"))
    assert aside.read_bytes() == bytes(data)
    assert done.json["id"] == clean.done.json["id"]
    assert scene.asked - asked < clean.calls - known // 8, "most of it was read"


def test_a_journal_of_a_newer_schema_is_left_alone(scene: Scene) -> None:
    file = scene.root / ".ragc" / "journal.db"
    Journal.open(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    connection.close()
    before = file.read_bytes()
    for words in (["compile", *FEW], ["compile", *FEW, "--replay"], ["journal"]):
        done = scene.run(*words)
        assert done.returncode == 2, words
        assert "made by a newer ragc (journal schema 99" in last_line(done)
    assert (file.read_bytes(), scene.asked) == (before, 0)
    assert not list(file.parent.glob("journal.db.damaged-*"))
