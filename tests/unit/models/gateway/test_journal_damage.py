"""A damaged journal is set aside and never deleted; what can be read of it is kept, and what cannot is not believed."""

from __future__ import annotations

import hashlib
import random
import shutil
from fractions import Fraction
from pathlib import Path

import apsw
import pytest

from journals import WORST, ended, entry, heard, key, run, started
from ragc.errors import RagcError
from ragc.models.gateway._journal import Entry, Failure, Journal, Use
from ragc.models.gateway._journal._schema import SCHEMA

ENTRIES = 60


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of 60 responses, most of which share no text, all of it in its one file."""
    path = tmp_path_factory.mktemp("sound") / "journal.db"
    with Journal.open(path) as journal:
        journal.begin_run(run("r1"))
        for number in range(ENTRIES):
            journal.settle(key(number), with_long_texts(number))
        journal.record_step("r1", 0, "baseline", [Use("e1", 0, key(1))])
        journal.update_run("r1", state="sealed", artifact="a1")
        journal.claim(key("failing"), "r1", WORST)
        journal.release(key("failing"), Failure("ExampleError", "too long"))
        assert journal.next_generation("handbook") == 1
        journal.claim(key("lost"), "r1", WORST)
    assert not path.with_name("journal.db-wal").exists()
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound.parent, tmp_path / ".ragc")
    return tmp_path / ".ragc" / "journal.db"


def with_long_texts(number: int) -> Entry:
    chance = random.Random(number)
    return entry(
        number,
        request={"text": chance.randbytes(300).hex(), "shared": "the same for all of them " * 20},
        response={"text": chance.randbytes(200).hex()},
    )


def flip(path: Path, start: int, length: int = 16) -> None:
    data = bytearray(path.read_bytes())
    for place in range(start, min(start + length, len(data))):
        data[place] ^= 0xFF
    path.write_bytes(data)


def aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("journal.db.damaged-*Z*"))


def figures(of: Entry) -> tuple[object, ...]:
    return of.response, of.usd, of.created


def readable(journal: Journal) -> int:
    """How many of the entries are there; each must be as it was."""
    there = 0
    for number in range(ENTRIES):
        found = journal.find(key(number))
        if found is not None:
            there += 1
            assert (found.response, found.usd, found.created) == figures(with_long_texts(number))
            assert dict(found.request) in (
                dict(with_long_texts(number).request),
                {"lost": "the journal was damaged"},
            )
    return there


@pytest.mark.parametrize("length", [1, 16, 100])
def test_a_damaged_header_is_set_aside_and_said_and_the_pages_are_read(path: Path, length: int) -> None:
    flip(path, 0, length)
    damaged = path.read_bytes()
    with Journal.open(path) as journal:
        (moved,) = aside(path)
        assert moved.read_bytes() == damaged
        (note,) = journal.notes
        assert "journal.db was damaged (" in note and f"it is set aside as {moved.name}" in note
        assert note.endswith(f"and {ENTRIES} responses that could be read are kept")
        assert "\n" not in note
        assert readable(journal) == ENTRIES
        assert journal.lost("r1") == 1
        journal.settle(key("new"), entry(0, key=key("new")))
    with Journal.open(path) as journal:
        assert journal.notes == []
        assert journal.find(key("new")) is not None
    assert sorted(file.name for file in path.parent.iterdir()) == ["journal.db", moved.name, "journal.owners"]


def test_any_damaged_byte_of_the_header_is_harmless_or_set_aside(path: Path, sound: Path) -> None:
    for place in range(100):
        shutil.copy(sound, path)
        flip(path, place, 1)
        damaged = path.read_bytes()
        for turn in range(2):
            with Journal.open(path) as journal:
                assert readable(journal) == ENTRIES or journal.notes, place
                try:
                    journal.settle(key("new"), entry(0, key=key("new")))
                    break
                except RagcError as error:  # such as a list of free pages that leads nowhere
                    assert "is damaged" in str(error) and turn == 0  # noqa: PT017
        for moved in aside(path):
            assert moved.read_bytes() == damaged, place
        for file in (path, *aside(path)):
            file.unlink()


def test_a_damaged_page_ends_the_run_in_one_line_and_is_set_aside_by_the_next(path: Path) -> None:
    damage_an_entry(path)
    with Journal.open(path) as journal:
        assert journal.notes == [], "a header tells nothing of it"
        with pytest.raises(RagcError, match=r"journal\.db is damaged \(.*run the command again") as caught:
            readable(journal)
        assert "\n" not in str(caught.value)
        assert aside(path) == []
    damaged = path.read_bytes()
    with Journal.open(path) as journal:
        (moved,) = aside(path)
        assert moved.read_bytes() == damaged
        assert "responses that could be read are kept" in journal.notes[0]
        kept = readable(journal)
        assert ENTRIES - 20 < kept < ENTRIES
        assert f"{kept} responses" in journal.notes[0]
        assert journal.find_runs(task="handbook")[0].artifact == "a1"
        assert journal.uses_of("r1") == [Use("e1", 0, key(1))]
        assert journal.failure_of("r1", key("failing")) == Failure("ExampleError", "too long")
        assert journal.generation("handbook") == 1
        assert journal.lost("r1") == 1, "what was in flight stays counted"
        assert journal.spent_by("r1").calls == kept + 1
    with Journal.open(path) as journal:
        assert journal.notes == []


def damage_an_entry(path: Path) -> None:
    """Flip bytes in the middle of a page that holds entries."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    leaves = "SELECT pageno FROM dbstat WHERE name = 'entries' AND pagetype = 'leaf' ORDER BY pageno"
    pages = [number for (number,) in connection.execute(leaves)]
    connection.close()
    flip(path, (pages[len(pages) // 2] - 1) * 4096 + 2000, 64)


@pytest.mark.parametrize("seed", range(40))
def test_wherever_bytes_are_flipped_nothing_false_is_read_and_nothing_is_deleted(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    flip(path, chance.randrange(100, path.stat().st_size), chance.choice([1, 8, 200]))
    damaged = path.read_bytes()
    for _ in range(3):
        try:
            with Journal.open(path) as journal:
                readable(journal)
                journal.summary()
                list(journal.lines())
                journal.settle(key("more"), entry(0, key=key("more")))
                break
        except RagcError as error:
            assert "is damaged" in str(error)  # noqa: PT017 some damage shows, some does not
    else:
        raise AssertionError("it is damaged for ever")
    if aside(path):
        before = hashlib.sha256(damaged).hexdigest()
        assert before in {hashlib.sha256(moved.read_bytes()).hexdigest() for moved in aside(path)}


def test_a_price_that_was_changed_is_not_believed(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE entries SET usd = '9/1000' WHERE id = 30")
    connection.close()
    with Journal.open(path) as journal, pytest.raises(RagcError, match="is not what was stored"):
        readable(journal)
    with Journal.open(path) as journal:
        assert len(journal.notes) == 1
        assert readable(journal) == ENTRIES - 1
        assert journal.summary().total.usd == (ENTRIES - 1) * Fraction(1, 1000)


def test_what_was_used_by_a_step_that_is_lost_is_left_out(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("DELETE FROM steps")
    connection.close()
    with Journal.open(path) as journal:
        assert journal.steps_of("r1") == []
    flip(path, 0)
    with Journal.open(path) as journal:
        journal.record_step("r1", 0, "baseline", [Use("e1", 0, key(1))])
        assert len(journal.steps_of("r1")) == 1


def test_a_suspicion_that_does_not_hold_sets_nothing_aside(path: Path) -> None:
    suspicion = path.with_name("journal.db.suspect")
    suspicion.touch()
    with Journal.open(path) as journal:
        assert journal.notes == []
        assert readable(journal) == ENTRIES
    assert aside(path) == []
    assert not suspicion.exists()


def test_a_damaged_journal_that_another_process_uses_stays_where_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragc.models.gateway._journal._presence.PATIENCE", 0.1)
    damage_an_entry(path)
    path.with_name("journal.db.suspect").touch()
    process = started("journal = Journal.open(path); say('open'); sys.stdin.readline()", path)
    first = heard(process)  # it was alone, and has set it aside
    assert first == "open"
    path.with_name("journal.db.suspect").touch()
    with pytest.raises(RagcError, match="is in use by another process"):
        Journal.open(path)
    ended(process)
    assert len(aside(path)) == 1
    Journal.open(path).close()


def test_read_only_a_damaged_journal_is_an_error_and_stays(path: Path) -> None:
    flip(path, 0)
    with pytest.raises(RagcError, match=r"journal\.db is damaged"):
        Journal.open(path, read_only=True)
    assert aside(path) == []


def test_a_file_of_something_else_is_set_aside_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("my notes, which I would not like to lose")
    with Journal.open(path) as journal:
        assert "0 responses" in journal.notes[0]
    assert aside(path)[0].read_text() == "my notes, which I would not like to lose"


def test_a_newer_schema_is_refused_in_one_line_and_left_alone(path: Path) -> None:
    with apsw.Connection(str(path)) as connection:
        connection.execute("UPDATE meta SET value = ?", (str(SCHEMA + 1),))
        connection.pragma("user_version", SCHEMA + 1)
    connection.close()
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(RagcError, match=rf"newer ragc \(journal schema {SCHEMA + 1}, this one knows {SCHEMA}\)"):
            Journal.open(path, read_only=read_only)
    assert path.read_bytes() == before
    assert aside(path) == []


def test_a_file_that_breaks_off_is_set_aside(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    for _ in range(3):
        try:
            with Journal.open(path) as journal:
                readable(journal)
                break
        except RagcError:
            continue
    assert aside(path)[0].read_bytes() == data[: len(data) // 2]


def test_an_empty_file_is_a_new_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    with Journal.open(path) as journal:
        assert journal.notes == []
        assert journal.claim(key(1), "r1", WORST).mine
