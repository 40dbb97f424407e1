"""One limiter for all: what a refusal, a pause, a limit a minute and a stop mean to everyone who waits."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from dspy import lm15
from hypothesis import given, settings
from hypothesis import strategies as st

from ragc.errors import BudgetExhausted
from ragc.models._errors import WaitTooLong
from ragc.models.gateway import _pace
from ragc.models.gateway._limiter import Limiter, Turn, span
from ragc.models.gateway._pace import MINUTE, START
from simulated import Simulated, lognormal, now, run, seconds_for

DAY = 86_400.0


class Clock:
    """A clock that moves when somebody waits by it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, event: threading.Event, seconds: float | None) -> None:
        if event.is_set():
            return
        if seconds is None:
            pytest.fail("waits for somebody else, and there is nobody")
        self.now += seconds


@pytest.fixture(autouse=True)
def same_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pace, "_LUCK", random.Random(0))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(16, name="openai/ours", clock=clock, wait=clock.wait)


def answered(limiter: Limiter, times: int = 1) -> None:
    for _ in range(times):
        with limiter.turn() as turn:
            turn.succeeded()


def grown(limiter: Limiter, to: int) -> list[Turn]:
    """So many turns in flight, once the limiter has seen that so many go well."""
    flying: list[Turn] = []
    for _ in range(1000):
        if len(flying) == to:
            break
        while limiter.in_flight < limiter.concurrency and len(flying) < to:
            flying.append(limiter.turn())
        if len(flying) < to:
            flying.pop(0).succeeded()
    while flying[0]._number <= 2 * to:  # all of them began late enough to have been answered at that level
        flying.pop(0).succeeded()
        flying.append(limiter.turn())
    return flying


# Refusals


def test_starts_small_and_grows_with_answers(limiter: Limiter) -> None:
    assert limiter.concurrency == START
    grown(limiter, 16)
    assert limiter.concurrency == 16


def test_never_more_than_the_maximum(clock: Clock) -> None:
    limiter = Limiter(2, clock=clock, wait=clock.wait)
    grown(limiter, 2)
    assert limiter.concurrency == 2


def test_a_burst_of_refusals_halves_once(limiter: Limiter) -> None:
    flying = grown(limiter, 16)
    for turn in flying[:12]:
        turn.throttled()
    assert limiter.concurrency == 8
    assert limiter.pause_until is None


def test_a_burst_that_no_answer_has_paid_for_halves_at_its_first_refusal_and_once(limiter: Limiter) -> None:
    for turn in grown(limiter, 16)[:12]:
        turn.throttled()
    again = [limiter.turn() for _ in range(4)]
    assert limiter.in_flight == limiter.concurrency == 8
    again.pop().throttled()
    assert limiter.concurrency == 4
    for turn in again:
        turn.throttled()
    assert limiter.concurrency == 4


def test_a_halved_level_is_what_is_known_from_then_on(limiter: Limiter) -> None:
    flying = grown(limiter, 16)
    for turn in flying[:12]:
        turn.throttled()
    flying = flying[12:]
    while limiter.concurrency < 11:
        while limiter.in_flight < limiter.concurrency:
            flying.append(limiter.turn())
        flying.pop(0).succeeded() if limiter.in_flight > 8 else flying.pop().succeeded()
    while limiter.in_flight < limiter.concurrency:
        flying.append(limiter.turn())
    flying.pop().throttled()
    assert limiter.concurrency < 11 - 1


def test_one_refusal_takes_one_slot_until_the_next_answer(limiter: Limiter) -> None:
    flying = grown(limiter, 16)
    flying.pop().throttled()
    assert limiter.concurrency == 15
    flying.pop().succeeded()
    assert limiter.concurrency == 16


def test_a_refused_try_goes_back_to_what_is_known(limiter: Limiter) -> None:
    flying = grown(limiter, 8)
    known = limiter.in_flight
    flying.pop(0).succeeded()
    while limiter.in_flight < limiter.concurrency:
        flying.append(limiter.turn())
    assert limiter.in_flight > known
    flying.pop().throttled()
    assert known <= limiter.concurrency < limiter.in_flight + 1


