"""Every LM that is called in a run goes through its gateway, whoever made it; one that cannot be taken over ends it."""

from __future__ import annotations

import asyncio
import copy
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import dspy
import pytest
from dspy.clients import execution
from dspy.utils import DummyLM

from provider import Provider
from ragc.errors import ModelError
from ragc.models import Gateway, NotSent, PlainAdapter, unsent
from ragc.models.gateway import _seam
from ragc.models.gateway._calls import Recording
from scripted import Scripted, scripted_lm
from unit.models.conftest import KEY, MakeLM

Work = Callable[[dspy.LM, str], Any]
"""From the run's LM and the provider's address to calls of any LM."""


@contextmanager
def running(gateway: Gateway) -> Iterator[Recording]:
    """What a run has around an example."""
    with gateway.watching(), dspy.context(adapter=PlainAdapter()), gateway.recording("e1") as calls:
        yield calls


def own(url: str, **values: Any) -> dspy.LM:
    """An LM as a program makes one for itself."""
    return dspy.LM("openai/own-model", api_base=url, api_key=KEY, **values)


class Sub(dspy.Module):  # type: ignore[misc]  # dspy ships no types
    """A module that has an LM of its own."""

    def __init__(self, lm: dspy.LM) -> None:
        super().__init__()
        self.ask = dspy.Predict("question -> answer")
        self.ask.lm = lm

    def forward(self, question: str) -> Any:
        return self.ask(question=question)


class Program(dspy.Module):  # type: ignore[misc]  # dspy ships no types
    """A program around it."""

    def __init__(self, lm: dspy.LM) -> None:
        super().__init__()
        self.sub = Sub(lm)

    def forward(self, question: str) -> Any:
        return self.sub(question=question)


def in_parallel(lm: dspy.LM, url: str) -> None:
    dspy.Parallel(num_threads=4, disable_progress_bar=True)([(lm, (f"number {n}",)) for n in range(4)])


def reloaded(lm: dspy.LM, url: str) -> None:
    made = own(url, max_tokens=50)
    dspy.LM.load_state({**made.dump_state(), "api_key": KEY})("hello")


async def gathered(lm: dspy.LM) -> None:
    await asyncio.gather(*(lm.acall(f"number {n}") for n in range(3)))


async def awaited_rollouts(lm: dspy.LM) -> None:
    await asyncio.gather(*(lm.acall("hello", rollout_id=n, temperature=1.0) for n in range(3)))


def in_a_thread(work: Callable[[], object]) -> None:
    class Own(threading.Thread):
        def run(self) -> None:
            work()

    thread = Own()
    thread.start()
    thread.join()


def in_an_executor(lm: dspy.LM) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lm, [f"number {n}" for n in range(3)]))


WAYS: dict[str, tuple[Work, int]] = {
    "the run's own": (lambda lm, url: lm("hello"), 1),
    "a copy with another temperature": (lambda lm, url: [lm("hello"), lm.copy(temperature=0.7)("hello")], 2),
    "a deep copy": (lambda lm, url: [lm("hello"), copy.deepcopy(lm)("hello again")], 2),
    "one that the program makes": (lambda lm, url: own(url)("hello"), 1),
    "a copy of one that the program makes": (lambda lm, url: _copies(own(url)), 3),
    "one in a module within a module": (lambda lm, url: Program(own(url))(question="hello"), 1),
    "one that is loaded from a state": (reloaded, 1),
    "dspy.Parallel": (in_parallel, 4),
    "dspy.Parallel with one that the program makes": (lambda lm, url: in_parallel(own(url), url), 4),
    "awaited": (lambda lm, url: asyncio.run(gathered(lm)), 3),
    "awaited, one that the program makes": (lambda lm, url: asyncio.run(gathered(own(url))), 3),
    "three answers to one prompt": (lambda lm, url: lm("hello", n=3), 3),
    "rollouts": (lambda lm, url: [lm("hello", rollout_id=n, temperature=1.0) for n in range(3)], 3),
    "rollouts, awaited": (lambda lm, url: asyncio.run(awaited_rollouts(lm)), 3),
    "copies for rollouts": (lambda lm, url: [lm.copy(rollout_id=n, temperature=1.0)("hello") for n in range(3)], 3),
    "forward, called directly": (lambda lm, url: [lm.forward("hello"), own(url).forward("hello")], 2),
    "aforward, called directly": (lambda lm, url: asyncio.run(own(url).aforward("hello")), 1),
    "a thread of the program's own": (lambda lm, url: in_a_thread(lambda: [lm("hello"), own(url)("hello")]), 2),
    "rollouts in a thread, straight": (
        lambda lm, url: in_a_thread(lambda: [lm.forward("hello", rollout_id=n, temperature=1.0) for n in range(2)]),
        2,
    ),
    "an executor of the program's own": (lambda lm, url: in_an_executor(own(url)), 3),
    "the Responses API": (lambda lm, url: own(url, model_type="responses")("hello"), 1),
    "asyncify": (lambda lm, url: asyncio.run(dspy.asyncify(lm)("hello")), 1),
}


