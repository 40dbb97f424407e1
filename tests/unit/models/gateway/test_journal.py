"""The journal: a response is one for ever, on the disk before anyone sees it, and in flight at most once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import apsw
import pytest

from journals import WORST, entry, key, run
from ragc.errors import RagcError
from ragc.models.gateway._amounts import Amounts
from ragc.models.gateway._journal import Entry, Failure, Journal
from ragc.models.gateway._journal._writer import Writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".ragc" / "journal.db"


@pytest.fixture(params=["file", "memory"])
def journal(request: pytest.FixtureRequest, path: Path) -> Iterator[Journal]:
    with Journal.open(path) if request.param == "file" else Journal.in_memory() as opened:
        assert opened.notes == []
        yield opened


def as_stored(given: Entry) -> Entry:
    return replace(given, request=dict(given.request))


def test_what_was_settled_is_found_as_it_was(journal: Journal) -> None:
    assert journal.find(key(1)) is None
    assert journal.claim(key(1), "r1", WORST).mine
    journal.settle(key(1), entry(1))
    found = journal.find(key(1))
    assert found is not None and as_stored(found) == entry(1)
    assert list(found.response) == list(entry(1).response), "names keep their order"


def test_what_was_settled_is_found_by_who_opens_it_next(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.settle(key(1), entry(1, usd=None, kind="embedding"))
    with Journal.open(path) as journal:
        found = journal.find(key(1))
        assert found is not None and as_stored(found) == entry(1, usd=None, kind="embedding")
    with Journal.open(path, read_only=True) as journal:
        assert journal.find(key(1)) is not None


def test_an_answered_key_is_not_claimed_again(journal: Journal) -> None:
    journal.settle(key(1), entry(1))
    claimed = journal.claim(key(1), "r2", WORST)
    assert not claimed.mine
    assert claimed.entry is not None and claimed.entry.response == entry(1).response
    assert journal.spent_by("r2") == Amounts()


def test_the_first_response_stands_and_a_second_is_paid_for(journal: Journal) -> None:
    journal.settle(key(1), entry(1))
    journal.settle(key(1), entry(1, response={"other": True}, run="r2"))
    found = journal.find(key(1))
    assert found is not None and found.response == entry(1).response
    assert journal.spent_by("r2") == Amounts(1, 100, 10, Fraction(1, 1000))


def test_a_key_is_claimed_once_by_many_threads_and_all_get_its_response(journal: Journal) -> None:
    threads = 16
    together = threading.Barrier(threads)
    sent: list[str] = []

    def ask(_: int) -> Entry:
        together.wait()
        while True:
            claimed = journal.claim(key(1), "r1", WORST)
            if claimed.mine:
                sent.append(key(1))
                time.sleep(0.05)
                journal.settle(key(1), entry(1))
            found = claimed.entry or journal.wait(key(1), 30)
            if found is not None:
                return found

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(ask, range(threads)))
    assert len(sent) == 1
    assert [answer.response for answer in answers] == [entry(1).response] * threads
    assert journal.spent_by("r1").calls == 1


def test_who_waits_is_woken_by_the_response_and_not_by_the_clock(journal: Journal) -> None:
    journal.claim(key(1), "r1", WORST)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(journal.wait, key(1), 30)
        time.sleep(0.05)
        assert not waiting.done()
        begun = time.monotonic()
        journal.settle(key(1), entry(1))
        assert waiting.result(timeout=5) is not None
        assert time.monotonic() - begun < 0.9  # it looks by itself once a second


def test_who_waits_for_a_request_that_fails_claims_it(journal: Journal) -> None:
    journal.claim(key(1), "r1", WORST)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(journal.wait, key(1), 30)
        time.sleep(0.05)
        journal.release(key(1), Failure("ExampleError", "the context is too long"))
        assert waiting.result(timeout=5) is None
    assert journal.claim(key(1), "r2", WORST).mine
    assert journal.failure_of("r1", key(1)) == Failure("ExampleError", "the context is too long")
    assert journal.failure_of("r2", key(1)) is None


def test_waiting_ends_when_its_time_is_up(journal: Journal) -> None:
    journal.claim(key(1), "r1", WORST)
    assert journal.wait(key(1), 0.01) is None
    assert journal.wait(key("nobody"), 30) is None


def test_a_failed_request_costs_nothing_unless_the_provider_says_so(journal: Journal) -> None:
    journal.claim(key(1), "r1", WORST)
    journal.release(key(1))
    assert journal.spent_by("r1") == Amounts()
    journal.claim(key(1), "r1", WORST)
    journal.release(key(1), Failure("ModelError", "cut off"), paid=Amounts(1, 90, 0, Fraction(1, 2000)))
    assert journal.spent_by("r1") == Amounts(1, 90, 0, Fraction(1, 2000))


def test_spend_is_exact(journal: Journal) -> None:
    for number in range(30):
        journal.settle(key(number), entry(number, usd=Fraction(1, 3_000_000) * (number % 3)))
    assert journal.spent_by("r1").usd == Fraction(30, 3_000_000)


def test_commit_waits_for_the_disk(path: Path) -> None:
    """A kill cannot show it: the system writes on. Power does go, so the setting itself is looked at."""
    with Journal.open(path) as journal:
        writer = journal._database.writer()
        assert writer.pragma("synchronous") == 2
        assert writer.pragma("journal_mode") == "wal"
        assert writer.pragma("fullfsync") == 1


@pytest.mark.parametrize("how", ["claim", "settle"])
def test_claim_and_settle_return_after_the_commit_and_not_before(
    how: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, go = threading.Event(), threading.Event()
    commit = Writer._commit

    def held_up(self: Writer, jobs: list[object]) -> None:
        held.set()
        assert go.wait(10)
        commit(self, jobs)  # type: ignore[arg-type]

    with Journal.open(path) as journal, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(Writer, "_commit", held_up)
        call: Callable[[], object] = (
            (lambda: journal.claim(key(1), "r1", WORST))
            if how == "claim"
            else (lambda: journal.settle(key(1), entry(1)))
        )
        returned = pool.submit(call)
        assert held.wait(10)
        time.sleep(0.05)
        assert not returned.done()
        go.set()
        returned.result(timeout=10)
        with apsw.Connection(str(path)) as other:
            table = "flights" if how == "claim" else "entries"
            assert other.execute(f"SELECT count(*) FROM {table}").get == 1


def test_many_that_wait_share_a_commit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    commit = Writer._commit

    def counted(self: Writer, jobs: list[object]) -> None:
        sizes.append(len(jobs))
        commit(self, jobs)  # type: ignore[arg-type]

    with Journal.open(path) as journal, ThreadPoolExecutor(16) as pool:
        monkeypatch.setattr(Writer, "_commit", counted)
        list(pool.map(lambda number: journal.settle(key(number), entry(number)), range(200)))
    assert sum(sizes) == 200
    assert len(sizes) < 150


def test_one_whose_work_is_wrong_does_not_take_the_others_with_it(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.begin_run(run("r1"))
        gate = threading.Event()
        with ThreadPoolExecutor(4) as pool:
            blocked = pool.submit(journal._write, lambda _: gate.wait(10))
            time.sleep(0.05)  # what follows becomes one group
            good = [pool.submit(journal.settle, key(number), entry(number)) for number in range(2)]
            bad = pool.submit(journal.begin_run, run("r1"))
            time.sleep(0.05)
            gate.set()
            assert blocked.result(10)
            assert [each.result(10) for each in good] == [None, None]
            with pytest.raises(ValueError, match="there is a run r1 already"):
                bad.result(10)
        for number in range(2):
            found = journal.find(key(number))
            assert found is not None and dict(found.request) == dict(entry(number).request)


def test_texts_of_a_rolled_back_transaction_are_not_referred_to(journal: Journal) -> None:
    from ragc.models.gateway._journal._rows import Row

    def fails(connection: apsw.Connection) -> None:
        journal._store(connection, Row.of(entry(1)))
        raise KeyError("afterwards")

    with pytest.raises(KeyError):
        journal._write(fails)
    assert journal.find(key(1)) is None
    journal.settle(key(2), entry(2))
    found = journal.find(key(2))
    assert found is not None and dict(found.request) == dict(entry(2).request)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"key": "k1"}, "hexadecimal|fromhex"),
        ({"key": "abcd"}, "64 hexadecimal digits"),
        ({"response": {"score": float("nan")}}, "Out of range|not JSON"),
        ({"request": {"score": float("inf")}}, "Out of range|not JSON"),
        ({"created": "yesterday"}, "isoformat"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    journal: Journal, change: dict[str, object], error: str
) -> None:
    wrong = entry(1, **change)
    with pytest.raises(ValueError, match=error):
        journal.settle(wrong.key, wrong)
    with pytest.raises(ValueError, match="not of"):
        journal.settle(key(2), entry(1))
    assert journal.summary().total.entries == 0


def test_texts_of_any_kind_come_back(journal: Journal) -> None:
    strange = {"text": "half a character \ud800 and \0 and \n\n blank lines" * 9, "\0": {"\0": 3, "a": ["\0" * 200]}}
    journal.settle(key(1), entry(1, request=strange, response=strange))
    found = journal.find(key(1))
    assert found is not None
    assert dict(found.request) == strange
    assert found.response == strange


def test_a_closed_journal_says_so(path: Path) -> None:
    journal = Journal.open(path)
    journal.close()
    journal.close()
    with pytest.raises(RagcError, match="is closed"):
        journal.claim(key(1), "r1", WORST)


def test_a_journal_that_nobody_closes_ends_with_its_last_reference(path: Path) -> None:
    threads = threading.active_count()
    journal = Journal.open(path)
    journal.claim(key(1), "r1", WORST)
    journal.release(key(1))
    del journal
    deadline = time.monotonic() + 10
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)  # the last reference may be the release itself, on its way to the disk
    assert threading.active_count() == threads
    with Journal.open(path) as journal:
        assert journal.claim(key(1), "r1", WORST).mine


def test_a_read_only_journal_changes_nothing(path: Path) -> None:
    with pytest.raises(RagcError, match=r"there is no journal .*journal\.db"):
        Journal.open(path, read_only=True)
    Journal.open(path).close()
    with Journal.open(path, read_only=True) as journal, pytest.raises(RagcError, match="was opened read-only"):
        journal.claim(key(1), "r1", WORST)


def test_no_pickle_is_read_or_written(path: Path) -> None:
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("pickle.find_class", "marshal.loads", "marshal.dumps"):
            opened.append(event)

    sys.addaudithook(watch)
    with Journal.open(path) as journal:
        journal.settle(key(1), entry(1))
        journal.export(path.with_name("journal.jsonl"))
        journal.find(key(1))
    Journal.load(path.with_name("journal.jsonl")).close()
    watching = False
    assert opened == []
    assert b"\x80\x04\x95" not in path.read_bytes()


def test_what_the_main_thread_asks_for_is_written_by_another_that_no_interrupt_strikes(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.db") as journal:
        writer = journal._writing()
        assert threading.current_thread() is threading.main_thread()
        assert writer.run(lambda connection: threading.current_thread().name) == "ragc-journal"
        with ThreadPoolExecutor(1, thread_name_prefix="caller") as pool:
            written_by = pool.submit(writer.run, lambda connection: threading.current_thread().name).result()
        assert written_by == "caller_0"