def test_nothing_but_refusals_makes_everybody_wait_longer_each_time(limiter: Limiter, clock: Clock) -> None:
    waits = []
    for _ in range(40):
        before = clock.now
        limiter.turn().throttled()
        waits.append(clock.now - before)
    pauses = [wait for wait in waits if wait > 0]
    assert len(pauses) > 20
    for longest, pause in zip([0.5, 1, 2, 4, 8, 16, 30, 30], pauses, strict=False):
        assert longest / 2 <= pause <= longest
    assert limiter.concurrency == 1
    assert limiter.retries == 40


def test_growth_restarts_small_after_a_pause() -> None:
    provider = Simulated(blocked=(3.0, 40.0))
    seconds_for(200, provider, 16)
    after = [at for at in provider.arrivals if at >= 40.0]
    assert len([at for at in after if at < after[0] + 0.9]) == 1
    for begin, most in ((1, 2), (2, 4), (3, 8)):
        assert len([at for at in after if after[0] + begin <= at < after[0] + begin + 0.9]) <= most
    assert len([at for at in provider.arrivals if 4.5 < at < 40.0]) < 10


def test_a_failure_that_is_no_refusal_slows_nobody(limiter: Limiter) -> None:
    flying = grown(limiter, 16)
    for turn, error in zip(flying, (lm15.ServerError("down", status=500), TimeoutError(), None), strict=False):
        turn.failed(error)
    assert limiter.concurrency == 16
    assert limiter.retries == 3


@pytest.mark.parametrize(
    "error",
    [
        lm15.RateLimitError("slow down", status=429, retry_after=20),
        lm15.ServerError("overloaded", status=529, retry_after=20),
        lm15.RateLimitError(
            "slow down",
            status=429,
            rate_limit_headers={"x-ratelimit-remaining-requests": ["0"], "x-ratelimit-reset-requests": ["20s"]},
        ),
    ],
)
def test_what_the_error_says_is_kept_by_everyone(limiter: Limiter, clock: Clock, error: Exception) -> None:
    first, second = limiter.turn(), limiter.turn()
    first.failed(error)
    second.succeeded()
    assert limiter.pause_until == pytest.approx(20, abs=0.1)
    limiter.turn()
    assert clock.now == pytest.approx(20, abs=0.1)


def test_a_turn_left_without_a_word_frees_its_slot(clock: Clock) -> None:
    limiter = Limiter(1, clock=clock, wait=clock.wait)
    with pytest.raises(KeyboardInterrupt), limiter.turn():
        raise KeyboardInterrupt
    answered(limiter)
    assert limiter.retries == 0


def test_a_turn_ends_once(limiter: Limiter) -> None:
    with limiter.turn() as turn:
        turn.succeeded()
        turn.throttled(60)
        turn.failed()
    assert limiter.in_flight == 0
    assert limiter.pause_until is None


# Pauses


def test_retry_after_of_a_day_is_told_and_waited_for(clock: Clock) -> None:
    told: list[str] = []
    limiter = Limiter(4, name="openai/ours", notify=told.append, clock=clock, wait=clock.wait)
    limiter.turn().throttled(DAY)
    assert told == ["openai/ours asks to wait (Retry-After): waiting 1 d"]
    clock.now = DAY / 2
    assert limiter.waiting_for == "openai/ours asks to wait (Retry-After): waiting 1 d, 12 h left"
    limiter.turn()
    assert clock.now == DAY
    assert limiter.waiting_for is None


def test_retry_after_beyond_the_deadline_stops_at_once(limiter: Limiter, clock: Clock) -> None:
    limiter.turn().throttled(DAY)
    with pytest.raises(WaitTooLong, match=r"openai/ours asks to wait .* 1 d; the run's cap in seconds ends before"):
        limiter.turn(deadline=3600.0)
    assert clock.now == 0
    assert issubclass(WaitTooLong, BudgetExhausted)


def test_who_waits_already_is_stopped_by_a_pause_beyond_its_deadline() -> None:
    async def main() -> float:
        limiter = Limiter(1, clock=now)
        turn = await limiter.aturn()
        waiting = asyncio.create_task(limiter.aturn(deadline=100.0))
        await asyncio.sleep(1)
        turn.throttled(DAY)
        with pytest.raises(WaitTooLong):
            await waiting
        return now()

    assert run(main()) == 1.0


