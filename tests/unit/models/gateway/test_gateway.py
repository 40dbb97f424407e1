"""One gateway for all calls of a run: one request a key, kept before it is seen, nothing left over from failures."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.utils.exceptions import LMError

from journals import run
from provider import Answer, Asked, Delivery, Provider, Tokens, first_times, rate_limited
from ragc.errors import BudgetExhausted, ExampleError, Interrupted, ModelError, RagcError
from ragc.models import Gateway, Journal, Usage, make_lm
from ragc.models.gateway import Entry
from ragc.models.gateway._amounts import Amounts
from ragc.models.gateway._retry import Retry
from ragc.project import Budget
from scripted import scripted_lm
from unit.models.conftest import KEY, MakeLM, settings

PRICE = {"input": 1.0, "output": 10.0, "cached_input": 0.5}


def on_disk(path: Path, name: str = "r1", **fields: Any) -> Gateway:
    """A gateway on the journal at `path`, as a command of the run `name` has one."""
    journal = Journal.open(path / "journal.db")
    if all(record.id != name for record in journal.find_runs()):
        journal.begin_run(run(name))
    return Gateway(journal=journal, run=name, task="handbook", retry=Retry(attempts=2, first=0.001), **fields)


def at_once(threads: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` comes to in each of so many threads, that begin together; an error stands for itself."""
    barrier = threading.Barrier(threads)

    def one(number: int) -> Any:
        barrier.wait(10)
        try:
            return work(number)
        except RagcError as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))


@contextmanager
def refused(kind: type[RagcError], match: str | None = None) -> Iterator[None]:
    """Expects the error, which DSPy hands on untouched."""
    with pytest.raises(kind, match=match) as caught:
        yield
    assert isinstance(caught.value, LMError)


# -- what is counted


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


