"""The account: never above a cap, never stuck while money is left, whatever comes in whatever order."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragc.errors import BudgetExhausted
from ragc.models.gateway import Account, Amounts, Reservation
from ragc.project import Budget

THREADS = 64
SCHEDULES = 1000
CENT = Fraction(1, 100)
DIMENSIONS = ("calls", "input_tokens", "output_tokens", "usd")


def amounts(calls: int = 1, inputs: int = 0, outputs: int = 0, cents: int = 0) -> Amounts:
    return Amounts(calls, inputs, outputs, cents * CENT)


def now(account: Account, worst: Amounts) -> Reservation:
    """The reservation, which must be there at once."""
    reservation = account.line_up(worst, lambda: None)
    assert reservation.granted
    return reservation


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


# -- the model that the account is held against


Plain = tuple[int, int, int, int]
"""Calls, input tokens, output tokens, cents."""


@dataclass
class Oracle:
    """What an account has to do, in plain numbers: no locks, no fractions, one thread after the other."""

    caps: tuple[int | None, ...]
    spent: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    flying: dict[int, Plain] = field(default_factory=dict)
    queue: list[tuple[int, Plain]] = field(default_factory=list)
    aside: Plain = (0, 0, 0, 0)

    def comes(self, who: int, worst: Plain) -> None:
        self.queue.append((who, worst))

    def ends(self, who: int, took: Plain) -> None:
        worst = self.flying.pop(who)
        for i in range(4):
            self.spent[i] += took[i] if 0 <= took[i] <= worst[i] else worst[i]

    def gives_up(self, who: int) -> None:
        self.queue = [(other, worst) for other, worst in self.queue if other != who]

    def reserved(self) -> list[int]:
        return [sum(worst[i] for worst in self.flying.values()) for i in range(4)]

    def serves(self) -> list[tuple[int, bool]]:
        """Who is answered now, in order, and whether with a reservation."""
        answered = []
        while self.queue:
            who, worst = self.queue[0]
            reserved = self.reserved()
            room = [None if cap is None else cap - self.aside[i] - self.spent[i] for i, cap in enumerate(self.caps)]
            if any(left is not None and worst[i] > left for i, left in enumerate(room)):
                answered.append((who, False))
            elif all(left is None or worst[i] + reserved[i] <= left for i, left in enumerate(room)):
                answered.append((who, True))
                self.flying[who] = worst
            else:
                break
            self.queue.pop(0)
        return answered

    def check(self) -> None:
        for spent, reserved, cap in zip(self.spent, self.reserved(), self.caps, strict=True):
            assert cap is None or spent + reserved <= cap, "a cap was passed"
        assert self.flying or not self.queue, "somebody waits, and nobody flies"


class Schedule:
    """64 threads of one schedule, on an account and on its oracle alike; `random` decides who moves next, and how."""

    def __init__(self, caps: tuple[int | None, ...], random: random.Random, largest: int) -> None:
        calls, inputs, outputs, cents = caps
        budget = Budget(
            calls=calls, input_tokens=inputs, output_tokens=outputs, usd=None if cents is None else cents / 100
        )
        self.random = random
        self.largest = largest
        self.account = Account(budget)
        self.oracle = Oracle(caps)
        self.held: dict[int, Reservation] = {}
        self.woken: list[int] = []

    def run(self) -> None:
        to_come = list(range(THREADS))
        while to_come or self.oracle.flying or self.oracle.queue:
            if to_come and self.random.random() < 0.6:
                self._comes(to_come.pop())
            elif self.oracle.flying:
                self._ends(self.random.choice(list(self.oracle.flying)))
            elif not to_come:
                raise AssertionError(f"{len(self.oracle.queue)} wait for ever")
            self._compare()
            if self.random.random() < 0.1:
                self._something_else()
                self._compare()

    def _comes(self, who: int) -> None:
        worst = (1, self._some(self.largest), self._some(self.largest), self._some(self.largest))
        self.oracle.comes(who, worst)
        self.held[who] = self.account.line_up(amounts(*worst), lambda: self.woken.append(who))

    def _ends(self, who: int) -> None:
        worst, held = self.oracle.flying[who], self.held[who]
        kind = self.random.random()
        if kind < 0.2:  # failed: costs nothing
            took = (0, 0, 0, 0)
            held.release()
        else:
            took = (1, self._some(worst[1]), self._some(worst[2]), self._some(worst[3]))
            if kind < 0.3:  # without usage
                took = worst
            elif kind < 0.4:  # absurd
                took = (1, worst[1] + 10**9, -5, worst[3] + 1)
            held.settle(amounts(*took))
        self.oracle.ends(who, took)
        if self.random.random() < 0.2:  # a second closing changes nothing
            held.release() if self.random.random() < 0.5 else held.settle(amounts(1, 1, 1, 1))

    def _something_else(self) -> None:
        if self.oracle.queue and self.random.random() < 0.5:
            who = self.random.choice(self.oracle.queue)[0]
            self.oracle.gives_up(who)
            self.held[who].release()
        else:
            largest = 2 * self.largest
            self.oracle.aside = (self._some(64), self._some(largest), self._some(largest), self._some(largest))
            self.account.set_aside(amounts(*self.oracle.aside))

    def _some(self, most: int) -> int:
        return self.random.randint(0, most)

    def _compare(self) -> None:
        expected = self.oracle.serves()
        self.oracle.check()
        assert self.woken == [who for who, _ in expected]
        for who, granted in expected:
            if granted:
                assert self.held[who].granted
            else:
                with pytest.raises(BudgetExhausted):
                    assert self.held[who].granted
        self.woken.clear()
        assert self.account.spent == amounts(*self.oracle.spent)
        assert self.account.reserved == amounts(*self.oracle.reserved())


caps = st.tuples(*(st.none() | st.integers(1, 80) if i == 0 else st.none() | st.integers(1, 3000) for i in range(4)))


@settings(max_examples=SCHEDULES, deadline=None, database=None)
@given(caps=caps, seed=st.integers(0, 2**32), largest=st.integers(0, 200))
def test_random_schedules_do_what_the_oracle_says(caps: tuple[int | None, ...], seed: int, largest: int) -> None:
    Schedule(caps, random.Random(seed), largest).run()


class Provider:
    """Counts what calls really cost, by itself, and looks after every call whether a cap could be passed."""

    def __init__(self, caps: tuple[int, int]) -> None:
        self.caps = caps
        self._lock = threading.Lock()
        self._charged = [0, 0]
        self.passed = False

    def call(self, most: tuple[int, int], charge: tuple[int, int], seconds: float) -> None:
        with self._lock:
            self._add(most)
        time.sleep(seconds)
        with self._lock:
            self._add((charge[0] - most[0], charge[1] - most[1]))

    def _add(self, amounts: tuple[int, int]) -> None:
        for i in (0, 1):
            self._charged[i] += amounts[i]
            self.passed |= self._charged[i] > self.caps[i]


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that take over from each other as often as Python can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager_threads")
@pytest.mark.parametrize("seed", range(6))
def test_threads_never_pass_a_cap_and_never_get_stuck(seed: int) -> None:
    caps = (random.Random(seed).randint(50, 3000), random.Random(seed + 99).randint(50, 3000))
    account = Account(Budget(output_tokens=caps[0], usd=caps[1] / 100))
    provider = Provider(caps)
    unjust: list[str] = []

    def work(number: int) -> None:
        mine = random.Random(seed * 1000 + number)
        for _ in range(4):
            most = (mine.randint(0, 100), mine.randint(0, 100))
            try:
                held = account.reserve(amounts(1, 0, *most))
            except BudgetExhausted:
                spent = account.spent
                if spent.output_tokens + most[0] <= caps[0] and spent.usd + most[1] * CENT <= caps[1] * CENT:
                    unjust.append(f"{most} was refused with {spent} spent of {caps}")
                continue
            charge = (mine.randint(0, most[0]), mine.randint(0, most[1]))
            kind = mine.random()
            if kind < 0.2:
                charge = (0, 0)
            provider.call(most, charge, mine.random() / 2000)
            if kind < 0.2:
                held.release()
            elif kind < 0.4:
                held.settle(held.worst)
            else:
                held.settle(amounts(1, 0, *charge))

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    for thread in threads:
        thread.join(timeout=max(0, end - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "stuck"
    assert not provider.passed
    assert unjust == []
    assert account.reserved == Amounts()


# -- one thing at a time


class Waiting:
    """A thread that reserves; `ended` is set when it has, or was refused."""

    def __init__(self, account: Account, worst: Amounts) -> None:
        self.ended = threading.Event()
        self.reservation: Reservation | None = None
        self.error: Exception | None = None

        def reserve() -> None:
            try:
                self.reservation = account.reserve(worst)
            except Exception as error:  # noqa: BLE001  compared below
                self.error = error
            self.ended.set()

        threading.Thread(target=reserve, daemon=True).start()

    def waits(self) -> bool:
        return not self.ended.wait(0.05)

    def outcome(self) -> Reservation | Exception:
        assert self.ended.wait(5), "still waiting"
        found = self.reservation or self.error
        assert found is not None
        return found


@pytest.mark.parametrize("close", [lambda held: held.settle(amounts(1, cents=30)), lambda held: held.release()])
def test_reserve_waits_for_what_is_in_flight_and_wakes(close: Callable[[Reservation], None]) -> None:
    account = Account(Budget(usd=1.0))
    flying = now(account, amounts(cents=60))
    waiting = Waiting(account, amounts(cents=60))
    assert waiting.waits()
    close(flying)
    assert isinstance(waiting.outcome(), Reservation)
    assert account.reserved == amounts(cents=60)


def test_reserve_is_refused_when_what_was_in_flight_took_too_much() -> None:
    account = Account(Budget(usd=1.0))
    flying = now(account, amounts(cents=60))
    waiting = Waiting(account, amounts(cents=60))
    assert waiting.waits()
    flying.settle(amounts(cents=50))
    assert isinstance(waiting.outcome(), BudgetExhausted)
    assert account.exhausted and account.reached == "usd"


def test_refused_at_once_where_nothing_in_flight_could_help() -> None:
    account = Account(Budget(calls=10, output_tokens=500))
    with pytest.raises(BudgetExhausted, match="the budget of 500 output tokens does not cover the next call: 0 output"):
        account.reserve(amounts(outputs=501))
    now(account, amounts(outputs=500))  # the refusal took nothing


def test_first_come_first_served() -> None:
    account = Account(Budget(usd=1.0))
    flying = now(account, amounts(cents=50))
    order: list[str] = []
    large = account.line_up(amounts(cents=80), lambda: order.append("large"))
    small = account.line_up(amounts(cents=10), lambda: order.append("small"))
    assert order == [], "a small call has overtaken a large one"
    flying.release()
    assert order == ["large", "small"]
    assert large.granted and small.granted


def test_whoever_gives_up_makes_room_for_the_next() -> None:
    account = Account(Budget(usd=1.0))
    now(account, amounts(cents=50))
    large = account.line_up(amounts(cents=80), lambda: None)
    small = account.line_up(amounts(cents=10), lambda: None)
    large.release()
    assert small.granted
    assert account.reserved == amounts(2, cents=60)


def test_interrupt_while_waiting_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(Budget(calls=1))
    flying = now(account, amounts())

    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            account.reserve(amounts())
    flying.release()
    assert account.reserved == Amounts()
    now(account, amounts())


def test_first_closing_counts() -> None:
    account = Account(Budget(usd=1.0))
    settled, released = now(account, amounts(cents=10)), now(account, amounts(cents=10))
    settled.settle(amounts(cents=4))
    settled.release()
    settled.settle(amounts(cents=9))
    released.release()
    released.settle(amounts(cents=9))
    assert (account.spent, account.reserved) == (amounts(cents=4), Amounts())


@pytest.mark.parametrize("said", [amounts(10**9, 10**12, 10**12, 10**9), amounts(-1, -1, -1, -1)])
def test_absurd_usage_counts_as_the_reservation(said: Amounts) -> None:
    account = Account(Budget(usd=1.0))
    worst = amounts(1, 300, 20, 10)
    now(account, worst).settle(said)
    assert account.spent == worst


def test_negative_worst_case_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="negative"):
        Account(Budget(usd=1.0)).reserve(amounts(cents=-1))


def test_share_of_the_final_test_is_kept_until_it_is_opened() -> None:
    account = Account(Budget(calls=3, usd=1.0))
    account.set_aside(amounts(2, cents=40))
    assert account.affords(amounts(1, cents=60)) and not account.affords(amounts(1, cents=61))
    now(account, amounts(cents=1)).settle(amounts(cents=1))
    with pytest.raises(BudgetExhausted, match=r"budget of 3 calls is used up \(2 calls set aside for the final test\)"):
        account.reserve(amounts())
    assert (account.exhausted, account.reached) == (True, "calls")
    account.open()
    assert (account.exhausted, account.reached) == (False, None)
    now(account, amounts())
    now(account, amounts())


def test_opening_the_share_serves_who_waits_and_a_larger_one_refuses_them() -> None:
    account = Account(Budget(calls=2))
    account.set_aside(amounts(1))
    now(account, amounts())
    served: list[int] = []
    first, second = [account.line_up(amounts(), lambda who=who: served.append(who)) for who in (1, 2)]  # type: ignore[misc]
    assert served == []
    account.open()
    assert served == [1] and first.granted
    account.set_aside(amounts(2))
    assert served == [1, 2]
    with pytest.raises(BudgetExhausted):
        assert second.granted


def test_what_was_spent_before_counts() -> None:
    account = Account(Budget(usd=1.0), spent=amounts(7, cents=95))
    assert not account.affords(amounts(cents=6))
    with pytest.raises(
        BudgetExhausted, match=r"budget of \$1 does not cover the next call: \$0.95 spent, up to \$0.06"
    ):
        account.reserve(amounts(cents=6))
    now(account, amounts(cents=5))
    with pytest.raises(BudgetExhausted, match=r"budget of \$1 is used up"):
        Account(Budget(usd=1.0), spent=amounts(cents=150)).reserve(amounts(cents=1))  # the cap was lowered


def test_stop_wakes_everybody_who_waits_and_refuses_who_comes() -> None:
    account = Account(Budget(calls=1))
    flying = now(account, amounts())
    waiting = [Waiting(account, amounts()) for _ in range(5)]
    assert all(thread.waits() for thread in waiting)
    first = RuntimeError("interrupted")
    account.stop(first)
    account.stop(RuntimeError("a second one"))
    assert [thread.outcome() for thread in waiting] == [first] * 5
    with pytest.raises(RuntimeError, match="interrupted"):
        account.reserve(amounts())
    flying.settle(amounts())  # what was in flight still counts
    assert account.spent == amounts()
    assert not account.exhausted
    account.resume()
    with pytest.raises(BudgetExhausted):
        account.reserve(amounts())


def test_no_call_begins_after_the_last_second() -> None:
    clock = Clock()
    account = Account(Budget(seconds=60), seconds=10, clock=clock)
    account.set_aside(Amounts(), seconds=20)
    assert (account.seconds, account.seconds_left, account.deadline) == (10, 30, 1030)
    assert account.affords(amounts(), seconds=30) and not account.affords(amounts(), seconds=31)
    clock.time += 29
    now(account, amounts())
    clock.time += 1
    with pytest.raises(
        BudgetExhausted, match=r"the budget of 60 seconds is used up \(20 seconds set aside for the final test\)"
    ):
        account.reserve(amounts())
    assert account.reached == "seconds"
    account.open()
    now(account, amounts())
    clock.time += 25
    assert account.seconds_left == 0


def test_who_waits_is_refused_when_time_has_passed() -> None:
    account = Account(Budget(calls=1, seconds=0.15))
    now(account, amounts())
    waiting = [Waiting(account, amounts()) for _ in range(3)]
    assert all(thread.waits() for thread in waiting[:1])
    assert all(isinstance(thread.outcome(), BudgetExhausted) for thread in waiting)
    assert account.reached == "seconds"


def test_clock_that_jumps_back_gives_no_time_away() -> None:
    clock = Clock()
    account = Account(Budget(seconds=100), clock=clock)
    clock.time += 40
    assert account.seconds == 40
    clock.time -= 1000
    assert account.seconds == 40
    clock.time += 59
    now(account, amounts())
    clock.time += 1
    assert account.seconds == 100
    with pytest.raises(BudgetExhausted):
        account.reserve(amounts())


def test_without_caps_nothing_is_refused() -> None:
    account = Account(Budget())
    for _ in range(3):
        now(account, amounts(10**6, 10**9, 10**9, 10**9))
    assert account.seconds_left is None and account.deadline is None
    assert account.affords(amounts(10**6), seconds=1e9)


def test_the_sum_does_not_depend_on_the_order_in_which_calls_end() -> None:
    prices = [Fraction(str(price)) for price in (0.1, 0.2, 0.3, 1e-9, 0.7, 1e-7)]
    sums = set()
    for order in (prices, prices[::-1], sorted(prices)):
        account = Account(Budget(usd=1.300000101))
        for usd in order:
            now(account, Amounts(1, usd=usd)).settle(Amounts(1, usd=usd))
        sums.add(account.spent.usd)
    assert sums == {Fraction(1300000101, 10**9)}
