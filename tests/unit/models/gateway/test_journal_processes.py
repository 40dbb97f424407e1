"""Several processes and one journal, and what a kill leaves: real processes, really killed."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from journals import WORST, ended, entry, heard, key, killed, started
from ragc.errors import RagcError
from ragc.models.gateway._amounts import Amounts
from ragc.models.gateway._journal import Journal

LOSER = """
journal = Journal.open(path)
journal.settle(key(1), entry(1))
for number in (2, 3, 4):
    assert journal.claim(key(number), "r1", WORST).mine
journal.settle(key(2), entry(2))
journal.release(key(3))
journal.settle(key(5), entry(5))  # after it the release is on the disk too
say("ready")
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_after_a_kill_what_was_settled_is_there_and_what_was_in_flight_is_lost_and_free(path: Path) -> None:
    process = started(LOSER, path)
    assert heard(process) == "ready"
    with Journal.open(path) as journal:
        assert journal.find(key(2)) is not None
        living = journal.claim(key(4), "r2", WORST)
        assert (living.mine, living.entry) == (False, None), "its process lives"
        assert journal.lost("r1") == 0
        assert journal.wait(key(4), 0.1) is None

        killed(process)
        for number in (1, 2, 5):
            found = journal.find(key(number))
            assert found is not None and dict(found.request) == dict(entry(number).request)
        assert journal.find(key(3)) is None
        begun = time.monotonic()
        assert journal.wait(key(4), 30) is None
        assert time.monotonic() - begun < 5, "nobody is waited for who is gone"
        answered = Amounts(3, 300, 30, Fraction(3, 1000))
        assert journal.spent_by("r1") == answered + WORST, "counted before anybody asks for what was lost"
        assert journal.claim(key(4), "r2", WORST).mine
        assert journal.lost("r1") == 1
        journal.settle(key(4), entry(4, run="r2"))
        assert journal.spent_by("r1") == answered + WORST, "counted for good"
        assert journal.lost("r1") == 1
        assert journal.claim(key(3), "r1", WORST).mine, "it was released"


def test_what_was_lost_is_counted_by_who_opens_the_journal_next(path: Path) -> None:
    process = started(LOSER, path)
    assert heard(process) == "ready"
    killed(process)
    with Journal.open(path) as journal:
        assert [file.name for file in path.with_suffix(".owners").iterdir() if len(file.name) == 32] == [
            journal._presence.id
        ], "the locks of those who are gone are swept away"
        assert journal.lost("r1") == 1
        assert journal.lost("r1") == 1
        assert journal.spent_by("r1") == Amounts(3, 300, 30, Fraction(3, 1000)) + WORST


KILLED_ANYWHERE = """
import random
journal = Journal.open(path)
number = int(sys.argv[2])
while True:
    if journal.claim(key(number), "r1", WORST).mine:
        say("claimed", number)
        journal.settle(key(number), entry(number))
        say("settled", number)
    number += 1
"""


def test_killed_at_any_moment_nothing_that_was_said_to_be_settled_is_missing(path: Path) -> None:
    settled: set[int] = set()
    claimed: set[int] = set()
    for turn in range(4):
        process = started(KILLED_ANYWHERE, path, str(turn * 10_000))
        said = [heard(process) for _ in range(20 + 17 * turn)]
        process.kill()
        out, _ = process.communicate()
        for word, number in (line.split() for line in [*said, *out.splitlines()]):
            (claimed if word == "claimed" else settled).add(int(number))
    assert len(settled) > 30
    with Journal.open(path) as journal:
        assert journal.notes == []
        assert all(journal.find(key(number)) for number in settled)
        spent, lost = journal.spent_by("r1"), journal.lost("r1")
        entries = journal.summary().total.entries
        assert entries >= len(settled)
        assert lost <= 4
        assert spent.calls == entries + lost
        assert spent.calls >= len(claimed), "whatever may have been sent is counted"