def test_the_deadline_passes_while_others_are_served() -> None:
    async def main() -> float:
        limiter = Limiter(1, clock=now)
        turn = await limiter.aturn()
        with pytest.raises(WaitTooLong, match="was over before a call had its turn"):
            await limiter.aturn(deadline=5.0)
        turn.succeeded()
        (await limiter.aturn(deadline=6.0)).succeeded()
        return now()

    assert run(main()) == 5.0


def test_several_pauses_last_as_long_as_the_longest_and_are_told_once(clock: Clock) -> None:
    told: list[str] = []
    limiter = Limiter(4, notify=told.append, clock=clock, wait=clock.wait)
    turns = [limiter.turn() for _ in range(4)]
    for turn, seconds in zip(turns, (30.0, 31.0, 10.0, 30.5), strict=True):
        turn.throttled(seconds)
    assert limiter.pause_until == 31.0
    assert len(told) == 1


def test_a_few_go_first_after_a_pause_that_was_asked_for(limiter: Limiter, clock: Clock) -> None:
    grown(limiter, 16)[0].throttled(20.0)
    assert limiter.concurrency == START
    assert limiter.in_flight == 15


def test_short_pauses_are_not_told(clock: Clock) -> None:
    told: list[str] = []
    limiter = Limiter(4, notify=told.append, clock=clock, wait=clock.wait)
    limiter.turn().throttled(1.0)
    assert told == []
    assert limiter.waiting_for is not None


def test_nothing_left_in_the_headers_of_an_answer_pauses_till_the_reset(limiter: Limiter, clock: Clock) -> None:
    headers = {"x-ratelimit-remaining-requests": ("0",), "x-ratelimit-reset-requests": ("6m0s",)}
    limiter.turn().succeeded(headers)
    assert limiter.waiting_for == ("openai/ours has no requests left until its limit is reset: waiting 6 min")
    limiter.turn()
    assert clock.now == 360
    assert limiter.retries == 0


def test_headers_that_say_that_something_is_left_pause_nobody(limiter: Limiter, clock: Clock) -> None:
    headers = {"x-ratelimit-remaining-requests": ("1",), "x-ratelimit-reset-requests": ("6m0s",)}
    limiter.turn().succeeded(headers)
    answered(limiter)
    assert clock.now == 0


def test_retry_after_goes_before_the_reset_headers(limiter: Limiter) -> None:
    headers = {"x-ratelimit-remaining-requests": ("0",), "x-ratelimit-reset-requests": ("6m0s",)}
    limiter.turn().throttled(2.0, headers)
    assert limiter.pause_until == 2.0


# Limits a minute


def windows_hold(sent: Sequence[tuple[float, int]], rpm: int | None, tpm: int | None) -> None:
    for first, (begin, _) in enumerate(sent):
        end = begin + 60.0
        window = [turn for turn in sent[first:] if turn[0] < end]
        assert rpm is None or len(window) <= rpm
        assert tpm is None or sum(tokens for _, tokens in window) <= tpm


@settings(max_examples=60, deadline=None)
@given(
    rpm=st.none() | st.integers(1, 20),
    tpm=st.none() | st.integers(100, 1000),
    calls=st.lists(st.tuples(st.integers(0, 100), st.floats(0, 20)), min_size=1, max_size=60),
)
def test_limits_a_minute_hold_in_every_window(rpm: int | None, tpm: int | None, calls: list[tuple[int, float]]) -> None:
    sent: list[tuple[float, int]] = []

    async def main() -> None:
        limiter = Limiter(8, rpm=rpm, tpm=tpm, clock=now)

        async def call(tokens: int, seconds: float) -> None:
            with await limiter.aturn(tokens) as turn:
                sent.append((now(), tokens))
                await asyncio.sleep(seconds)
                turn.succeeded()

        await asyncio.gather(*(call(*given) for given in calls))

    run(main())
    assert len(sent) == len(calls)
    windows_hold(sent, rpm, tpm)


