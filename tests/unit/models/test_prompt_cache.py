"""What many prompts begin with is marked for the provider's cache, where that pays and not before."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import dspy
import pytest
from dspy.clients.engines.lm15_engine import LM15Engine
from dspy.lm15 import CacheConfig, Message, Request, RouterConfig

from provider import Answer, Provider, Tokens
from ragc.models import Gateway, make_adapter, make_lm
from ragc.models._prompt_cache import LIFE, PromptCache, prompt_cache
from ragc.models._routes import route
from unit.models.conftest import settings

CLAUDE = "anthropic/claude-sonnet-4-5"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def asked(question: str, demos: int = 2, system: str = "Answer.", **config: Any) -> Request:
    shown = [Message.user(f"q{number}") if side == 0 else Message.assistant(f"a{number}")
             for number in range(demos) for side in (0, 1)]  # fmt: skip
    return Request(
        model="claude-sonnet-4-5",
        system=system,
        messages=(*shown, Message.user(question)),
        config=dspy.lm15.Config(**config),
    )


def test_a_beginning_is_marked_from_the_second_time_on() -> None:
    cache = PromptCache()
    first, second, third = (cache.marked(asked(question)).config.cache for question in ("one", "two", "three"))
    assert first is None
    assert second == third == CacheConfig(prefix_until_index=3)


def test_instructions_alone_are_a_beginning() -> None:
    cache = PromptCache()
    cache.marked(asked("one", demos=0))
    assert cache.marked(asked("two", demos=0)).config.cache == CacheConfig(prefix="stable")


def test_what_a_candidate_shares_with_another_is_marked_until_its_own_beginning_is_known() -> None:
    cache = PromptCache()
    cache.marked(asked("one", demos=1))
    marks = [cache.marked(asked("two", demos=3)).config.cache for _ in range(2)]
    assert marks == [CacheConfig(prefix_until_index=1), CacheConfig(prefix_until_index=5)]


def test_a_repair_reads_what_its_first_try_wrote() -> None:
    cache = PromptCache()
    cache.marked(asked("one"))
    request = asked("two")
    repair = Request(
        model=request.model,
        system=request.system,
        messages=(*request.messages, Message.assistant("prose"), Message.user("answer is missing")),
        config=request.config,
    )
    assert cache.marked(repair).config.cache == CacheConfig(prefix_until_index=3)


@pytest.mark.parametrize("change", [{"system": "Other."}, {"demos": 0}, {"response_format": {"type": "json_object"}}])
def test_another_beginning_is_not_taken_for_it(change: dict[str, Any]) -> None:
    cache = PromptCache()
    cache.marked(asked("one"))
    assert cache.marked(asked("two", **change)).config.cache is None


def test_a_beginning_that_the_provider_has_forgotten_is_not_marked() -> None:
    clock = Clock()
    cache = PromptCache(clock=clock)
    cache.marked(asked("one"))
    clock.now += LIFE - 1
    assert cache.marked(asked("two")).config.cache is not None
    clock.now += LIFE - 1  # renewed by the last
    assert cache.marked(asked("three")).config.cache is not None
    clock.now += LIFE + 1
    assert cache.marked(asked("four")).config.cache is None


def test_a_provider_that_writes_unasked_is_told_not_to_the_first_time() -> None:
    cache = PromptCache(unasked=True)
    assert cache.marked(asked("one")).config.cache == CacheConfig(mode="off")
    assert cache.marked(asked("two")).config.cache == CacheConfig(prefix_until_index=3)


def test_a_mark_of_the_programs_own_stays() -> None:
    cache = PromptCache()
    own = asked("one", cache=CacheConfig(prefix="history"))
    assert cache.marked(own) is own


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragc.models._prompt_cache._MOST", 3)
    cache = PromptCache()
    for number in range(10):
        cache.marked(asked("one", system=str(number)))
    assert cache.marked(asked("two", system="9")).config.cache is not None
    assert cache.marked(asked("two", system="1")).config.cache is None


@pytest.mark.parametrize(
    ("model", "more", "marks"),
    [
        (CLAUDE, {}, True),
        (CLAUDE, {"base_url": "http://gateway.local/v1"}, True),
        (CLAUDE, {"price": {"input": 3.0, "output": 15.0}}, False),  # what writing costs is not said
        ("anthropic/claude-unheard-of", {}, False),
        ("openai/gpt-5.6", {}, True),
        ("openai/gpt-5.6", {"base_url": "http://gateway.local/v1"}, False),
        ("openai/gpt-4o-mini", {}, False),  # caches by itself, and knows no marks
        ("gemini/gemini-2.5-flash", {}, False),
        ("groq/llama-3.3-70b-versatile", {}, False),
        ("deepseek/deepseek-chat", {}, False),
        ("mistral/mistral-small-latest", {}, False),
    ],
)
def test_only_providers_that_want_marks_get_them(model: str, more: dict[str, Any], marks: bool) -> None:
    chosen = settings(model, api_key_env="OUR_KEY", **more)
    assert (prompt_cache(chosen, route(chosen)) is not None) == marks


@pytest.fixture
def ask(provider: Provider) -> Any:
    """Asks Claude one question of a program with two demonstrations, and returns the bodies so far."""
    provider.script = lambda asked: Answer("[[ ## answer ## ]]\nfive", usage=Tokens(2000, 10, cached=1900))
    model = settings(CLAUDE, base_url=provider.base_url, api_key_env="OUR_KEY")
    gateway = Gateway()
    lm, adapter = make_lm(model, gateway=gateway), make_adapter(model)
    predict = dspy.Predict("question -> answer")
    predict.demos = [dspy.Example(question=f"q{number}", answer=f"a{number}") for number in range(2)]

    def one(question: str, *, awaited: bool = False) -> list[dict[str, Any]]:
        with dspy.context(lm=lm, adapter=adapter):
            if awaited:
                asyncio.run(predict.acall(question=question))
            else:
                predict(question=question)
        return [dict(request.body) for request in provider.requests]

    one.gateway = gateway  # type: ignore[attr-defined]
    return one


@pytest.mark.parametrize("awaited", [False, True])
def test_anthropic_gets_a_mark_on_instructions_and_on_the_last_demonstration(ask: Any, awaited: bool) -> None:
    ask("one")
    first, second = ask("two", awaited=awaited)
    assert "cache_control" not in json.dumps(first)
    assert second["system"][-1]["cache_control"] == {"type": "ephemeral"}
    marked = [number for number, message in enumerate(second["messages"]) if "cache_control" in json.dumps(message)]
    assert marked == [3]
    assert second["messages"][3]["role"] == "assistant"
    assert "two" in json.dumps(second["messages"][4])


def test_the_share_of_cached_input_is_counted(ask: Any) -> None:
    ask("one")
    usage = ask.gateway.usage
    assert (usage.input_tokens, usage.cached_input_tokens) == (2000, 1900)
    assert usage.usd == pytest.approx((100 * 3 + 1900 * 0.3 + 10 * 15) / 1e6)


def test_openai_gets_its_own_mark() -> None:
    wire = LM15Engine(RouterConfig(api_keys={"openai-chat": "k" * 20})).router.lm("openai-chat:gpt-5.6")
    cache = PromptCache(unasked=True)
    bodies = []
    for question in ("one", "two"):
        request = cache.marked(asked(question))
        sent = wire.build_request(Request(model="gpt-5.6", system=request.system, messages=request.messages,
                                          config=request.config), False)  # fmt: skip
        bodies.append(json.loads(sent.body))
    assert bodies[0]["prompt_cache_options"] == bodies[1]["prompt_cache_options"] == {"mode": "explicit"}
    assert "prompt_cache_breakpoint" not in json.dumps(bodies[0])
    marked = [message for message in bodies[1]["messages"] if "prompt_cache_breakpoint" in json.dumps(message)]
    assert [message["role"] for message in marked] == ["user"]
    assert "q1" in json.dumps(marked[0])