def _copies(lm: dspy.LM) -> None:
    lm("hello")
    for number in range(2):
        lm.copy(rollout_id=number, temperature=1.0)("hello")


@pytest.mark.parametrize("way", WAYS)
def test_every_call_is_metered_journaled_and_counts_for_its_example(
    hosted: MakeLM, provider: Provider, way: str
) -> None:
    work, number = WAYS[way]
    gateway = Gateway()
    lm = hosted(gateway)
    with gateway.step("baseline") as step, running(gateway) as calls:
        work(lm, provider.base_url)
    assert len(provider.requests) == gateway.usage.calls == len(calls) == number
    assert gateway.journal.summary().total.entries == number
    assert [use.example for use, _ in step.used] == ["e1"] * number
    assert gateway.strangers == () and gateway.cost.calls == number

    with running(gateway) as again:
        work(hosted(gateway), provider.base_url)
    assert len(provider.requests) == number, "the journal answers"
    assert all(call.hit for call in again) and len(again) == number


def test_the_journal_answers_and_not_dspys_cache(hosted: MakeLM, provider: Provider) -> None:
    gateway = Gateway()
    asked_for_it = hosted(gateway).copy(cache=True)
    with running(gateway) as calls:
        for lm in (own(provider.base_url), own(provider.base_url), own(provider.base_url).copy(cache=True)):
            lm("hello", cache=True)
        asked_for_it("hello again")
    assert [call.hit for call in calls] == [False, True, True, False]
    assert gateway.journal.summary().total.entries == 2
    assert asked_for_it.cache is True


def test_an_lm_that_was_taken_over_gets_its_own_engine_back(provider: Provider) -> None:
    lm = own(provider.base_url, num_retries=7, temperature=0.5)
    names = ("_engine_spec", "_async_engine_spec", "cache", "num_retries", "kwargs")
    before = {name: vars(lm)[name] for name in names}
    gateway = Gateway()
    with running(gateway):
        lm("hello")
    assert lm.engine.gateway is gateway
    gateway.close()
    assert {name: vars(lm)[name] for name in names} == before
    assert "_cache_responses" not in vars(lm)
    assert own(provider.base_url).engine == lm.engine == "auto"
    lm("hello", cache=False)
    assert (len(provider.requests), gateway.usage.calls) == (2, 1)
    assert provider.requests[-1].key == KEY


def test_one_of_another_gateway_and_one_with_an_engine_of_its_own_are_taken_over(hosted: MakeLM) -> None:
    other, gateway = Gateway(), Gateway()
    scripted = dspy.LM("openai/scripted", engine=Scripted(lambda prompt: "five"), cache=False)
    with running(gateway) as calls:
        hosted(other)("hello")
        assert scripted("hello") == ["five"]
    assert (other.usage.calls, gateway.usage.calls) == (0, 2)
    assert [call.model for call in calls] == ["openai/our-model", "openai/scripted"]


def test_an_lm_keeps_its_wire(provider: Provider) -> None:
    lm = own(provider.base_url, model_type="responses")
    gateway = Gateway()
    with running(gateway):
        lm("hello")
        own(provider.base_url)("hello")
        asyncio.run(own(provider.base_url, model_type="responses").acall("hello again"))
    assert [asked.endpoint for asked in provider.requests] == ["responses", "chat", "responses"]
    assert gateway.usage.calls == 3, "the same question by another interface is another call"


def test_a_provider_without_that_wire_is_refused_by_name(provider: Provider) -> None:
    lm = dspy.LM("anthropic/claude-sonnet-4-5", model_type="responses", api_key=KEY, api_base=provider.base_url)
    with (
        running(Gateway()),
        pytest.raises(
            ModelError, match=r"^anthropic/claude-sonnet-4-5 was called .*has no Responses API: leave model_type out"
        ),
    ):
        lm("hello")
    assert not provider.requests


def test_dspy_and_threads_are_as_before_when_the_last_gateway_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_seam, "_open", set())  # other tests leave gateways open
    monkeypatch.setattr(_seam, "_undo", ExitStack())

    def seen() -> set[object]:
        functions = {execution.prepare, execution.execute, execution.aexecute}
        return {*functions, threading.Thread.start, ThreadPoolExecutor.submit}

    before = seen()
    first = Gateway()
    wrapped = seen()
    second = Gateway()
    first.close()
    assert seen() == wrapped and not wrapped & before
    second.close()
    assert seen() == before