def test_rpm_lets_as_many_through_as_it_says(clock: Clock) -> None:
    limiter = Limiter(16, name="openai/ours", rpm=5, clock=clock, wait=clock.wait)
    answered(limiter, 5)
    assert clock.now == 0
    answered(limiter)
    assert clock.now == MINUTE
    answered(limiter, 4)
    assert clock.now == MINUTE


def test_tokens_that_were_not_taken_are_free_again(clock: Clock) -> None:
    limiter = Limiter(16, tpm=1000, clock=clock, wait=clock.wait)
    for _ in range(9):
        with limiter.turn(200) as turn:
            turn.succeeded(tokens=100)
    assert clock.now == 0
    with limiter.turn(200) as turn:
        turn.succeeded(tokens=10**12)
    assert clock.now == MINUTE
    with limiter.turn(801):
        assert clock.now == 2 * MINUTE


def test_a_call_that_may_take_more_than_tpm_has_a_minute_to_itself(clock: Clock) -> None:
    limiter = Limiter(16, tpm=1000, clock=clock, wait=clock.wait)
    with limiter.turn(1) as turn:
        turn.succeeded()
    with limiter.turn(5000) as turn:
        assert clock.now == MINUTE
        turn.succeeded(tokens=300)
    with limiter.turn(700) as turn:
        assert clock.now == MINUTE
        turn.succeeded()
    with limiter.turn(5000):
        assert clock.now == 2 * MINUTE


def test_waiting_for_a_limit_of_the_configuration_is_told() -> None:
    async def main() -> str | None:
        limiter = Limiter(4, name="openai/ours", rpm=1, clock=now)
        (await limiter.aturn()).succeeded()
        waiting = asyncio.create_task(limiter.aturn())
        await asyncio.sleep(11)
        told = limiter.waiting_for
        (await waiting).succeeded()
        return told

    assert run(main()) == "openai/ours: rpm = 1 of its table are used up: waiting 50 s"


def test_a_limit_a_minute_beyond_the_deadline_stops(clock: Clock) -> None:
    limiter = Limiter(4, rpm=1, clock=clock, wait=clock.wait)
    answered(limiter)
    with pytest.raises(WaitTooLong, match="rpm = 1"):
        limiter.turn(deadline=30.0)
    assert clock.now == 0


# Order, stopping, threads


def test_turns_are_given_in_order() -> None:
    async def main() -> list[int]:
        limiter, order = Limiter(2, clock=now), []

        async def call(number: int) -> None:
            with await limiter.aturn() as turn:
                order.append(number)
                await asyncio.sleep(1 + number % 3)
                turn.succeeded()

        await asyncio.gather(*(call(number) for number in range(40)))
        return order

    assert run(main()) == list(range(40))


def test_a_large_call_is_not_overtaken_by_small_ones() -> None:
    async def main() -> list[int]:
        limiter, order = Limiter(8, tpm=1000, clock=now), []

        async def call(tokens: int) -> None:
            with await limiter.aturn(tokens) as turn:
                order.append(tokens)
                turn.succeeded()

        await asyncio.gather(*(call(tokens) for tokens in (600, 900, 10, 20)))
        return order

    assert run(main()) == [600, 900, 10, 20]


def test_stop_wakes_and_refuses_whoever_waits() -> None:
    limiter, error = Limiter(16), BudgetExhausted("stopped")
    held = [limiter.turn() for _ in range(START)]
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            limiter.turn()
        except BudgetExhausted as refusal:
            raised.append(refusal)

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(limiter._queue) < 8:
        time.sleep(0.001)
    limiter.stop(error)
    for thread in threads:
        thread.join(timeout=5)
    assert raised == [error] * 8
    with pytest.raises(BudgetExhausted):
        limiter.turn()
    for turn in held:
        turn.succeeded()
    limiter.resume()
    answered(limiter)


def test_a_waiter_that_is_cancelled_leaves_the_queue() -> None:
    async def main() -> None:
        limiter = Limiter(1, clock=now)
        turn = await limiter.aturn()
        waiting = [asyncio.create_task(limiter.aturn()) for _ in range(3)]
        await asyncio.sleep(1)
        waiting[0].cancel()
        await asyncio.sleep(1)
        turn.succeeded()
        for task in waiting[1:]:
            (await task).succeeded()
        assert limiter.in_flight == 0

    run(main())


