"""An embedder behind OpenAI's wire: what is sent, what comes of it, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.stores import corpus_of
from provider import Answer, Asked, Provider, Tokens, always, vector
from ragc.errors import ConfigError, DataError, ExampleError, ModelError
from ragc.models import Embeddings, Gateway
from ragc.project import ChunkSettings, EmbedderSettings
from ragc.retrieval import Embedder, Index, MadeWith, Outstanding, check_embedder, make_embedder, open_store
from ragc.retrieval.embedders._embedder import NotEmbedded
from ragc.retrieval.embedders._hosted import Hosted

KEY = "sk-test-0123456789abcdefghij"
TEXTS = ["At most five days of leave.", "Bonfires are allowed in November.", "Ünïcode 東京 🙂", "x"]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("OUR_KEY", KEY)
    with Provider() as server:
        yield server


def settings(provider: Provider, **values: Any) -> EmbedderSettings:
    table = {"model": "openai/scripted", "base_url": provider.base_url, "api_key_env": "OUR_KEY", **values}
    return EmbedderSettings.model_validate(table)


def made(provider: Provider, **values: Any) -> Embedder:
    return make_embedder(settings(provider, **values))


def index_at(root: Path, embedder: Embedder, **chunk: Any) -> Index:
    store = open_store("sqlite://index.db", root=root, collection="handbook")
    return Index(store, embedder, ChunkSettings.model_validate(chunk), name="handbook")


def test_vectors_are_float32_of_unit_length_in_order(provider: Provider) -> None:
    provider.faults = always(lambda asked, answer: Answer(raw=_scaled(asked, 7.0)))
    embedder = made(provider, dimensions=32)
    vectors = embedder.embed_documents(TEXTS)
    assert vectors.shape == (4, 32)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    for text, found in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(found, vector(text, 32), atol=1e-6)
        np.testing.assert_allclose(embedder.embed_query(text), found, atol=1e-6)


def _scaled(asked: Asked, by: float) -> bytes:
    data = [
        {"index": place, "embedding": [by * number for number in vector(text, 32)]}
        for place, text in reversed(list(enumerate(asked.texts)))
    ]
    return json.dumps({"data": data, "model": "scripted"}).encode()


@pytest.mark.parametrize("text", ["", " \n", "\ud800 half a pair"])
def test_text_with_nothing_in_it_is_asked_of_nobody_and_half_a_pair_is_sent_mended(
    provider: Provider, text: str
) -> None:
    embedder = made(provider, dimensions=32)
    found = embedder.embed_query(text)
    documents = embedder.embed_documents([text, "five days"])
    assert len(found) == documents.shape[1] == 32
    assert any(found) == any(documents[0]) == bool(text.strip())
    assert documents[1].any()
    assert all(text.strip() for asked in provider.requests for text in asked.texts)


def test_no_documents_ask_nothing(provider: Provider) -> None:
    assert made(provider, dimensions=32).embed_documents([]).shape == (0, 32)
    assert not provider.requests


def test_requests_keep_within_the_limits(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Embeddings, "most_texts", 3)
    monkeypatch.setattr(Embeddings, "most_tokens", 20)
    texts = ["a", "b", "c", "d", "", "ü" * 9, "e", "f" * 30, "g"]
    embedder = made(provider, dimensions=32)
    assert embedder.calls(texts) == 4
    vectors = embedder.embed_documents(texts)
    assert [asked.texts for asked in provider.requests] == [["a", "b", "c"], ["d", "ü" * 9, "e"], ["f" * 30], ["g"]]
    for text, found in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(found, vector(text, 32) if text else 0, atol=1e-6)


def refusing(most: int, code: str = "context_length_exceeded") -> Any:
    """An endpoint that takes no text of more than so many characters."""

    def fault(asked: Asked, answer: Answer) -> Answer:
        if max(map(len, asked.texts)) > most:
            return Answer(status=400, code=code, message="This model's maximum context length is 8192 tokens.")
        return answer

    return fault


def test_a_text_that_is_too_long_is_named_whatever_it_is_sent_with(provider: Provider) -> None:
    provider.faults = always(refusing(50))
    embedder = made(provider, dimensions=32)
    with pytest.raises(NotEmbedded, match="does not fit the model's context") as raised:
        embedder.embed_documents(["short"] * 11 + ["long " * 20] + ["short"] * 5)
    assert raised.value.number == 11
    with pytest.raises(ExampleError, match="does not fit the model's context"):
        embedder.embed_query("long " * 20)


def test_an_endpoint_may_have_smaller_limits(provider: Provider) -> None:
    def fault(asked: Asked, answer: Answer) -> Answer:
        return Answer(status=422, message="batch size 8 > maximum allowed 2") if len(asked.texts) > 2 else answer

    provider.faults = always(fault)
    texts = [f"text {number}" for number in range(8)]
    vectors = made(provider, dimensions=32).embed_documents(texts)
    for text, found in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(found, vector(text, 32), atol=1e-6)


def test_the_index_names_the_document_of_a_text_that_is_too_long(provider: Provider, tmp_path: Path) -> None:
    provider.faults = always(refusing(200))
    index = index_at(tmp_path, made(provider), size=5000)
    corpus = corpus_of({"a.md": "Short.", "long/b.md": "It is long. " * 40, "c.md": "Short as well."})
    with pytest.raises(DataError, match=r"^long/b\.md, characters 0 to \d+, cannot be embedded: openai/scripted: .*"):
        index.update(corpus)
    index.close()


def test_dimensions_are_asked_for_where_the_model_has_others(provider: Provider) -> None:
    for model, dimensions, sent in (
        ("openai/text-embedding-3-large", None, None),
        ("openai/text-embedding-3-large", 3072, None),
        ("openai/text-embedding-3-large", 256, 256),
        ("openai/ours", 64, 64),
    ):
        embedder = made(provider, model=model, dimensions=dimensions)
        assert embedder.dimensions == (dimensions or 3072)
        provider.reset()
        if sent is None:
            with pytest.raises(ModelError, match="64 dimensions, not 3072"):  # the provider is no such model
                embedder.embed_query("x")
        else:
            assert len(embedder.embed_query("x")) == sent
        assert provider.requests[0].body.get("dimensions") == sent


def test_the_fingerprint_is_model_and_dimensions_and_no_address(provider: Provider) -> None:
    one = made(provider, model="openai/text-embedding-3-small")
    same = make_embedder(EmbedderSettings(model="openai/text-embedding-3-small", dimensions=1536, rpm=3))
    assert one.fingerprint == same.fingerprint
    others = [
        made(provider, model="openai/text-embedding-3-small", dimensions=256),
        made(provider, model="openai/text-embedding-3-large"),
        made(provider),
        made(provider, dimensions=64),
    ]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 5
    assert not provider.requests


def test_a_model_that_nobody_knows_is_asked_for_its_dimensions_once(provider: Provider, tmp_path: Path) -> None:
    corpus = corpus_of({"a.md": "Five days.", "b.md": "Bonfires."})
    index = index_at(tmp_path, made(provider))
    assert index.missing
    index.update(corpus)
    assert index.made_with.dimensions == 64
    assert [asked.texts for asked in provider.requests] == [["dimensions"], ["a.md\nFive days.", "b.md\nBonfires."]]
    index.close()
    provider.reset()
    held = index.made_with
    again = index_at(tmp_path, Hosted(Embeddings(settings(provider)), held=lambda: held))
    again.check()
    assert again.update(corpus).embedded == 0
    assert again.search("five", alpha=0)[0].document == "a.md"
    assert not provider.requests
    assert again.search("five days")[0].document == "a.md"
    again.close()


def test_another_model_behind_the_same_name_is_refused(provider: Provider, tmp_path: Path) -> None:
    held = MadeWith("openai/scripted", made(provider).fingerprint, 128, "any")
    embedder = Hosted(Embeddings(settings(provider)), held=lambda: held)
    with pytest.raises(ModelError, match="vectors of 64 dimensions, not 128"):
        embedder.embed_query("five days")


def test_an_index_made_with_another_embedder_is_refused_without_a_call(provider: Provider, tmp_path: Path) -> None:
    index_at(tmp_path, made(provider)).update(corpus_of({"a.md": "Five days."}))
    provider.reset()
    for values, said in (
        ({"model": "openai/other"}, "the embedder openai/scripted, not openai/other"),
        ({"dimensions": 32}, "other weights or dimensions of openai/scripted"),
    ):
        with pytest.raises(Exception, match=said):
            index_at(tmp_path, made(provider, **values)).check()
    assert not provider.requests


def test_a_vector_of_nan_names_the_document_and_nothing_is_written(provider: Provider, tmp_path: Path) -> None:
    def fault(asked: Asked, answer: Answer) -> Answer:
        data = [
            {"index": place, "embedding": [math.nan if "bad" in text else 1.0] * 4}
            for place, text in enumerate(asked.texts)
        ]
        return Answer(raw=json.dumps({"data": data, "model": "scripted"}).encode())

    provider.faults = always(fault)
    index = index_at(tmp_path, made(provider))
    with pytest.raises(DataError, match=r"b\.md, .*holds NaN"):
        index.update(corpus_of({"a.md": "Good.", "b.md": "A bad one.", "c.md": "Good."}))
    assert index.missing
    index.close()


def test_in_a_run_calls_go_through_its_gateway(provider: Provider) -> None:
    gateway = Gateway()
    embedder = make_embedder(settings(provider, price={"input": 2.0}), gateway)
    provider.faults = always(lambda asked, answer: Answer(usage=Tokens(50, 0)))
    embedder.embed_query("one and the same question")
    embedder.embed_query("one and the same question")
    assert gateway.usage.calls == len(provider.requests) == 1
    assert gateway.usage.input_tokens == 50
    assert gateway.usage.usd == pytest.approx(50 * 2e-6)


def test_unknown_embedders_are_told_what_there_is(provider: Provider) -> None:
    for name in ("jina/embeddings-v4", "text-embedding-3-small", "openai/", "fastembed/", "local/other"):
        with pytest.raises(ConfigError, match=f"unknown embedder '{name}'; known: .*openai/text-embedding-3-small"):
            check_embedder(EmbedderSettings(model=name))
    check_embedder(settings(provider))
    with pytest.raises(ModelError, match="set OPENAI_API_KEY in the environment"):
        check_embedder(EmbedderSettings(model="openai/text-embedding-3-small"))
    assert not provider.requests


def test_tokens_are_estimated(provider: Provider) -> None:
    embedder = made(provider)
    assert [embedder.count_tokens(text) for text in ("", "abcd", "abcde", "東京")] == [0, 1, 2, 2]


def test_what_the_journal_has_is_not_outstanding(provider: Provider, tmp_path: Path) -> None:
    gateway = Gateway()
    embedder = make_embedder(settings(provider), gateway)
    texts = {f"{number}.md": f"Text number {number}." for number in range(5)}
    first = index_at(tmp_path / "first", embedder)
    assert first.outstanding(corpus_of(texts)).passages == 5
    assert first.update(corpus_of(texts)).embedded == 5
    lost = index_at(tmp_path / "lost", embedder)
    assert lost.outstanding(corpus_of(texts)) == Outstanding(0, 0, 0)
    more = lost.outstanding(corpus_of({"0 new.md": "Something else.", **texts}))
    assert (more.passages, more.calls) == (1, 1) and more.tokens > 0
