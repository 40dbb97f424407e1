"""What is heard on the wire beside an answer."""

from __future__ import annotations

import asyncio

import pytest
from dspy import lm15
from dspy.lm15 import Message, Request

from provider import Answer, Asked, Provider, always, rate_limit_headers
from ragc.models._hosted import AsyncHosted, Hosted
from ragc.models._providers import async_provider_engine, provider_engine, router_config
from ragc.models._routes import route
from ragc.models._transport import Heard, listening
from ragc.project import ModelSettings
from unit.models.conftest import settings


def model(provider: Provider, name: str = "openai/ours") -> ModelSettings:
    return settings(name, base_url=provider.base_url, api_key_env="OUR_KEY", timeout=0.3)


def request(text: str = "hello") -> Request:
    return Request(model="openai/ours", messages=(Message.user(text),))


def hosted(provider: Provider) -> Hosted:
    given = model(provider)
    return Hosted(lambda transport: router_config(given, route(given), transport), given.timeout)


@pytest.mark.parametrize(
    ("name", "wire", "header"),
    [
        ("openai/ours", "openai", "x-ratelimit-remaining-requests"),
        ("anthropic/claude-sonnet-4-5", "anthropic", "anthropic-ratelimit-requests-remaining"),
    ],
)
@pytest.mark.parametrize("awaited", [False, True])
def test_headers_of_an_answer_are_heard(provider: Provider, name: str, wire: str, header: str, awaited: bool) -> None:
    provider.script = lambda asked: Answer(headers=rate_limit_headers(asked.wire, remaining=3, reset=5))
    given = model(provider, name)
    asked = Request(model=name, messages=(Message.user("hello"),))
    with listening() as heard:
        if awaited:
            asyncio.run(async_provider_engine(given, route(given)).complete(asked))
        else:
            provider_engine(given, route(given)).complete(asked)
    assert heard.status == 200
    assert heard.headers[header] == ("3",)
    assert provider.requests[0].wire == wire


def test_what_is_heard_is_of_the_last_attempt(provider: Provider) -> None:
    headers = rate_limit_headers("openai", remaining=3, reset=5)
    provider.script = lambda asked: Answer(headers=headers) if asked.number == 1 else Answer()
    engine = hosted(provider)
    with listening() as heard:
        engine.complete(request())
        engine.complete(request())
    assert heard.headers == {}


def test_no_credential_is_heard(provider: Provider) -> None:
    provider.script = lambda asked: Answer(headers={"authorization": "Bearer abc", "set-cookie": "session=abc"})
    with listening() as heard:
        hosted(provider).complete(request())
    assert heard.headers == {}


def test_tasks_hear_their_own(provider: Provider) -> None:
    def script(asked: Asked) -> Answer:
        return Answer(headers=rate_limit_headers("openai", remaining=int(asked.text), reset=5), delay=0.02)

    provider.script = script
    given = model(provider)

    async def main() -> list[str]:
        engine = AsyncHosted(lambda transport: router_config(given, route(given), transport), given.timeout)

        async def ask(number: int) -> str:
            with listening() as heard:
                await engine.complete(request(str(number)))
            return heard.headers["x-ratelimit-remaining-requests"][0]

        found = await asyncio.gather(*(ask(number) for number in range(8)))
        await engine.aclose()
        return list(found)

    assert asyncio.run(main()) == [str(number) for number in range(8)]


def test_listening_within_listening_is_the_same() -> None:
    with listening() as outer, listening() as inner:
        assert inner is outer
    with listening() as later:
        assert later is not outer
        assert later == Heard()


def test_connections_are_used_again_and_given_up_ones_are_closed(provider: Provider) -> None:
    engine = hosted(provider)
    for number in range(5):
        engine.complete(request(str(number)))
    pool = engine._transport._inner
    assert pool.pool_stats()["total_opened"] == 1
    provider.faults = always("slow")
    with pytest.raises(lm15.TransportError):
        engine.complete(request())
    assert pool.pool_stats() == {"idle": 0, "in_use": 0, "total_opened": 1}
    engine.close()


def test_a_failure_before_anything_was_sent_is_no_reply(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = hosted(provider)
    monkeypatch.setattr(engine._engine, "complete", lambda request: [][0])
    with pytest.raises(IndexError):
        engine.complete(request())
