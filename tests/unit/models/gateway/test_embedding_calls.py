"""Requests for embeddings in a run: reserved, kept, sent once, replayed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from provider import Answer, Asked, Provider, Tokens, always, first_times, schedule
from ragc.errors import BudgetExhausted, ExampleError, ModelError
from ragc.models import Embedded, Embeddings, Gateway, Journal, Replay
from ragc.project import Budget, EmbedderSettings
from unit.models.conftest import MakeLM

PRICE = {"input": 1.0}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path / "journal.db")
    yield journal
    journal.close()


def endpoint(provider: Provider, **values: Any) -> Embeddings:
    given = {"model": "openai/scripted", "base_url": provider.base_url, "api_key_env": "OUR_KEY", **values}
    return Embeddings(EmbedderSettings.model_validate({"price": PRICE, **given}))


def embed(gateway: Gateway, ours: Embeddings, *texts: str, dimensions: int | None = None) -> Embedded:
    return gateway.embed(ours, ours.request(texts), dimensions)


def test_a_call_is_counted_and_kept(provider: Provider, journal: Journal) -> None:
    ours, gateway = endpoint(provider), Gateway(journal=journal, run="r", task="t")
    with gateway.recording("an example") as calls:
        embedded = embed(gateway, ours, "one", "two")
    (call,) = calls
    assert (call.kind, call.model, call.input_tokens, call.output_tokens) == ("embedding", "openai/scripted", 2, 0)
    assert call.usd == pytest.approx(2e-6) and call.seconds > 0 and call.key
    entry = journal.find(call.key)
    assert entry is not None
    assert (entry.kind, entry.run, entry.task, entry.usd) == ("embedding", "r", "t", Fraction(2, 10**6))
    assert entry.request["request"] == {"model": "scripted", "input": ["one", "two"]}
    assert Embedded.from_json(entry.response) == embedded
    assert "sk-test" not in str(entry.request)


def test_the_same_texts_are_sent_once_in_a_run_and_in_the_next(provider: Provider, journal: Journal) -> None:
    first, second = Gateway(journal=journal), Gateway(journal=journal)
    one = embed(first, endpoint(provider), "one")
    assert embed(first, endpoint(provider), "one") == embed(second, endpoint(provider), "one") == one
    assert len(provider.requests) == first.usage.calls == 1
    assert second.usage.calls == 0


def test_other_texts_order_dimensions_model_address_or_generation_are_another_call(
    provider: Provider, journal: Journal
) -> None:
    gateway, ours = Gateway(journal=journal), endpoint(provider)
    embed(gateway, ours, "one", "two")
    embed(gateway, ours, "two", "one")
    gateway.embed(ours, ours.request(["one", "two"], 8))
    embed(gateway, endpoint(provider, model="openai/other"), "one", "two")
    embed(gateway, endpoint(provider, base_url=provider.base_url.replace("127.0.0.1", "localhost")), "one", "two")
    embed(Gateway(journal=journal, generation=1), ours, "one", "two")
    assert len(provider.requests) == 6


def test_threads_that_ask_the_same_at_once_send_one_request(provider: Provider) -> None:
    provider.latency = 0.1
    gateway, ours = Gateway(), endpoint(provider)
    found: list[Embedded] = []
    threads = [threading.Thread(target=lambda: found.append(embed(gateway, ours, "one"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(provider.requests) == 1
    assert found == [found[0]] * 16


def test_a_question_within_an_lm_call_is_no_candidate_of_it(hosted: MakeLM, provider: Provider) -> None:
    gateway, ours = Gateway(), endpoint(provider)
    lm = hosted(gateway, price={"input": 1.0, "output": 1.0})
    lm("hello")
    embed(gateway, ours, "one")
    lm("hello")
    embed(gateway, ours, "one")
    assert [asked.endpoint for asked in provider.requests] == ["chat", "embeddings"]


@pytest.mark.parametrize("cap", [{"calls": 2}, {"usd": 120e-6}, {"input_tokens": 120}])
def test_a_cap_refuses_what_may_not_fit_before_it_is_sent(provider: Provider, cap: dict[str, Any]) -> None:
    gateway, ours = Gateway(Budget(**cap)), endpoint(provider)
    provider.faults = always(lambda asked, answer: Answer(usage=Tokens(35, 0)))
    embed(gateway, ours, "one")  # at most 3 bytes and 32 tokens around them, which is what it is said to have taken
    embed(gateway, ours, "two")
    with pytest.raises(BudgetExhausted):
        embed(gateway, ours, "six", "ten")
    assert len(provider.requests) == 2
    assert gateway.exhausted


def test_usage_that_is_missing_or_impossible_counts_as_the_most(provider: Provider) -> None:
    gateway, ours = Gateway(), endpoint(provider)
    for number, usage in enumerate((None, Tokens(10**12, 0), Tokens(-5, 0))):
        provider.faults = always(lambda asked, answer, usage=usage: Answer(usage=usage))  # type: ignore[misc]
        embed(gateway, ours, f"text {number}")
        assert gateway.usage.input_tokens == (number + 1) * (6 + 32)
    assert len(gateway.notes) == 2


def test_what_may_pass_is_tried_again_and_a_429_slows_everyone(provider: Provider) -> None:
    gateway, ours = Gateway(), endpoint(provider)
    provider.faults = first_times(1, "429")
    embed(gateway, ours, "one")
    provider.faults = first_times(1, "half")
    embed(gateway, ours, "two")
    assert gateway.status().retries == 2
    assert gateway.usage.calls == 2


def test_a_refusal_for_good_stops_the_run(provider: Provider) -> None:
    gateway, ours = Gateway(), endpoint(provider)
    provider.faults = always("401")
    for text in ("one", "two"):
        with pytest.raises(ModelError, match="refuses the key in OUR_KEY"):
            embed(gateway, ours, text)
    assert len(provider.requests) == 1
    assert isinstance(gateway.fatal, ModelError)


def test_a_vector_that_nobody_can_use_is_paid_for_and_not_kept(provider: Provider, journal: Journal) -> None:
    raw = b'{"data": [{"index": 0, "embedding": [NaN, 1]}], "usage": {"prompt_tokens": 20}, "model": "scripted"}'
    provider.faults = schedule(lambda asked, answer: Answer(raw=raw))
    gateway, ours = Gateway(journal=journal), endpoint(provider)
    with pytest.raises(ExampleError, match="holds NaN"):
        embed(gateway, ours, "one")
    assert (gateway.usage.calls, gateway.usage.input_tokens) == (1, 20)
    assert gateway.account.spent.input_tokens == 20
    assert embed(gateway, ours, "one").dimensions == 64
    assert len(provider.requests) == 2


def test_other_dimensions_end_the_run_whether_they_come_or_are_kept(provider: Provider, journal: Journal) -> None:
    ours = endpoint(provider)
    embed(Gateway(journal=journal), ours, "kept")
    for text in ("kept", "new"):
        gateway = Gateway(journal=journal)
        with pytest.raises(ModelError, match="64 dimensions, not 128"):
            embed(gateway, ours, text, dimensions=128)
        assert gateway.fatal is not None
    assert len(provider.requests) == 2


def test_a_replay_sends_nothing_and_names_what_is_missing(
    provider: Provider, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = embed(Gateway(journal=journal), endpoint(provider), "one")
    monkeypatch.delenv("OUR_KEY")
    provider.reset()
    gateway = Gateway(journal=journal, replay=Replay(journal, None))
    assert embed(gateway, endpoint(provider), "one") == kept
    with pytest.raises(ModelError, match="not in the journal"):
        embed(gateway, endpoint(provider), "two")
    assert not provider.requests


def test_what_is_aside_is_paid_for_and_no_part_of_the_cost(provider: Provider, journal: Journal) -> None:
    gateway, ours = Gateway(Budget(calls=3), journal=journal), endpoint(provider)
    with gateway.aside("index") as step:
        embed(gateway, ours, "a passage " * 200)
    dear = gateway.dearest
    with gateway.step("pilot"):
        embed(gateway, ours, "a question")
    assert dear.input_tokens == 0 < gateway.dearest.input_tokens < 100
    assert gateway.usage.calls == gateway.account.spent.calls == 2
    assert gateway.cost.calls == 1
    assert len(step.used) == 1


def test_asked_for_by_two_processes_is_paid_for_once(provider: Provider, tmp_path: Path) -> None:
    provider.latency = 0.3
    ours = endpoint(provider)
    journals = [Journal.open(tmp_path / "shared.db") for _ in range(2)]
    gateways = [Gateway(journal=journal) for journal in journals]
    threads = [threading.Thread(target=embed, args=(gateway, ours, "one")) for gateway in gateways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(provider.requests) == sum(gateway.usage.calls for gateway in gateways) == 1
    for gateway in gateways:
        gateway.close()


def test_no_key_is_kept_that_an_endpoint_echoes(provider: Provider, journal: Journal) -> None:
    def echo(asked: Asked, answer: Answer) -> Answer:
        return Answer(model=f"scripted for {asked.key}")

    provider.faults = always(echo)
    gateway, ours = Gateway(journal=journal), endpoint(provider)
    with gateway.recording() as calls:
        assert embed(gateway, ours, "one").model == "scripted for ***"
    entry = journal.find(calls[0].key or "")
    assert entry is not None and entry.response["model"] == "scripted for ***"