def test_usage_that_is_not_reported_counts_as_the_most_and_is_told_once(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer("x" * 40, usage=None)
    gateway = Gateway()
    lm = hosted(gateway, price=PRICE, max_tokens=50)
    lm("y" * 400)
    lm("z" * 400)
    assert gateway.usage.output_tokens == 2 * 50
    assert gateway.usage.input_tokens >= 2 * 400
    assert [note for note in gateway.notes if "without usage" in note] == gateway.notes != []


def test_failed_calls_are_recorded_and_not_counted(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=400)
    gateway = Gateway()
    with gateway.recording() as calls, pytest.raises(ExampleError):
        hosted(gateway)("hello")
    assert gateway.usage == Usage() and gateway.account.spent == Amounts()
    assert [call.error is None for call in calls] == [False]


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


def test_copies_are_the_gateway_itself_and_share_its_budget(hosted: MakeLM) -> None:
    gateway = Gateway(Budget(calls=3))
    lm = hosted(gateway)
    for number, one in enumerate((lm, lm.copy(temperature=0.7), copy.deepcopy(lm))):
        one(f"hello {number}")
    with pytest.raises(BudgetExhausted):
        copy.deepcopy(lm)("hello again")
    assert copy.deepcopy(gateway) is copy.copy(gateway) is gateway
    assert copy.deepcopy(lm.engine) is copy.copy(lm.engine) is lm.engine


# -- one request a key


def test_the_same_prompt_from_many_threads_is_one_request(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer("five", delay=0.2)
    gateway = Gateway()
    lm = hosted(gateway)
    assert at_once(16, lambda number: lm("hello")) == [["five"]] * 16
    assert len(provider.requests) == gateway.usage.calls == gateway.account.spent.calls == 1
    assert gateway.status().hits == 15
    assert gateway.account.reserved == Amounts()


def test_a_failure_is_shared_by_those_who_waited_for_it_and_asked_again_by_the_next(
    hosted: MakeLM, provider: Provider
) -> None:
    provider.script = lambda asked: Answer("five", delay=0.2, status=400 if asked.number == 1 else 200)
    gateway = Gateway()
    lm = hosted(gateway)
    assert all(isinstance(one, ExampleError) for one in at_once(16, lambda number: lm("hello")))
    assert lm("hello") == ["five"]
    assert len(provider.requests) == 2


def test_a_journal_on_disk_answers_the_next_command(hosted: MakeLM, provider: Provider, tmp_path: Path) -> None:
    provider.script = lambda asked: Answer(f"answer {asked.number}", usage=Tokens(100, 10))
    first = on_disk(tmp_path)
    answers = [hosted(first, price=PRICE)(f"question {number}") for number in range(3)]
    first.close()

    second = on_disk(tmp_path, "r2")
    lm = hosted(second, price=PRICE)
    with second.step("baseline"), second.recording() as calls:
        assert [lm(f"question {number}") for number in range(3)] == answers
    assert len(provider.requests) == 3
    assert (second.usage, second.account.spent) == (Usage(), Amounts())
    assert all(call.hit for call in calls)
    assert second.cost == first.usage
    assert second.cost.usd == pytest.approx(3 * 200 / 1e6)
    second.close()


def test_two_commands_at_once_ask_once(hosted: MakeLM, provider: Provider, tmp_path: Path) -> None:
    provider.script = lambda asked: Answer("five", delay=0.2)
    gateways = [on_disk(tmp_path, f"r{number}") for number in range(4)]
    lms = [hosted(gateway) for gateway in gateways]
    assert at_once(8, lambda number: lms[number % 4]("hello")) == [["five"]] * 8
    assert len(provider.requests) == sum(gateway.usage.calls for gateway in gateways) == 1
    for gateway in gateways:
        assert gateway.account.reserved == Amounts()
        gateway.close()


def test_another_generation_asks_anew(hosted: MakeLM, provider: Provider, tmp_path: Path) -> None:
    for generation in (0, 1, 1, 0):
        gateway = on_disk(tmp_path, generation=generation)
        hosted(gateway)("hello")
        gateway.close()
    assert len(provider.requests) == 2


def test_the_same_prompt_to_another_model_or_with_other_settings_is_another_call(
    hosted: MakeLM, provider: Provider
) -> None:
    gateway = Gateway()
    for values in ({}, {"model": "openai/another"}, {"max_tokens": 7}, {"threads": 3}, {"price": PRICE}):
        lm = hosted(gateway, **values)
        lm("hello", max_tokens=values.get("max_tokens"))
    assert len(provider.requests) == 3, "who pays what and how many at a time changes no answer"


# -- kept before it is seen


def test_a_response_is_in_the_journal_before_the_caller_has_it(
    hosted: MakeLM, provider: Provider, tmp_path: Path
) -> None:
    gateway = on_disk(tmp_path)
    settle, may_settle, answers = gateway.journal.settle, threading.Event(), []

    def held(key: str, entry: Entry) -> None:
        assert may_settle.wait(10)
        settle(key, entry)

    gateway.journal.settle = held  # type: ignore[method-assign]
    with gateway.recording() as calls:
        context = contextvars.copy_context()
        caller = threading.Thread(target=lambda: answers.append(context.run(hosted(gateway), "hello")))
        caller.start()
        while not provider.served:
            time.sleep(0.005)
        time.sleep(0.1)
        assert answers == [] and caller.is_alive()
        may_settle.set()
        caller.join(10)
    assert answers == [["a scripted answer"]]
    with Journal.open(tmp_path / "journal.db", read_only=True) as reader:
        found = reader.find(calls[0].key or "")
    assert found is not None and found.run == "r1"
    gateway.close()


def test_what_cannot_be_kept_is_not_seen(hosted: MakeLM, tmp_path: Path) -> None:
    gateway = on_disk(tmp_path)

    def full(key: str, entry: Entry) -> None:
        raise RagcError("journal.db: the disk is full")

    gateway.journal.settle = full  # type: ignore[method-assign]
    lm = hosted(gateway)
    for prompt in ("hello", "hello again"):
        with refused(RagcError, "disk is full"):
            lm(prompt)
    assert gateway.usage.calls == gateway.account.spent.calls == 1
    gateway.close()


def test_what_is_kept_holds_no_key(hosted: MakeLM, provider: Provider, tmp_path: Path) -> None:
    gateway = on_disk(tmp_path)
    with gateway.recording() as calls:
        hosted(gateway)(f"hello, my key is {KEY}")
    provider.script = lambda asked: Answer(status=400, message=f"what is {asked.key}?")
    with gateway.recording() as failed, pytest.raises(ExampleError):
        hosted(gateway)("and now?")
    gateway.close()
    with Journal.open(tmp_path / "journal.db", read_only=True) as reader:
        kept = [reader.find(calls[0].key or ""), reader.failure_of("r1", failed[0].key or "")]
    assert None not in kept
    assert KEY not in repr(kept)
    assert "hello, my key is ***" in repr(kept)
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_a_cancelled_call_is_received_and_kept(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer("five", delay=0.3)
    gateway = Gateway(Budget(calls=1))
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


# -- failures leave nothing over

FAILURES = {
    "a refusal of the request": Answer(status=400),
    "an outage": Answer(status=500),
    "a connection that ends": Answer(delivery=Delivery.HANG_UP),
    "half a body": Answer(raw=b'{"id": "x", "choices": [{"mess'),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_call_leaves_no_flight_and_is_asked_again_by_the_next_run(
    hosted: MakeLM, provider: Provider, tmp_path: Path, failure: str
) -> None:
    gateway = on_disk(tmp_path)
    lm = hosted(gateway)
    lm("is anybody there?")
    provider.script = lambda asked: FAILURES[failure]
    with gateway.recording() as calls, pytest.raises(ExampleError):
        lm("hello")
    assert gateway.account.reserved == Amounts() and gateway.account.spent.calls == 1
    gateway.close()

    provider.script = lambda asked: "five"
    again = on_disk(tmp_path, "r2")
    assert again.journal.failure_of("r1", calls[0].key or "") is not None
    assert again.journal.lost("r1") == 0 and again.journal.spent_by("r1").calls == 1
    assert hosted(again)("hello") == ["five"]
    again.close()


def test_an_interrupted_call_leaves_no_flight(tmp_path: Path) -> None:
    gateway = on_disk(tmp_path)

    def interrupted(prompt: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scripted_lm(interrupted, gateway)("hello")
    assert gateway.account.reserved == Amounts()
    assert scripted_lm(lambda prompt: "five", gateway)("hello") == ["five"]
    gateway.close()


def test_what_passes_is_tried_again_and_paid_once(hosted: MakeLM, provider: Provider) -> None:
    provider.faults = first_times(1, rate_limited(0.05))
    gateway = Gateway(retry=Retry(attempts=3, first=0.001))
    lm = hosted(gateway)
    at_once(8, lambda number: lm(f"question {number}"))
    assert len(provider.requests) == 16
    assert gateway.usage.calls == gateway.account.spent.calls == 8
    assert gateway.status().retries == 8


# -- what ends a run


def test_stop_refuses_new_calls_and_keeps_what_is_under_way(hosted: MakeLM, provider: Provider, tmp_path: Path) -> None:
    arrived, may_answer = threading.Event(), threading.Event()

    def script(asked: Asked) -> Answer | str:
        if asked.number > 1:  # the first call has shown that somebody answers
            arrived.set()
            assert may_answer.wait(10)
        return "five"

    provider.script = script
    gateway = on_disk(tmp_path)
    lm = hosted(gateway, threads=1)
    lm("before")
    with ThreadPoolExecutor(2) as pool:
        under_way = pool.submit(lm, "under way")
        assert arrived.wait(10)
        waiting = pool.submit(lm, "waiting for its turn")
        time.sleep(0.05)
        gateway.stop(Interrupted("interrupted"))
        with refused(Interrupted):
            waiting.result(10)
        with refused(Interrupted):
            lm("new")
        assert not under_way.done()
        may_answer.set()
        assert under_way.result(10) == ["five"]
    assert [lm("before"), lm("under way")] == [["five"]] * 2, "what is known is still answered"
    assert len(provider.requests) == gateway.usage.calls == 2
    assert gateway.fatal is None
    gateway.close()
    again = on_disk(tmp_path, "r2")
    assert hosted(again)("under way") == ["five"]
    again.close()
    assert len(provider.requests) == 2


def test_stop_wakes_who_waits_to_try_again(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=503, headers={"retry-after": "60"})
    gateway = Gateway()
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hosted(gateway), "hello")
        while not provider.served:
            time.sleep(0.005)
        time.sleep(0.05)
        gateway.stop(Interrupted("interrupted"))
        with refused(Interrupted):
            waiting.result(10)
    assert time.monotonic() - began < 10
    assert gateway.account.reserved == Amounts()


def test_a_refusal_for_good_ends_all_calls(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(status=401)
    gateway = Gateway()
    lm = hosted(gateway, threads=1)
    found = at_once(16, lambda number: lm(f"question {number}"))
    assert all(isinstance(one, ModelError) for one in found)
    assert len(provider.requests) == 1
    assert isinstance(gateway.fatal, ModelError)


def test_a_wait_that_is_longer_than_the_run_may_take_is_not_waited(hosted: MakeLM, provider: Provider) -> None:
    provider.faults = lambda asked: rate_limited(3600)
    gateway = Gateway(Budget(seconds=30))
    began = time.monotonic()
    with pytest.raises(BudgetExhausted):
        hosted(gateway)("hello")
    assert time.monotonic() - began < 10
    assert gateway.fatal is None


def test_what_ended_one_call_for_good_does_not_hide_what_the_journal_knows() -> None:
    gateway = Gateway()
    lm = scripted_lm(lambda prompt: "five", gateway)
    lm("hello")
    gateway.refuse(ModelError("no key"))
    assert lm("hello") == ["five"]
    with refused(ModelError, "no key"):
        lm("hello again")


def test_closing_gives_back_what_was_taken_over_and_waits_for_awaited_calls(
    hosted: MakeLM, provider: Provider, tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    gateway = on_disk(tmp_path)
    own = dspy.LM("openai/own", api_base=provider.base_url, api_key=KEY, cache=False)
    engine = own.engine
    with gateway.watching():
        own("hello")
        asyncio.run(own.acall("hello again"))
    gateway.close()
    assert own.engine == engine
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("ragc-gateway")]