def test_what_somebody_else_put_around_dspy_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_seam, "_open", set())  # other tests leave gateways open
    monkeypatch.setattr(_seam, "_undo", ExitStack())
    monkeypatch.setattr(execution, "prepare", execution.prepare)  # puts its own back at the end
    gateway = Gateway()
    ours = execution.prepare

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    execution.prepare = theirs
    gateway.close()
    assert execution.prepare is theirs


def test_a_thread_that_outlives_its_run_and_one_outside_of_it_are_nobodys(provider: Provider) -> None:
    gateway, over = Gateway(), threading.Event()
    lm = own(provider.base_url, cache=False)
    outlives = threading.Thread(target=lambda: [over.wait(10), lm("late")])
    with running(gateway):
        outlives.start()
        gateway.close()
    still_open = Gateway()
    over.set()
    outlives.join()
    outside = threading.Thread(target=lm, args=("elsewhere",))
    outside.start()
    outside.join()
    with ThreadPoolExecutor(1) as pool:
        with running(still_open):
            pool.submit(lambda: None).result()  # its thread began in the run, and is one for everybody
        pool.submit(lm, "elsewhere again").result()
    lm.close()
    assert (len(provider.requests), gateway.usage.calls, still_open.usage.calls) == (3, 0, 0)
    assert still_open.strangers == ()


def test_what_sends_nothing_is_left_alone(hosted: MakeLM, provider: Provider) -> None:
    gateway = Gateway()
    with running(gateway), pytest.raises(NotSent):
        unsent(hosted(gateway))("hello")
    assert not provider.requests and gateway.strangers == () and gateway.fatal is None


class Legacy(dspy.BaseLM):  # type: ignore[misc]  # dspy ships no types
    """An LM as one was written before DSPy had engines."""

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        answer = dspy.utils.DummyLM([{"answer": "five"}])
        return answer.forward(prompt, messages or [{"role": "user", "content": "hello"}], **kwargs)


class Overridden(dspy.LM):  # type: ignore[misc]  # dspy ships no types
    """An LM that answers by itself."""

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        return DummyLM([{"answer": "five"}]).forward(prompt, [{"role": "user", "content": "hello"}])


def patched() -> dspy.LM:
    lm = dspy.LM("openai/patched", cache=False)
    lm.forward = Overridden.forward.__get__(lm)
    return lm


STRANGERS: dict[str, tuple[Callable[[], dspy.BaseLM], str]] = {
    "DSPy's dummy": (lambda: DummyLM([{"answer": "five"}] * 9), "dummy"),
    "a class of its own": (lambda: Legacy("legacy/model"), "legacy/model"),
    "a method of its own": (lambda: Overridden("openai/overridden", cache=False), "openai/overridden"),
    "a method put in its place": (patched, "openai/patched"),
    "headers of its own": (
        lambda: dspy.LM("openai/headed", api_key=KEY, extra_headers={"x": "y"}, engine="lm15", cache=False),
        "openai/headed",
    ),
    "a model that nobody knows": (
        lambda: dspy.LM("ours/unheard-of", engine=Scripted(lambda prompt: "five"), cache=False),
        "ours/unheard-of",
    ),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_what_cannot_be_taken_over_is_named_and_ends_the_run_unsealed(kind: str) -> None:
    make, name = STRANGERS[kind]
    gateway = Gateway()
    begun = gateway.new_step("baseline")
    gateway.admit(begun)
    with begun.inside(), running(gateway) as calls, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DSPy's, on what it will not take any more
        with pytest.raises(ModelError, match=f"^{name} was called past ragc"):
            make()("hello")
    assert (gateway.strangers, calls) == ((name,), [])
    with pytest.raises(ModelError, match=f"{name} was called past ragc"):
        gateway.complete_step(begun)
    assert gateway.fatal is not None
    with pytest.raises(ModelError, match=name):
        gateway.admit(gateway.new_step("candidate 1"))
    with pytest.raises(ModelError, match=name):
        scripted_lm(lambda prompt: "five", gateway)("hello")
    assert gateway.journal.summary().total.entries == 0


def test_a_message_names_every_stranger_once() -> None:
    gateway = Gateway()
    for name in ("a/one", "b/two", "a/one"):
        gateway.note_stranger(name)
    with pytest.raises(ModelError, match=r"^a/one, b/two were called past ragc"):
        gateway.admit(gateway.new_step("pilot"))
