"""Threads that take work in the order in which it was begun, and hand out what came of it in that order."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ragc.evaluation._pool import Pool

UNDER_FIRE = Path(__file__).with_name("pool_under_fire.py")


class Later(Exception):
    """Not now."""


class Gate:
    """Work that waits until the test lets it go on; remembers what was started."""

    def __init__(self) -> None:
        self.started: list[object] = []
        self.may_end = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __call__(self, item: object) -> object:
        with self._lock:
            self.started.append(item)
        assert self.may_end.acquire(timeout=10)
        return item

    def wait_for(self, count: int) -> None:
        """Until so many items have started; and none more."""
        until = time.monotonic() + 10
        while len(self.started) < count:
            assert time.monotonic() < until, self.started
            time.sleep(0.001)
        time.sleep(0.01)
        assert len(self.started) == count


def test_a_later_batch_gets_the_threads_that_an_earlier_one_leaves_free() -> None:
    gate = Gate()
    pool = Pool(4)
    first, second = pool.begin(gate, ["a", "b", "c", "d", "e"]), pool.begin(gate, ["f", "g", "h"])
    gate.wait_for(4)
    assert sorted(map(str, gate.started)) == ["a", "b", "c", "d"]
    gate.may_end.release(2)
    gate.wait_for(6)
    assert sorted(map(str, gate.started[4:])) == ["e", "f"]
    gate.may_end.release(10)
    assert list(first) == ["a", "b", "c", "d", "e"]
    assert list(second) == ["f", "g", "h"]


def test_batches_may_be_read_in_another_order() -> None:
    pool = Pool(2)
    first, second = pool.begin(str, range(5)), pool.begin(str, range(5, 9))
    assert list(second) == ["5", "6", "7", "8"]
    assert list(first) == ["0", "1", "2", "3", "4"]


def test_a_pool_is_used_again_after_its_threads_have_ended() -> None:
    pool = Pool(2)
    assert list(pool.begin(str, range(3))) == ["0", "1", "2"]
    until = time.monotonic() + 10
    while pool._working and time.monotonic() < until:
        time.sleep(0.001)
    assert pool._working == 0
    assert list(pool.begin(str, range(3))) == ["0", "1", "2"]


def test_work_runs_in_a_copy_of_the_context_in_which_it_was_begun() -> None:
    place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")

    def look(item: int) -> str:
        found = place.get()
        place.set(f"item {item}")
        return found

    pool = Pool(1)
    place.set("here")
    first = pool.begin(look, range(2))
    place.set("there")
    assert (list(first), list(pool.begin(look, range(2)))) == (["here", "here"], ["there", "there"])


def test_nothing_starts_behind_a_failure_and_what_stands_before_it_is_read() -> None:
    ran: list[int] = []

    def work(item: int) -> int:
        ran.append(item)
        if item == 3:
            raise ValueError("three")
        return item

    pool = Pool(1)
    first, second = pool.begin(work, range(50)), pool.begin(work, range(50, 60))
    assert [next(first), next(first), next(first)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(first)
    with pytest.raises(RuntimeError, match="cancelled"):
        next(second)
    assert ran == [0, 1, 2, 3]


def test_a_failure_that_is_never_read_does_not_end_what_stands_behind_it() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        return item

    pool = Pool(1)
    first, second = pool.begin(work, range(3)), pool.begin(work, range(10, 13))
    assert next(first) == 0
    first.close()
    assert list(second) == [10, 11, 12]


def test_what_comes_too_early_is_run_again_in_its_turn() -> None:
    is_time = False
    ran: list[int] = []

    def work(item: int) -> int:
        ran.append(item)
        if item >= 10 and not is_time:
            raise Later
        return item

    pool = Pool(2, later=(Later,))
    first, second = pool.begin(work, range(5)), pool.begin(work, range(10, 30))
    assert list(first) == [0, 1, 2, 3, 4]
    time.sleep(0.02)
    assert len([item for item in ran if item >= 10]) <= 2  # the batch rests after a refusal
    is_time = True
    assert list(second) == list(range(10, 30))


def test_what_began_too_early_is_run_again_when_its_turn_comes_meanwhile() -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def work(item: int) -> int:
        if not may_end.is_set():
            has_begun.set()
            assert may_end.wait(10)
            raise Later
        return item

    batch = Pool(1, later=(Later,)).begin(work, range(3))
    assert has_begun.wait(10)
    threading.Timer(0.02, may_end.set).start()
    assert list(batch) == [0, 1, 2]


def test_what_comes_too_early_even_in_its_turn_is_raised() -> None:
    def work(item: int) -> int:
        raise Later(str(item))

    batch = Pool(2, later=(Later,)).begin(work, range(5))
    with pytest.raises(Later, match="0"):
        next(batch)


def test_an_earlier_item_that_came_too_early_is_not_lost_behind_a_failure() -> None:
    has_begun, is_early, has_failed = threading.Event(), threading.Event(), threading.Event()

    def work(item: int) -> int:
        if item == 0 and not is_early.is_set():
            assert has_begun.wait(10)
            is_early.set()
            raise Later
        if item == 1:
            has_begun.set()
            assert is_early.wait(10)
            time.sleep(0.02)  # the first one is put back
            has_failed.set()
            raise ValueError("one")
        return item

    batch = Pool(2, later=(Later,)).begin(work, range(9))
    assert has_failed.wait(10)
    assert next(batch) == 0
    with pytest.raises(ValueError, match="one"):
        next(batch)


def test_closing_cancels_what_has_not_started_and_waits_for_what_has() -> None:
    gate = Gate()
    pool = Pool(2)
    first, second = pool.begin(gate, range(10)), pool.begin(gate, range(10, 12))
    gate.wait_for(2)
    threading.Timer(0.05, gate.may_end.release, [4]).start()
    first.close()
    assert set(gate.started) >= {0, 1}
    assert list(second) == [10, 11]
    assert set(gate.started) == {0, 1, 10, 11}


def test_whoever_waits_is_woken_when_the_pool_runs_short() -> None:
    gate = Gate()
    pool = Pool(2)
    batch = pool.begin(gate, range(4))
    gate.wait_for(2)
    assert not pool.is_short
    threading.Timer(0.02, gate.may_end.release, [1]).start()
    batch.wait(or_short=True)
    assert len(gate.started) >= 3
    gate.may_end.release(10)
    assert list(batch) == [0, 1, 2, 3]


def test_no_items_are_no_work() -> None:
    assert list(Pool(3).begin(str, [])) == []


def test_an_interrupt_at_any_moment_leaves_the_pool_working() -> None:
    command = [sys.executable, "-W", "ignore", str(UNDER_FIRE), "120"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