def test_a_turn_given_to_somebody_cancelled_meanwhile_is_passed_on() -> None:
    async def main() -> None:
        limiter = Limiter(1, clock=now)
        turn = await limiter.aturn()
        first, second = asyncio.create_task(limiter.aturn()), asyncio.create_task(limiter.aturn())
        await asyncio.sleep(1)
        turn.succeeded()  # hands the slot to the first, which has not run yet
        first.cancel()
        (await second).succeeded()
        assert limiter.in_flight == 0

    run(main())


def test_threads_and_tasks_share_one_limiter() -> None:
    limiter = Limiter(3)
    most, at_once, lock = 0, 0, threading.Lock()

    def busy(step: Callable[[], None]) -> None:
        nonlocal most, at_once
        with lock:
            at_once += 1
            most = max(most, at_once)
        step()
        with lock:
            at_once -= 1

    def in_thread() -> None:
        for _ in range(20):
            with limiter.turn() as turn:
                busy(lambda: time.sleep(0.0005))
                turn.succeeded()

    async def task() -> None:
        for _ in range(20):
            with await limiter.aturn() as turn:
                busy(lambda: None)
                turn.succeeded()

    async def tasks() -> None:
        await asyncio.gather(*(task() for _ in range(8)))

    threads = [threading.Thread(target=in_thread) for _ in range(8)]
    for thread in threads:
        thread.start()
    asyncio.run(tasks())
    for thread in threads:
        thread.join(timeout=20)
    assert not any(thread.is_alive() for thread in threads)
    assert most <= 3
    assert limiter.in_flight == 0


# Figures


@pytest.mark.parametrize("refuses_in", [0.02, None], ids=["fast", "slow"])
@pytest.mark.parametrize("slots", [1, 2, 3, 5, 8, 12])
def test_a_provider_that_takes_n_at_once_is_kept_busy(slots: int, refuses_in: float | None) -> None:
    best = taken = 0.0
    for seed in range(4):
        known = Limiter(slots, start=slots, clock=now)
        best += seconds_for(600, Simulated(latency=lognormal, seed=seed), threads=slots, limiter=known)
        provider = Simulated(latency=lognormal, slots=slots, refuses_in=refuses_in, seed=seed)
        taken += seconds_for(600, provider, threads=16)
    assert best / taken >= 0.9


@pytest.mark.parametrize("latency", [lognormal, lambda luck: 1.0], ids=["lognormal", "constant"])
@pytest.mark.parametrize("slots", [4, 8])
def test_a_limit_that_was_found_is_seldom_tried(slots: int, latency: Callable[[random.Random], float]) -> None:
    provider = Simulated(latency=latency, slots=slots)
    seconds = seconds_for(600, provider)
    assert provider.refused <= 80
    assert 600 / slots / seconds >= 0.93


@pytest.mark.parametrize("refuses_in", [0.02, None], ids=["fast", "slow"])
def test_refusing_one_in_twenty_costs_little_time(refuses_in: float | None) -> None:
    def seconds(luck: float) -> float:
        given = [Simulated(latency=lognormal, luck=luck, refuses_in=refuses_in, seed=seed) for seed in range(10)]
        return sum(seconds_for(300, provider) for provider in given)

    assert seconds(0.05) / seconds(0.0) <= 1.15


def test_a_turn_takes_next_to_no_time_of_the_processor() -> None:
    limiter = Limiter(16, rpm=10**6, tpm=10**9)
    best = 1.0
    for _ in range(5):
        began = time.thread_time()
        for _ in range(1000):
            with limiter.turn(100) as turn:
                turn.succeeded()
        best = min(best, (time.thread_time() - began) / 1000)
    assert best <= 30e-6


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (12, "12 s"), (60, "1 min"), (360, "6 min"), (3700, "1 h 1 min"), (DAY, "1 d"), (93_784, "1 d 2 h")],
)
def test_span(seconds: float, said: str) -> None:
    assert span(seconds) == said
