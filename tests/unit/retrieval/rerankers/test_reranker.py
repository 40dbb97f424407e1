"""Rerankers: what is sent, what comes of it, what it costs, and what is refused."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from contract.stores import corpus_of
from provider import Answer, Asked, Provider, always, first_times, relevance
from ragc.errors import BudgetError, BudgetExhausted, ConfigError, ExampleError, ModelError
from ragc.models import Gateway, Journal, Ranking
from ragc.models.gateway._retry import Retry
from ragc.project import Budget, ChunkSettings, EmbedderSettings, RerankerSettings
from ragc.retrieval import Index, Passage, Reranker, Rerankers, Retrieve, make_embedder, open_store

KEY = "sk-test-0123456789abcdefghij"
COHERE, VOYAGE = "cohere/rerank-v3.5", "voyage/rerank-2.5"
BOTH = pytest.mark.parametrize("model", [COHERE, VOYAGE])
TEXTS = ["Bonfires are allowed in November.", "At most five days of leave.", "Leave days carry over.", "東京 🙂"]
QUESTION = "how many leave days carry over"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("OUR_KEY", KEY)
    with Provider() as server:
        yield server


def settings(provider: Provider, model: str, **values: Any) -> RerankerSettings:
    url = provider.cohere_url if model.startswith("cohere/") else provider.voyage_url
    return RerankerSettings.model_validate({"model": model, "base_url": url, "api_key_env": "OUR_KEY", **values})


def made(provider: Provider, model: str, gateway: Gateway | None = None, **values: Any) -> Reranker:
    retry = Retry(attempts=2, first=0.01)
    return Reranker(Ranking(settings(provider, model, **values), gateway=gateway, retry=retry))


def passages(texts: list[str]) -> list[Passage]:
    return [
        Passage(id=str(number), document="d", title="", text=text, score=0.5, text_score=1.5, vector_score=0.25)
        for number, text in enumerate(texts)
    ]


def test_each_wire_is_asked_as_its_reference_says(provider: Provider) -> None:
    made(provider, COHERE).rerank(QUESTION, passages(TEXTS))
    made(provider, VOYAGE).rerank(QUESTION, passages(TEXTS))
    cohere, voyage = provider.requests
    assert cohere.body == {"model": "rerank-v3.5", "query": QUESTION, "documents": TEXTS}
    assert voyage.body == {"model": "rerank-2.5", "query": QUESTION, "documents": TEXTS, "truncation": False}
    assert cohere.key == voyage.key == KEY


@BOTH
def test_passages_come_best_first_with_the_rerankers_score_and_their_parts(provider: Provider, model: str) -> None:
    found = made(provider, model).rerank(QUESTION, passages([*TEXTS, " "]))
    scores = {text: relevance(QUESTION, text) for text in TEXTS}
    assert [one.text for one in found] == [*sorted(TEXTS, key=lambda text: -scores[text]), " "]
    assert [one.score for one in found[:4]] == [scores[one.text] for one in found[:4]]
    assert all(one.rerank_score == one.score for one in found)
    assert all((one.text_score, one.vector_score) == (1.5, 0.25) for one in found)
    assert found[4].score == 0


def test_title_and_headings_are_read_as_well_and_half_a_pair_is_mended(provider: Provider) -> None:
    one = Passage(id="1", document="d", title="Leave", text="At most \ud800 five.", heading=("Carrying over",))
    made(provider, COHERE).rerank("how \ud800 many", [one])
    assert provider.requests[0].documents == ["Leave\nCarrying over\nAt most ? five."]
    assert provider.requests[0].body["query"] == "how ? many"


@BOTH
def test_equal_scores_keep_their_order(provider: Provider, model: str) -> None:
    found = made(provider, model).rerank("x", passages(["same"] * 12))
    assert [one.id for one in found] == [str(number) for number in range(12)]


def test_nothing_found_asks_nothing(provider: Provider) -> None:
    assert made(provider, COHERE).rerank(QUESTION, []) == []
    assert [one.id for one in made(provider, COHERE).rerank(QUESTION, passages([" ", ""]))] == ["0", "1"]
    assert not provider.requests


def reply(results: list[dict[str, Any]]) -> Callable[[Asked, Answer], Answer]:
    def fault(asked: Asked, answer: Answer) -> Answer:
        name = "results" if asked.wire == "cohere" else "data"
        return Answer(raw=json.dumps({name: results, "model": "any"}).encode())

    return fault


BAD: list[tuple[list[dict[str, Any]], str]] = [
    ([{"index": 0, "relevance_score": 0.5}], "the reply ranks 1 of 2 documents"),
    ([{"index": 0, "relevance_score": 0.5}] * 2, "the reply ranks 1 of 2 documents"),
    ([{"index": 0, "relevance_score": 0.5}, {"index": 2, "relevance_score": 0.5}], "ranks document 2, of 0 to 1"),
    ([{"index": 0, "relevance_score": 0.5}, {"index": -1, "relevance_score": 0.5}], "ranks document -1, of 0 to 1"),
    ([{"index": 0, "relevance_score": 0.5}, {"relevance_score": 0.5}], "ranks document None"),
    ([{"index": 0, "relevance_score": math.nan}, {"index": 1, "relevance_score": 1}], "a score that is no number"),
    ([{"index": 0, "relevance_score": "high"}, {"index": 1, "relevance_score": 1}], "a score that is no number"),
]


@BOTH
@pytest.mark.parametrize(("results", "said"), BAD)
def test_a_reply_that_ranks_otherwise_is_none(
    provider: Provider, model: str, results: list[dict[str, Any]], said: str
) -> None:
    provider.faults = always(reply(results))
    with pytest.raises(ExampleError, match=said) as raised:
        made(provider, model).rerank(QUESTION, passages(["one", "two"]))
    assert "\n" not in str(raised.value)
    assert raised.value.transient
    assert len(provider.requests) == 2  # it was tried again


@BOTH
def test_what_may_pass_is_tried_again(provider: Provider, model: str) -> None:
    for fault in ("500", "429", "reset", "not json"):
        provider.reset()
        provider.faults = first_times(1, fault)
        assert len(made(provider, model).rerank(QUESTION, passages(TEXTS))) == 4
        assert len(provider.requests) == 2


@BOTH
def test_what_will_not_pass_is_one_line(provider: Provider, model: str) -> None:
    reranker = made(provider, model)
    with pytest.raises(ExampleError, match=f"{model}: the question is empty"):
        reranker.rerank(" \n", passages(TEXTS))
    with pytest.raises(ConfigError, match=f"fetch_k and k: {model} takes 1,000 passages at most, not 1,001"):
        reranker.rerank(QUESTION, passages(["x"] * 1001))
    assert not provider.requests
    provider.faults = always(lambda asked, answer: Answer(status=400, message="too many tokens in the query"))
    with pytest.raises(ExampleError, match="too many tokens"):
        reranker.rerank("long " * 10_000, passages(TEXTS))
    provider.faults = always(lambda asked, answer: Answer(status=401, message=f"invalid api token {KEY}"))
    with pytest.raises(ModelError, match="refuses the key in OUR_KEY") as raised:
        reranker.rerank(QUESTION, passages(TEXTS))
    assert KEY not in str(raised.value)


def test_a_reply_that_trickles_is_given_up(provider: Provider) -> None:
    provider.faults = always("hang")
    with pytest.raises(ExampleError, match="raise timeout in the reranker's table"):
        made(provider, COHERE, timeout=0.3).rerank(QUESTION, passages(TEXTS))


def test_a_name_that_is_none_a_key_that_is_missing_and_an_address_where_nobody_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("COHERE_API_KEY", "CO_API_KEY", "VOYAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("jina/reranker", "cohere/", "rerank-v3.5", ""):
        with pytest.raises(ConfigError, match=f"unknown reranker '{name}'; known: cohere/rerank-v3.5, voyage/"):
            Rerankers().get(name)
    with pytest.raises(ModelError, match="set COHERE_API_KEY or CO_API_KEY in the environment"):
        Rerankers().get(COHERE).check()
    with pytest.raises(ModelError, match=f"{VOYAGE}: no key: set VOYAGE_API_KEY in the environment"):
        Rerankers().get(VOYAGE).check()
    nobody = RerankerSettings(model=COHERE, base_url="http://127.0.0.1:9/v2")
    with pytest.raises(ModelError, match="cannot be reached: check base_url"):
        Reranker(Ranking(nobody, retry=Retry(attempts=1))).rerank(QUESTION, passages(TEXTS))


# -- in a run


def test_a_run_counts_prices_and_replays_a_ranking(provider: Provider) -> None:
    journal = Journal.in_memory()
    for model, usd, tokens in ((COHERE, 0.002, 0), (VOYAGE, None, None)):
        provider.reset()
        gateway = Gateway(Budget(usd=1.0), journal=journal)
        with gateway.recording() as calls:
            first = made(provider, model, gateway).rerank(QUESTION, passages(TEXTS))
            assert made(provider, model, gateway).rerank(QUESTION, passages(TEXTS)) == first
        assert [(call.kind, call.model, call.hit) for call in calls] == [
            ("rerank", model, False), ("rerank", model, True),
        ]  # fmt: skip
        assert gateway.usage.calls == len(provider.requests) == 1
        tokens = provider.requests[0].tokens if tokens is None else tokens
        assert gateway.usage.input_tokens == tokens
        assert gateway.usage.usd == pytest.approx(tokens * 5e-8 if usd is None else usd)
        assert made(provider, model, Gateway(journal=journal)).rerank(QUESTION, passages(TEXTS)) == first
        assert len(provider.requests) == 1


def test_the_worst_case_is_reserved_and_what_is_reported_is_settled(provider: Provider) -> None:
    many = passages(["word " * 100] * 60)
    gateway = Gateway(Budget(usd=0.003))
    with pytest.raises(BudgetExhausted):  # 60 long documents may be two searches
        made(provider, COHERE, gateway).rerank(QUESTION, many)
    assert not provider.requests
    gateway = Gateway(Budget(usd=0.004))
    made(provider, COHERE, gateway).rerank(QUESTION, many)
    assert gateway.usage.usd == pytest.approx(0.002)
    with pytest.raises(BudgetExhausted):
        made(provider, COHERE, gateway).rerank("another", many)


@BOTH
def test_usage_that_is_missing_or_absurd_counts_as_the_most(provider: Provider, model: str) -> None:
    provider.faults = always(lambda asked, answer: Answer(usage=None))
    gateway = Gateway()
    endpoint = made(provider, model, gateway)
    endpoint.rerank(QUESTION, passages(TEXTS))
    assert gateway.usage.usd is not None and gateway.usage.usd > 0
    assert len(gateway.notes) == 1
    provider.faults = always(_absurd)
    endpoint.rerank("another", passages(TEXTS))
    assert gateway.usage.usd < 0.01
    assert len(gateway.notes) == 2


def _absurd(asked: Asked, answer: Answer) -> Answer:
    results = [{"index": index, "relevance_score": 0.5} for index in range(len(asked.documents))]
    body = {"results": results, "meta": {"billed_units": {"search_units": 10**6}}}
    if asked.wire == "voyage":
        body = {"data": results, "usage": {"total_tokens": 10**9}}
    return Answer(raw=json.dumps(body).encode())


def test_prices_come_from_the_table_or_the_list_or_are_asked_for(provider: Provider) -> None:
    ours = made(provider, "cohere/ours", Gateway(Budget(usd=1)), price={"search": 4.0})
    ours.rerank(QUESTION, passages(TEXTS))
    for model, line in (("cohere/ours", "price = { search = … }"), ("voyage/ours", "price = { input = … }")):
        with pytest.raises(BudgetError, match=model) as raised:
            made(provider, model, Gateway(Budget(usd=1)))
        assert line in str(raised.value)
    for model, price in ((COHERE, {"input": 1.0}), (VOYAGE, {"search": 1.0})):
        with pytest.raises(ConfigError, match="its provider bills in another unit"):
            made(provider, model, price=price)


def test_estimates_know_what_a_ranking_takes(provider: Provider) -> None:
    rerankers = Rerankers()
    cohere = rerankers.takes(COHERE, query=32, passages=[125] * 50)
    assert (cohere.calls, cohere.input_tokens, cohere.usd) == (1, 0, Fraction("0.002"))
    assert rerankers.takes(COHERE, query=32, passages=[125] * 150).usd == Fraction("0.004")
    voyage = rerankers.takes(VOYAGE, query=32, passages=[125] * 50)
    assert (voyage.calls, voyage.input_tokens) == (1, 32 * 50 + 125 * 50)
    assert voyage.usd == voyage.input_tokens * Fraction("5e-8")


# -- in retrieval


@pytest.fixture
def index(provider: Provider, tmp_path: Path) -> Iterator[Index]:
    store = open_store("sqlite://index.db", root=tmp_path, collection="handbook")
    embedder = make_embedder(EmbedderSettings(model="local/wordllama-256"))
    rerankers = Rerankers([settings(provider, COHERE), settings(provider, VOYAGE)])
    made = Index(store, embedder, ChunkSettings(), name="handbook", rerankers=rerankers)
    made.update(corpus_of({f"{number}.md": f"{text} Number {number}." for number, text in enumerate(TEXTS * 20)}))
    yield made
    made.close()


@BOTH
def test_fetch_k_are_reranked_and_k_remain(provider: Provider, index: Index, model: str) -> None:
    found = index.search(QUESTION, k=3, reranker=model)
    assert (len(found), len(provider.requests[0].documents)) == (3, 50)
    best = sorted((relevance(QUESTION, text) for text in provider.requests[0].documents), reverse=True)
    assert [one.score for one in found] == best[:3]
    index.search(QUESTION, k=3, fetch_k=7, reranker=model)
    index.search(QUESTION, k=60, fetch_k=7, reranker=model)
    assert [len(asked.documents) for asked in provider.requests[1:]] == [7, 60]
    provider.reset()
    assert index.search(QUESTION, k=3, reranker="none")[0].rerank_score is None
    assert not provider.requests


def test_a_retrieve_reranks_awaited_too_before_it_fits_the_budget(provider: Provider, index: Index) -> None:
    retrieve = Retrieve(k=4, reranker=COHERE, max_tokens=60)
    retrieve.bind(index)
    found = retrieve(QUESTION)
    awaited = asyncio.run(retrieve.acall(QUESTION))
    assert found.passages == awaited.passages
    assert [one.rerank_score for one in found] == sorted((one.rerank_score or 0 for one in found), reverse=True)
    assert found.dropped
    assert len(provider.requests) == 2


def test_awaited_rankings_run_at_once(provider: Provider, index: Index) -> None:
    provider.latency = 0.2
    retrieve = Retrieve(k=2, reranker=VOYAGE)
    retrieve.bind(index)

    async def all_of_them() -> None:
        await asyncio.gather(*(retrieve.acall(f"{QUESTION} {number}") for number in range(4)))

    asyncio.run(all_of_them())
    assert provider.most_at_once > 1
