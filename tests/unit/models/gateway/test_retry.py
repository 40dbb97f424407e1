"""How often and how long a failed call is tried again."""

from __future__ import annotations

import random

import pytest
from dspy import lm15
from hypothesis import given
from hypothesis import strategies as st

from ragc.models._kinds import BadReply
from ragc.models.gateway._retry import IN_A_RUN, Retry, Waits

DOWN = lm15.ServerError("down", status=500)
SLOW_DOWN = lm15.RateLimitError("slow down", status=429)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def asks(seconds: float, error: type[lm15.ProviderError] = lm15.RateLimitError, status: int = 429) -> Exception:
    asked: Exception = error("later", status=status, retry_after=seconds)
    return asked


def test_waits_grow_have_jitter_and_stop(clock: Clock) -> None:
    waits = Retry(attempts=5, first=1.0, longest=3.0).start(clock)
    given = [waits.after(DOWN) for _ in range(5)]
    assert given[4] is None
    for wait, longest in zip(given, [1.0, 2.0, 3.0, 3.0], strict=False):
        assert wait is not None
        assert longest / 2 <= wait <= longest
    assert len(set(given)) == 5


def test_a_refusal_uses_up_no_attempt(clock: Clock) -> None:
    waits = Retry(attempts=2).start(clock)
    for _ in range(5):
        assert waits.after(SLOW_DOWN) is not None
    assert waits.after(DOWN) is not None
    assert waits.after(SLOW_DOWN) is not None
    assert waits.after(DOWN) is None


def test_a_refusal_uses_up_time(clock: Clock) -> None:
    waits = Retry(patience=60.0).start(clock)
    waited, last = 0.0, waits.after(SLOW_DOWN)
    while last is not None:
        waited += last
        clock.now += last
        last = waits.after(SLOW_DOWN)
    assert 30 < waited <= 60


def test_in_a_run_the_limiter_waits_and_nobody_gives_up(clock: Clock) -> None:
    waits = IN_A_RUN.start(clock)
    for _ in range(1000):
        clock.now += 3600
        waits.attempt()
        assert waits.after(SLOW_DOWN, limited=True) == 0.0


def test_failures_use_up_time_as_well(clock: Clock) -> None:
    waits = Retry(attempts=100, seconds=120.0, first=0.0).start(clock)
    for _ in range(2):
        clock.now += 60.0
        assert waits.after(DOWN) is not None
    clock.now += 1.0
    assert waits.after(DOWN) is None


def test_the_wait_for_a_turn_uses_up_nothing(clock: Clock) -> None:
    waits = Retry(attempts=3, seconds=10.0).start(clock)
    clock.now += 1.0
    assert waits.after(DOWN) is not None
    clock.now += 86_400.0
    waits.attempt()
    clock.now += 1.0
    assert waits.after(DOWN) is not None


def test_the_wait_itself_is_counted_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragc.models.gateway._retry._LUCK.uniform", lambda low, high: high)
    waits = Retry(attempts=100, seconds=12.0, first=4.0, longest=4.0).start(clock)
    for _ in range(3):
        assert waits.after(DOWN) == 4.0
        clock.now += 4.0
    assert waits.after(DOWN) is None


def test_what_a_provider_asks_for_is_waited(clock: Clock) -> None:
    waits = Retry(patience=300.0, seconds=300.0).start(clock)
    assert waits.after(asks(90)) == 90.0
    assert waits.after(asks(70, lm15.ServerError, 503)) == 70.0


def test_what_takes_longer_than_there_is_patience_for_is_not(clock: Clock) -> None:
    assert Retry(patience=5.0).start(clock).after(asks(30)) is None
    assert Retry(seconds=5.0).start(clock).after(asks(30, lm15.ServerError, 503)) is None


@pytest.mark.parametrize(
    "error",
    [
        lm15.AuthError("no", status=401),
        lm15.BillingError("no", status=402),
        lm15.UnsupportedModelError("no", status=404),
        lm15.ContextLengthError("long", status=400),
        lm15.InvalidRequestError("bad", status=400),
        ZeroDivisionError(),
    ],
)
def test_what_will_not_pass_is_not_tried_again(clock: Clock, error: Exception) -> None:
    assert IN_A_RUN.start(clock).after(error) is None


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        lm15.ServerError("overloaded", status=529),
        lm15.TimeoutError("late", status=504),
        lm15.TransportError("reset"),
        lm15.StreamAssemblyError("no end"),
        lm15.ProviderError("the reply is not JSON", status=200),
        BadReply("{}", status=200),
        ConnectionResetError(),
    ],
)
def test_what_may_pass_is_tried_again(clock: Clock, error: Exception) -> None:
    assert IN_A_RUN.start(clock).after(error) is not None


@given(
    errors=st.lists(st.sampled_from([DOWN, SLOW_DOWN, asks(3), asks(2, lm15.ServerError, 503)]), max_size=200),
    took=st.floats(0, 5),
)
def test_no_call_is_tried_for_ever(errors: list[Exception], took: float) -> None:
    clock = Clock()
    retry = Retry(attempts=4, seconds=60.0, patience=100.0)
    waits: Waits = retry.start(clock)
    failures = 0
    for error in errors:
        clock.now += took
        failures += error.status == 500 or error.status == 503  # type: ignore[attr-defined]  # all of them have one
        wait = waits.after(error)
        if wait is None:
            break
        assert failures < retry.attempts
        clock.now += wait
    assert clock.now <= retry.seconds + (retry.patience or 0) + took


def test_waits_do_not_touch_what_others_draw(clock: Clock) -> None:
    random.seed(7)
    expected = random.Random(7).random()
    IN_A_RUN.start(clock).after(DOWN)
    assert random.random() == expected
