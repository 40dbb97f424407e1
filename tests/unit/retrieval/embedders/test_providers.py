"""Cohere's and Voyage's embedders: what is sent, within which limits, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from provider import Answer, Asked, Provider, Tokens, always, first_times, vector
from ragc.errors import ConfigError, ExampleError, ModelError
from ragc.models import Embeddings, Gateway, Journal
from ragc.models.gateway._retry import Retry
from ragc.project import Budget, EmbedderSettings
from ragc.retrieval import Embedder, check_embedder, make_embedder
from ragc.retrieval.embedders._embedder import NotEmbedded

KEY = "sk-test-0123456789abcdefghij"
TEXTS = ["At most five days of leave.", "Bonfires are allowed in November.", "Ünïcode 東京 🙂", "x"]
COHERE, VOYAGE, CODE = "cohere/embed-v4.0", "voyage/voyage-3.5", "voyage/voyage-code-3"
ALL = (COHERE, VOYAGE, CODE)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("OUR_KEY", KEY)
    with Provider() as server:
        yield server


def settings(provider: Provider, model: str, **values: Any) -> EmbedderSettings:
    url = provider.cohere_url if model.startswith("cohere/") else provider.voyage_url
    return EmbedderSettings.model_validate({"model": model, "base_url": url, "api_key_env": "OUR_KEY", **values})


def made(provider: Provider, model: str, gateway: Gateway | None = None, **values: Any) -> Embedder:
    return make_embedder(settings(provider, model, **values), gateway)


def test_cohere_is_asked_by_input_type_and_cuts_nothing_short(provider: Provider) -> None:
    embedder = made(provider, COHERE, dimensions=256)
    embedder.embed_documents(["one", "two"])
    embedder.embed_query("which one?")
    common = {
        "model": "embed-v4.0", "embedding_types": ["float"], "truncate": "NONE", "output_dimension": 256,
    }  # fmt: skip
    assert [asked.body for asked in provider.requests] == [
        {**common, "texts": ["one", "two"], "input_type": "search_document"},
        {**common, "texts": ["which one?"], "input_type": "search_query"},
    ]
    assert all(asked.key == KEY for asked in provider.requests)


@pytest.mark.parametrize("model", [VOYAGE, CODE])
def test_voyage_is_asked_by_input_type_and_cuts_nothing_short(provider: Provider, model: str) -> None:
    embedder = made(provider, model)
    embedder.embed_documents(["one", "two"])
    embedder.embed_query("which one?")
    common = {"model": model.removeprefix("voyage/"), "encoding_format": "base64", "truncation": False}
    assert [asked.body for asked in provider.requests] == [
        {**common, "input": ["one", "two"], "input_type": "document"},
        {**common, "input": ["which one?"], "input_type": "query"},
    ]


@pytest.mark.parametrize("model", ALL)
def test_vectors_are_float32_of_unit_length_in_order(provider: Provider, model: str) -> None:
    embedder = made(provider, model, dimensions=256)
    vectors = embedder.embed_documents([*TEXTS, " "])
    assert vectors.shape == (5, 256)
    assert vectors.dtype == np.float32
    for text, found in zip(TEXTS, vectors, strict=False):
        np.testing.assert_allclose(found, vector(text, 256), atol=1e-6)
    assert not vectors[4].any()


@pytest.mark.parametrize(("model", "own"), [(COHERE, 1536), (VOYAGE, 1024), (CODE, 1024)])
def test_dimensions_are_known_without_a_request_and_checked(provider: Provider, model: str, own: int) -> None:
    assert made(provider, model).dimensions == own
    assert made(provider, model, dimensions=512).dimensions == 512
    with pytest.raises(ConfigError, match=f"embedder {model} has 256, 512, 1024 or .* dimensions, not 300"):
        made(provider, model, dimensions=300)
    with pytest.raises(ConfigError, match="has 1536 dimensions at most, not 3072"):
        make_embedder(EmbedderSettings(model="openai/text-embedding-3-small", dimensions=3072))
    assert not provider.requests


def test_the_fingerprint_tells_input_types_and_dimensions_apart(provider: Provider) -> None:
    def fingerprint(model: str, **values: Any) -> str:
        return made(provider, model, **values).fingerprint

    assert fingerprint(COHERE) == fingerprint(COHERE, dimensions=1536, rpm=5)
    assert len({fingerprint(model, dimensions=size) for model in ALL for size in (256, 512)}) == 6


def test_requests_keep_within_each_providers_limits(provider: Provider) -> None:
    texts = [f"text {number}" for number in range(1100)]
    cohere, voyage = made(provider, COHERE, dimensions=256), made(provider, VOYAGE, dimensions=256)
    assert (cohere.calls(texts), voyage.calls(texts)) == (12, 2)
    cohere.embed_documents(texts[:100])
    assert [len(asked.texts) for asked in provider.requests] == [96, 4]
    long = ["word " * 20_000] * 7
    assert made(provider, VOYAGE).calls(long) == 3  # 320,000 tokens a request
    assert made(provider, CODE).calls(long) == 7  # 120,000
    assert made(provider, "voyage/voyage-3.5-lite").calls(long) == 1  # 1,000,000


@pytest.mark.parametrize("model", ALL)
def test_a_text_that_is_too_long_is_named(provider: Provider, model: str) -> None:
    def fault(asked: Asked, answer: Answer) -> Answer:
        if max(map(len, asked.texts)) > 50:
            return Answer(status=400, message="too many tokens: it does not fit the context window of 32000 tokens")
        return answer

    provider.faults = always(fault)
    embedder = made(provider, model, dimensions=256)
    with pytest.raises(NotEmbedded, match=f"{model}: .*does not fit") as raised:
        embedder.embed_documents(["short"] * 5 + ["long " * 20] + ["short"] * 5)
    assert raised.value.number == 5
    with pytest.raises(ExampleError, match="does not fit"):
        embedder.embed_query("long " * 20)


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("number", [math.nan, 0.0])
def test_vectors_that_say_nothing_are_refused(provider: Provider, model: str, number: float) -> None:
    def fault(asked: Asked, answer: Answer) -> Answer:
        vectors = [[number] * 256 for _ in asked.texts]
        body: dict[str, Any] = {"embeddings": {"float": vectors}}
        if asked.wire == "voyage":
            body = {"data": [{"index": place, "embedding": one} for place, one in enumerate(vectors)]}
        return Answer(raw=json.dumps(body).encode())

    provider.faults = always(fault)
    with pytest.raises(ExampleError, match="NaN" if math.isnan(number) else "zeros"):
        made(provider, model, dimensions=256).embed_query("x")


@pytest.mark.parametrize("model", ALL)
def test_vectors_of_another_length_are_refused(provider: Provider, model: str) -> None:
    def fault(asked: Asked, answer: Answer) -> Answer:
        body = {**asked.body, "output_dimension": 512}
        return Answer(raw=json.dumps(_body(asked, body)).encode())

    provider.faults = always(fault)
    with pytest.raises(ModelError, match=f"{model}: the endpoint answers with vectors of 512 dimensions, not 256"):
        made(provider, model, dimensions=256).embed_query("x")


def _body(asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
    vectors = [vector(text, body["output_dimension"]) for text in asked.texts]
    if asked.wire == "cohere":
        return {"embeddings": {"float": vectors}}
    return {"data": [{"index": place, "embedding": one} for place, one in enumerate(vectors)]}


@pytest.mark.parametrize("model", ALL)
def test_too_few_vectors_are_no_answer(provider: Provider, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragc.models._remote.Retry", lambda: Retry(attempts=1))
    provider.faults = always(lambda asked, answer: Answer(raw=json.dumps(_short(asked)).encode()))
    with pytest.raises(ExampleError, match="the reply holds 1 vectors for 2 texts"):
        made(provider, model, dimensions=256).embed_documents(["one", "two"])


def _short(asked: Asked) -> dict[str, Any]:
    body = _body(asked, {**asked.body, "output_dimension": 256})
    for name in ("embeddings", "data"):
        if name in body:
            part = body[name]
            body[name] = {"float": part["float"][:1]} if isinstance(part, dict) else part[:1]
    return body


@pytest.mark.parametrize(("model", "price"), [(COHERE, 0.12), (VOYAGE, 0.06), (CODE, 0.18)])
def test_a_run_journals_prices_and_replays(provider: Provider, model: str, price: float) -> None:
    journal = Journal.in_memory()
    provider.faults = first_times(1, "500")
    gateway = Gateway(Budget(usd=1.0), journal=journal)
    embedder = made(provider, model, gateway, dimensions=256)
    first = embedder.embed_documents(["five days", "bonfires"])
    asked = len(provider.requests)
    assert asked == 2  # the first was refused
    provider.faults = None
    tokens = sum(len(text) // 4 + 1 for text in ("five days", "bonfires"))
    assert gateway.usage.input_tokens == tokens
    assert gateway.usage.usd == pytest.approx(tokens * price / 1e6)
    again = made(provider, model, Gateway(journal=journal), dimensions=256).embed_documents(["five days", "bonfires"])
    np.testing.assert_array_equal(first, again)
    made(provider, model, Gateway(journal=journal), dimensions=256).embed_query("five days")
    assert len(provider.requests) == asked + 1  # as a question it is another


def test_usage_that_is_missing_counts_as_the_most_that_it_can_be(provider: Provider) -> None:
    provider.faults = always(lambda asked, answer: Answer(usage=None))
    gateway = Gateway()
    made(provider, COHERE, gateway, dimensions=256).embed_query("five days")
    assert gateway.usage.input_tokens > 9
    provider.faults = always(lambda asked, answer: Answer(usage=Tokens(10**9, 0)))
    made(provider, VOYAGE, gateway, dimensions=256).embed_query("five days")
    assert gateway.usage.input_tokens < 1000
    assert len(gateway.notes) == 2


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COHERE_API_KEY", "CO_API_KEY", "VOYAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for model, named in ((COHERE, "COHERE_API_KEY or CO_API_KEY"), (CODE, "VOYAGE_API_KEY")):
        with pytest.raises(ModelError, match=f"{model}: no key: set {named} in the environment"):
            check_embedder(EmbedderSettings(model=model))


def test_a_key_that_is_refused_is_told_without_it(provider: Provider) -> None:
    for model in ALL:
        provider.faults = always(lambda asked, answer: Answer(status=401, message=f"invalid api token {KEY}"))
        with pytest.raises(ModelError, match="refuses the key in OUR_KEY") as raised:
            made(provider, model, dimensions=256).embed_query("x")
        assert KEY not in str(raised.value)


def test_the_providers_own_addresses_are_used_without_a_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    for model, url in ((COHERE, "https://api.cohere.com/v2"), (VOYAGE, "https://api.voyageai.com/v1")):
        assert Embeddings(EmbedderSettings(model=model)).wire.host.url == url
