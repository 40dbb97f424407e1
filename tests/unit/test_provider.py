"""The scripted provider that other tests rest on: official clients talk to it, and it fails as it is told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import dspy
import httpx
import openai
import pytest

from provider import (
    FAULTS,
    Answer,
    Asked,
    Provider,
    RemoteProvider,
    Tokens,
    always,
    at_rates,
    fields,
    first_times,
    knows,
    lognormal,
    rate_limit_headers,
    rate_limited,
    schedule,
)
from ragc.models import Embeddings, Ranking
from ragc.project import EmbedderSettings, RerankerSettings

KEY = "sk-test-0123456789abcdefghij"
QUESTION: Any = [{"role": "user", "content": "What is the capital of Italy?"}]
ROME = "Rome, since the second of July 1871"
PATHS = {"openai": "/chat/completions", "anthropic": "/messages"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(ROME) as provider:
        yield provider


@pytest.fixture
def ours(provider: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.base_url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def theirs(provider: Provider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.url, api_key=KEY, max_retries=0) as client:
        yield client


def ask(provider: Provider, wire: str = "openai", text: str = "hello", **more: Any) -> httpx.Response:
    """One request past every SDK."""
    body = {"model": "any", "max_tokens": 50, "messages": [{"role": "user", "content": text}], **more}
    headers = {"Authorization": f"Bearer {KEY}"}
    # Certificates are not looked at here, and take 20 ms to load.
    return httpx.post(provider.base_url + PATHS[wire], json=body, headers=headers, timeout=0.5, verify=False)


def test_openais_sdk_has_its_answers_whole_and_streamed(provider: Provider, ours: openai.OpenAI) -> None:
    provider.script = lambda asked: Answer(ROME, usage=Tokens(1000, 200, cached=600, reasoning=150))
    whole = ours.chat.completions.create(model="any", messages=QUESTION)
    assert whole.choices[0].message.content == ROME
    usage = whole.usage
    assert usage and usage.prompt_tokens_details and usage.completion_tokens_details
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (1000, 600)
    assert (usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens) == (200, 150)
    chunks = list(
        ours.chat.completions.create(
            model="any", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ROME
    assert chunks[-1].usage == usage

    response = ours.responses.create(model="any", input="What?")
    assert response.output_text == ROME
    assert response.usage and response.usage.output_tokens_details.reasoning_tokens == 150
    last = list(ours.responses.create(model="any", input="What?", stream=True))[-1]
    assert last.type == "response.completed" and last.response.output_text == ROME


def test_openais_sdk_has_embeddings_models_and_token_counts(ours: openai.OpenAI) -> None:
    found = ours.embeddings.create(model="any", input=["the rent of a plot", "the rent of plots", "snow"], dimensions=8)
    rent, rents, snow = (one.embedding for one in found.data)
    assert len(rent) == 8
    assert sum(map(float.__mul__, rent, rents)) > sum(map(float.__mul__, rent, snow))
    assert [model.id for model in ours.models.list()] == ["scripted"]
    assert ours.responses.input_tokens.count(model="any", input="x" * 400).input_tokens == 100


def test_anthropics_sdk_has_its_answers_whole_and_streamed(provider: Provider, theirs: anthropic.Anthropic) -> None:
    provider.script = lambda asked: Answer(ROME, usage=Tokens(1000, 200, cached=600, written=100))
    whole = theirs.messages.create(model="any", max_tokens=99, messages=QUESTION)
    assert isinstance(whole.content[0], anthropic.types.TextBlock) and whole.content[0].text == ROME
    usage = whole.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (300, 600, 100)
    with theirs.messages.stream(model="any", max_tokens=99, messages=QUESTION) as stream:
        assert "".join(stream.text_stream) == ROME
        assert stream.get_final_message().usage.output_tokens == 200
    counted = theirs.messages.count_tokens(model="any", messages=[{"role": "user", "content": "x" * 400}])
    assert counted.input_tokens == 100
    assert [model.id for model in theirs.models.list()] == ["scripted"]


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5"])
def test_dspys_engines_have_their_answers_whole_and_streamed(
    provider: Provider, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "true")  # else DSPy fetches its price list
    provider.script = knows({"capital of Italy": ROME})
    lm = dspy.LM(model, api_base=provider.base_url, api_key=KEY, cache=False, num_retries=0)
    predict = dspy.Predict("question -> answer")
    listener = dspy.streaming.StreamListener(signature_field_name="answer")
    streamed = dspy.streamify(predict, stream_listeners=[listener])

    async def pieces() -> list[str]:
        found = [one async for one in streamed(question="The capital of Italy?")]
        return [one.chunk for one in found if isinstance(one, dspy.streaming.StreamResponse)]

    with dspy.context(lm=lm):
        assert predict(question="The capital of Italy?").answer == ROME
        assert "".join(asyncio.run(pieces())) == ROME
    assert [asked.stream for asked in provider.requests] == [False, True]
    assert provider.requests[-1].key == KEY
    assert provider.counts().total() == 2 and len(provider.counts()) == 1  # streamed or not, it is the same question


def test_requests_are_counted_by_content_and_by_what_was_delivered(provider: Provider) -> None:
    provider.faults = schedule(None, "500", "half", "no usage")
    for text in ("one", "one", "two", "two"):
        try:
            ask(provider, text=text, user="somebody")
        except httpx.RemoteProtocolError:
            assert text == "two"
    one, two = provider.requests[0].content, provider.requests[2].content
    assert provider.counts() == {one: 2, two: 2}
    assert provider.counts(delivered=True) == {one: 1, two: 1}
    assert [asked.occurrence for asked in provider.requests] == [1, 2, 1, 2]
    assert [one.fault for one in provider.served] == [None, "500", "half", "no usage"]


STATUS = {
    **dict.fromkeys(("429", "429 retry-after", "429 headers"), 429),
    **dict.fromkeys(("key echoed", "401"), 401),
    **dict.fromkeys(("500", "key echoed in 500"), 500),
    **dict.fromkeys(("context exceeded", "prompt refused"), 400),
    "503": 503,
    "529": 529,
    "403": 403,
    "unknown model": 404,
}
BROKEN: dict[str, type[Exception]] = {
    "hang": httpx.ReadTimeout,
    "hang up": httpx.RemoteProtocolError,
    "reset": httpx.ReadError,
    "half": httpx.RemoteProtocolError,
    "cut": json.JSONDecodeError,
    "not json": json.JSONDecodeError,
}
ANSWERED = {"slow", "wrong shape", "no usage", "absurd usage", "negative usage", "content filter"}


def test_every_fault_is_tried_here() -> None:
    assert {*STATUS, *BROKEN, *ANSWERED, "no credit"} == set(FAULTS)


@pytest.mark.parametrize("wire", PATHS)
@pytest.mark.parametrize("fault", STATUS)
def test_a_refusal_has_its_status_and_the_form_of_its_wire(provider: Provider, wire: str, fault: str) -> None:
    provider.faults = always(fault)
    response = ask(provider, wire)
    assert response.status_code == STATUS[fault]
    assert response.json()["error"]["message"]
    assert (response.json().get("type") == "error") == (wire == "anthropic")
    assert (KEY in response.text) == ("key echoed" in fault)
    assert ("retry-after" in response.headers) == (fault == "429 retry-after")
    assert any("ratelimit" in name for name in response.headers) == (fault == "429 headers")


def test_no_credit_is_what_each_provider_says(provider: Provider) -> None:
    provider.faults = always("no credit")
    assert ask(provider).status_code == 429 and "insufficient_quota" in ask(provider).text
    assert ask(provider, "anthropic").status_code == 400 and "credit balance" in ask(provider, "anthropic").text


@pytest.mark.parametrize("wire", PATHS)
@pytest.mark.parametrize("fault", BROKEN)
def test_a_connection_breaks_as_it_is_told(provider: Provider, wire: str, fault: str) -> None:
    provider.faults = first_times(1, fault)
    with pytest.raises(BROKEN[fault]):
        ask(provider, wire).json()
    assert ask(provider, wire).status_code == 200
    assert [asked.occurrence for asked in provider.requests] == [1, 2]


@pytest.mark.parametrize("fault", ["half", "cut"])
def test_a_stream_stops_before_its_end(provider: Provider, fault: str) -> None:
    provider.faults = always(fault)
    events = b""
    body = {"model": "any", "messages": QUESTION, "stream": True}
    with httpx.stream("POST", provider.base_url + PATHS["openai"], json=body) as response:
        try:
            for piece in response.iter_raw():
                events += piece
        except httpx.RemoteProtocolError:
            assert fault == "half"
    assert b"Rome" in events and b"[DONE]" not in events and b"finish_reason" in events


@pytest.mark.parametrize("wire", PATHS)
def test_an_answer_reports_what_it_is_told_to(provider: Provider, wire: str) -> None:
    found = {}
    for fault in sorted(ANSWERED - {"slow"}):
        provider.faults = always(fault)
        found[fault] = ask(provider, wire).json()
    assert "usage" not in found["no usage"]
    name = {"openai": "prompt_tokens", "anthropic": "input_tokens"}[wire]
    assert found["absurd usage"]["usage"][name] == 10**12
    assert found["negative usage"]["usage"][name] == -100
    assert not {"choices", "content"} & set(found["wrong shape"])
    assert ("content_filter" if wire == "openai" else "refusal") in str(found["content filter"])


def test_slow_bytes_arrive_in_the_end(provider: Provider) -> None:
    provider.faults = always("slow")
    body = {"model": "any", "messages": QUESTION}
    assert httpx.post(provider.base_url + PATHS["openai"], json=body, timeout=5).status_code == 200
    assert provider.served[0].seconds > 0.8


def test_faults_at_rates_do_not_depend_on_the_order_of_arrival(provider: Provider) -> None:
    rates = {"429": 0.3, "500": 0.05, "cut": 0.02}
    provider.faults = at_rates(rates, seed=3)
    found = []
    for threads in (1, 8):
        provider.reset()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda number: ask(provider, text=f"question {number}"), range(100)))
        found.append({one.content: one.fault for one in provider.served})
    assert found[0] == found[1]
    assert 20 <= Counter(found[0].values())["429"] <= 40
    with pytest.raises(ValueError, match="418"):
        at_rates({"418": 0.1})


def test_latencies_are_drawn_by_seed(provider: Provider) -> None:
    asked = [Asked("openai", "chat", {}, {}, content=str(number)) for number in range(200)]
    drawn = [lognormal(0.1, 0.5, seed=1)(one) for one in asked]
    assert drawn == [lognormal(0.1, 0.5, seed=1)(one) for one in asked]
    assert 0.08 < sorted(drawn)[100] < 0.12
    provider.latency = 0.2
    ask(provider)
    assert provider.served[0].seconds >= 0.2


def test_beyond_its_limit_it_answers_429_and_tells_how_many_were_in_flight() -> None:
    with Provider(limit=4, latency=0.2) as provider, ThreadPoolExecutor(8) as pool:
        statuses = [one.status_code for one in pool.map(lambda n: ask(provider, text=str(n)), range(8))]
        assert Counter(statuses) == {200: 4, 429: 4}
        assert provider.most_at_once == 4
        assert 3 < provider.in_flight() <= 4
        assert provider.served[0].fault == "limit"


def test_rate_limits_are_told_in_the_form_of_the_wire(provider: Provider) -> None:
    provider.script = lambda asked: Answer(headers=rate_limit_headers(asked.wire, remaining=7, reset=90))
    assert ask(provider).headers["x-ratelimit-reset-requests"] == "1m30s"
    assert ask(provider, "anthropic").headers["anthropic-ratelimit-requests-remaining"] == "7"
    provider.faults = always(rate_limited(86_400))
    assert ask(provider).headers["retry-after"] == "86400"


def test_a_process_of_its_own_keeps_its_counts(tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"capital": ROME}))
    with RemoteProvider("--answers", answers, "--faults", '{"429": 1}', "--seed", "1") as provider:
        refused = httpx.post(provider.base_url + PATHS["openai"], json={"model": "any", "messages": QUESTION})
        assert refused.status_code == 429
        assert provider.counts().total() == 1
        provider.reset()
        assert provider.record()["requests"] == []
    with RemoteProvider("--answers", answers, "--latency", "0.01") as provider:
        answer = httpx.post(provider.base_url + PATHS["openai"], json={"model": "any", "messages": QUESTION}).json()
        assert answer["choices"][0]["message"]["content"] == fields(answer=ROME)
        assert provider.counts(delivered=True).total() == 1


def test_coheres_own_client_reads_its_wire_and_asks_as_ragc_does(provider: Provider) -> None:
    cohere = pytest.importorskip("cohere", reason="ragc asks Cohere without its SDK; install it to compare the wires")
    client = cohere.ClientV2(api_key=KEY, base_url=provider.url)
    embedded = client.embed(
        model="embed-v4.0", texts=["one", "two"], input_type="search_document", embedding_types=["float"],
        output_dimension=256, truncate="NONE",
    )  # fmt: skip
    assert [len(vector) for vector in embedded.embeddings.float_] == [256, 256]
    ranked = client.rerank(model="rerank-v3.5", query="one", documents=["two", "one"])
    assert [one.index for one in ranked.results] == [1, 0]
    Embeddings(_at(EmbedderSettings, "cohere/embed-v4.0", provider.cohere_url, dimensions=256)).send(
        {"model": "embed-v4.0", "texts": ["one", "two"], "input_type": "search_document", "output_dimension": 256}
    )
    ranking = Ranking(_at(RerankerSettings, "cohere/rerank-v3.5", provider.cohere_url))
    ranking.send(ranking.request("one", ["two", "one"]))
    _in_pairs(provider)


def test_voyages_own_client_reads_its_wire_and_asks_as_ragc_does(provider: Provider) -> None:
    voyageai = pytest.importorskip(
        "voyageai", reason="ragc asks Voyage without its SDK; install it to compare the wires"
    )
    client = voyageai.Client(api_key=KEY, base_url=provider.voyage_url)
    embedded = client.embed(["one"], model="voyage-code-3", input_type="query", truncation=False, output_dimension=256)
    assert [len(vector) for vector in embedded.embeddings] == [256]
    ranked = client.rerank("one", ["two", "one"], model="rerank-2.5", truncation=False)
    assert [one.index for one in ranked.results] == [1, 0]
    endpoint = Embeddings(_at(EmbedderSettings, "voyage/voyage-code-3", provider.voyage_url, dimensions=256))
    endpoint.send(endpoint.request(["one"], 256, "query"))
    ranking = Ranking(_at(RerankerSettings, "voyage/rerank-2.5", provider.voyage_url))
    ranking.send(ranking.request("one", ["two", "one"]))
    _in_pairs(provider)


def _at(table: Any, model: str, url: str, **values: Any) -> Any:
    return table.model_validate({"model": model, "base_url": url, **values})


def _in_pairs(provider: Provider) -> None:
    """What the client asked, then what ragc did: the same paths, and the same bodies but for what says nothing."""
    asked = [
        (one.wire, one.endpoint, {name: value for name, value in one.body.items() if value is not None})
        for one in provider.requests
    ]
    assert asked[:2] == asked[2:]
