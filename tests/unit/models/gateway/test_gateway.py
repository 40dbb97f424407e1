"""What a run has used, and where it stops."""

from __future__ import annotations

import asyncio
import contextvars
import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from provider import Answer, Provider, Tokens
from ragc.errors import BudgetError, BudgetExhausted, ExampleError
from ragc.models import Amounts, Gateway, Usage, make_lm
from ragc.project import Budget
from scripted import scripted_lm
from unit.models.conftest import MakeLM, settings

PRICE = {"input": 1.0, "output": 10.0, "cached_input": 0.5}


def budget(calls: int | None = None, usd: float | None = None) -> Budget:
    return Budget(calls=calls, usd=usd)


def test_calls_tokens_and_money_are_counted(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(usage=Tokens(1000, 20, cached=400), model="our-model-2026-01")
    gateway = Gateway()
    lm = hosted(gateway, price=PRICE)
    with gateway.recording() as calls:
        lm("one")
        asyncio.run(lm.acall("two"))
    # 600 fresh tokens at $1, 400 cached at $0.50, 20 written at $10 a million
    each = (600 * 1.0 + 400 * 0.5 + 20 * 10.0) / 1e6
    used = gateway.usage
    assert used.usd == pytest.approx(2 * each)
    assert replace(used, usd=None) == Usage(2, 2000, 40, 800, None)
    assert [(call.model, call.error) for call in calls] == [("openai/our-model", None)] * 2
    assert [call.usd for call in calls] == pytest.approx([each, each])
    assert all(call.seconds > 0 for call in calls)
    assert gateway.resolved == {"openai/our-model": "our-model-2026-01"}


def test_anthropic_counts_cached_tokens_as_input(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789abcdef")
    provider.script = lambda asked: Answer("hello", usage=Tokens(1000, 20, cached=400))
    gateway = Gateway()
    assert make_lm(settings("anthropic/claude-sonnet-4-5", base_url=provider.base_url), gateway=gateway)("hi") == [
        "hello"
    ]
    assert (gateway.usage.input_tokens, gateway.usage.cached_input_tokens) == (1000, 400)
    assert gateway.usage.usd == pytest.approx((600 * 3 + 400 * 0.3 + 20 * 15) / 1e6)  # from the packaged list


def test_failed_calls_are_recorded_and_not_counted(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=400)
    gateway = Gateway()
    with gateway.recording() as calls, pytest.raises(ExampleError):
        hosted(gateway)("hello")
    assert gateway.usage.calls == 0
    assert [call.error for call in calls if call.error] != []


def test_cap_in_calls_is_exact_whatever_the_number_of_threads(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(delay=0.01)
    gateway = Gateway(budget(calls=10))
    lm = hosted(gateway)

    def ask(number: int) -> bool:
        try:
            lm(f"question {number}")
        except BudgetExhausted:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(ask, range(40)))
    assert sum(answered) == len(provider.requests) == gateway.usage.calls == 10
    assert gateway.exhausted


def test_cap_in_usd_without_a_price_is_refused_with_the_line_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "x" * 20)
    ours = settings("openai/our-model", api_key_env="OUR_KEY", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(
        BudgetError, match=r'lm = \{ model = "openai/our-model", price = \{ input = …, output = … \} \}'
    ):
        make_lm(ours, gateway=Gateway(budget(usd=1)))
    make_lm(ours, gateway=Gateway(budget(calls=5)))
    make_lm(settings("local/smollm2-135m-instruct"), gateway=Gateway(budget(usd=1)))


def test_copies_of_an_lm_share_the_gateway(hosted: MakeLM) -> None:
    gateway = Gateway(budget(calls=3))
    lm = hosted(gateway)
    for one in (lm, lm.copy(temperature=0.7), copy.deepcopy(lm)):
        one("hello")
    with pytest.raises(BudgetExhausted):
        copy.deepcopy(lm)("hello")
    assert copy.deepcopy(gateway) is gateway
    assert copy.deepcopy(lm.engine) is copy.copy(lm.engine) is lm.engine


def test_n_answers_are_n_calls(hosted: MakeLM) -> None:
    gateway = Gateway()
    assert len(hosted(gateway)("hello", n=3)) == 3
    assert gateway.usage.calls == 3


def test_what_is_set_aside_is_kept_until_it_is_opened(hosted: MakeLM) -> None:
    gateway = Gateway(budget(calls=3))
    gateway.set_aside(Amounts(calls=2))
    lm = hosted(gateway)
    lm("one")
    with pytest.raises(BudgetExhausted, match="set aside for the final test"):
        lm("two")
    assert gateway.exhausted
    gateway.open_reserve()
    assert not gateway.exhausted
    lm("two")
    lm("three")
    with pytest.raises(BudgetExhausted):
        lm("four")


def test_recordings_nest_and_keep_to_their_context() -> None:
    gateway = Gateway()
    lm = scripted_lm(lambda prompt: "five", gateway)

    def example(number: int) -> int:
        with gateway.recording(f"e{number}") as calls:
            lm(f"first {number}")
            lm(f"second {number}")
        return len(calls)

    with gateway.recording() as outer:
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(contextvars.copy_context().run, example, number) for number in range(8)]
            assert [job.result() for job in jobs] == [2] * 8
        lm("inside")
    lm("outside")
    assert len(outer) == 17
    assert gateway.usage.calls == 18


def test_a_cancelled_call_is_received_and_kept(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer("five", delay=0.3)
    gateway = Gateway(budget(calls=1))
    lm = hosted(gateway)

    async def cancelled() -> None:
        task = asyncio.create_task(lm.acall("hello"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert lm("hello") == ["five"]
    assert len(provider.requests) == gateway.usage.calls == 1
    gateway.close()