RACER = """
from concurrent.futures import ThreadPoolExecutor
journal = Journal.open(path)
say("ready")
sys.stdin.readline()
def ask(number):
    while True:
        claimed = journal.claim(key(number), sys.argv[2], WORST)
        if claimed.mine:
            time.sleep(0.002)
            journal.settle(key(number), entry(number, run=sys.argv[2]))
            return number
        if claimed.entry or journal.wait(key(number), 30):
            return None
with ThreadPoolExecutor(8) as pool:
    sent = [number for number in pool.map(ask, [*range(40)] * 2) if number is not None]
say(*sent)
"""


def test_two_processes_with_many_threads_ask_once_for_each_key(path: Path) -> None:
    racers = [started(RACER, path, f"r{number}") for number in range(2)]
    for racer in racers:
        assert heard(racer) == "ready"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    sent: Counter[int] = Counter()
    for racer in racers:
        out, err = ended(racer)
        assert err == ""
        sent.update(int(number) for number in out.split())
    assert sent == Counter(range(40))
    with Journal.open(path) as journal:
        assert journal.summary().total.entries == 40
        assert journal.spent_by("r0").calls + journal.spent_by("r1").calls == 40


# Python warns of every fork of a process with threads; servers do it all the same.
FORKS = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
journal = Journal.open(path)
journal.settle(key(1), entry(1))
assert journal.claim(key(2), "r1", WORST).mine
child = os.fork()
if child == 0:
    try:
        journal.find(key(1))
    except Exception as error:
        say(error)
    with Journal.open(path) as own:
        say(own.find(key(1)) is not None, own.claim(key(2), "r2", WORST).mine)
        own.settle(key(3), entry(3))
    if sys.argv[2] == "stays":
        say("child", os.getpid())
        time.sleep(60)
    os._exit(0)
if sys.argv[2] == "stays":
    time.sleep(60)
os.waitpid(child, 0)
say(journal.find(key(3)) is not None, journal.claim(key(2), "r1", WORST).mine)
journal.settle(key(2), entry(2))
journal.close()
"""


def test_a_forked_process_opens_the_journal_anew_and_leaves_its_parents_alone(path: Path) -> None:
    process = started(FORKS, path, "ends")
    assert "open it again in this process" in heard(process)
    assert heard(process) == "True False", "the parent's flight lives"
    assert heard(process) == "True False"
    assert ended(process) == ("", "")
    with Journal.open(path) as journal:
        assert journal.summary().total.entries == 3


def test_a_flight_does_not_live_on_in_a_child_of_who_was_killed(path: Path) -> None:
    process = started(FORKS, path, "stays")
    heard(process)
    heard(process)
    child = int(heard(process).split()[1])
    try:
        process.kill()
        process.wait()
        with Journal.open(path) as journal:
            assert journal.claim(key(2), "r3", WORST).mine
    finally:
        os.kill(child, 9)
        process.communicate()


def test_one_that_another_uses_is_not_pruned(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragc.models.gateway._journal._presence.PATIENCE", 0.1)
    process = started(LOSER, path)
    assert heard(process) == "ready"
    with Journal.open(path) as journal:
        with pytest.raises(RagcError, match=r"journal\.db is in use by another process; prune it when that has ended"):
            journal.prune(timedelta(0))
        assert journal.find(key(1)) is not None
        killed(process)
        assert journal.prune(timedelta(0)).entries == 3


def test_a_response_that_another_process_writes_is_seen_by_who_waits(path: Path) -> None:
    process = started(
        """
journal = Journal.open(path)
assert journal.claim(key(1), "r1", WORST).mine
say("claimed")
sys.stdin.readline()
journal.settle(key(1), entry(1))
""",
        path,
    )
    assert heard(process) == "claimed"
    with Journal.open(path) as journal, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(journal.wait, key(1), 30)
        time.sleep(0.1)
        assert not waiting.done()
        ended(process)  # which closes its stdin
        found = waiting.result(timeout=10)
        assert found is not None and found.response == entry(1).response
