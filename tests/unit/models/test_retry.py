"""What is tried again, how often, and what is not."""

from __future__ import annotations

import asyncio
import time
from itertools import count

import dspy
import pytest

from provider import Answer, Asked, Delivery, Provider, Script
from ragc.errors import ExampleError
from ragc.models.gateway._retry import Retry
from unit.models.conftest import MakeLM


def failing(times: int, answer: Answer) -> Script:
    numbers = count()
    return lambda asked: answer if next(numbers) < times else Answer("at last")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_transient_status_is_tried_again(hosted: MakeLM, provider: Provider, status: int) -> None:
    provider.script = failing(2, Answer(status=status))
    assert hosted()("hello") == ["at last"]
    assert len(provider.requests) == 3


def test_broken_connection_is_tried_again(hosted: MakeLM, provider: Provider) -> None:
    provider.script = failing(1, Answer(delivery=Delivery.HANG_UP))
    assert hosted()("hello") == ["at last"]


def test_slow_response_is_given_up_and_tried_again(hosted: MakeLM, provider: Provider) -> None:
    provider.script = failing(1, Answer(delay=0.6))
    assert hosted(timeout=0.2)("hello") == ["at last"]


def test_attempts_are_bounded(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=500)
    with pytest.raises(ExampleError, match="openai/our-model"):
        hosted()("hello")
    assert len(provider.requests) == 3


def test_time_is_bounded(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=429, headers={"Retry-After": "30"})
    began = time.monotonic()
    with pytest.raises(ExampleError):
        hosted(retry=Retry(patience=5))("hello")
    assert time.monotonic() - began < 2
    assert len(provider.requests) == 1


def test_retry_after_is_honoured(hosted: MakeLM, provider: Provider) -> None:
    provider.script = failing(1, Answer(status=429, headers={"Retry-After": "1"}))
    began = time.monotonic()
    assert hosted()("hello") == ["at last"]
    assert time.monotonic() - began >= 1


def test_bad_request_is_not_tried_again(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=400)
    with pytest.raises(ExampleError):
        hosted()("hello")
    assert len(provider.requests) == 1


def test_async_calls_wait_together_without_threads(hosted: MakeLM, provider: Provider) -> None:
    seen: set[str] = set()

    def script(asked: Asked) -> Answer:
        first = asked.text not in seen
        seen.add(asked.text)
        return Answer(status=429) if first else Answer("answer to " + asked.text, delay=0.2)

    provider.script = script
    lm = hosted()

    async def ask() -> list[list[str]]:
        answers: list[list[str]] = await asyncio.gather(*(lm.acall(f"question {number}") for number in range(16)))
        return answers

    began = time.monotonic()
    answers = asyncio.run(ask())
    assert answers == [[f"answer to question {number}"] for number in range(16)]
    assert time.monotonic() - began < 16 * 0.2
    assert provider.most_at_once > 8


def test_waits_grow_have_jitter_and_stop() -> None:
    import dspy.lm15

    error = dspy.lm15.ServerError("down")
    waits = Retry(attempts=4, first=1.0, longest=3.0).start()
    given = [waits.after(error) for _ in range(4)]
    assert given[3] is None
    for wait, longest in zip(given, [1.0, 2.0, 3.0], strict=False):
        assert wait is not None
        assert longest / 2 <= wait <= longest


def test_dspy_does_not_retry_on_top(hosted: MakeLM) -> None:
    assert hosted().num_retries == 0
    assert isinstance(hosted(), dspy.LM)
