"""One request to an embedding endpoint, and what may come back."""

from __future__ import annotations

import base64
import json
import math
import os
import struct
import time
from typing import Any

import pytest

from provider import (
    FAULTS,
    Answer,
    Delivery,
    Fault,
    Provider,
    Tokens,
    always,
    first_times,
    rate_limited,
    schedule,
    vector,
)
from ragc.errors import BudgetError, ExampleError, ModelError
from ragc.models import Embedded, Embeddings, Gateway, find_price
from ragc.models.gateway._retry import Retry
from ragc.project import Budget, EmbedderSettings
from unit.models.conftest import KEY

QUICK = Retry(attempts=3, first=0.001, patience=1.5)


def endpoint(provider: Provider, gateway: Gateway | None = None, **values: Any) -> Embeddings:
    given = {"model": "openai/scripted", "base_url": provider.base_url, "api_key_env": "OUR_KEY", **values}
    return Embeddings(EmbedderSettings.model_validate(given), gateway=gateway, retry=QUICK)


def body(*data: Any, **values: Any) -> Fault:
    """A reply with these in its `data`."""
    raw = json.dumps({"object": "list", "model": "scripted", "data": data, **values}).encode()
    return lambda asked, answer: Answer(raw=raw)


def item(embedding: Any, index: int | None = 0) -> dict[str, Any]:
    return {"object": "embedding", "embedding": embedding} | ({} if index is None else {"index": index})


def test_vectors_come_in_the_order_of_the_texts(provider: Provider) -> None:
    ours = endpoint(provider)
    embedded = ours.embed(ours.request(["a b", "c"], 8))
    assert [list(one) for one in embedded.vectors] == [
        pytest.approx(vector(text, 8), abs=1e-6) for text in ("a b", "c")
    ]
    assert (embedded.dimensions, embedded.model, embedded.input_tokens) == (8, "scripted", 2)
    (asked,) = provider.requests
    assert dict(asked.body) == {
        "model": "scripted", "input": ["a b", "c"], "dimensions": 8, "encoding_format": "base64",
    }  # fmt: skip
    assert asked.key == KEY


def test_the_index_of_each_vector_counts_and_not_its_place(provider: Provider) -> None:
    provider.faults = always(body(item([0, 1], 1), item([1, 0], 0)))
    ours = endpoint(provider)
    assert [list(one) for one in ours.embed(ours.request(["a", "b"])).vectors] == [[1, 0], [0, 1]]


def test_vectors_may_be_lists_without_an_index(provider: Provider) -> None:
    provider.faults = always(body(item([3, 4], None), item([1, 0], None)))
    ours = endpoint(provider)
    assert [list(one) for one in ours.embed(ours.request(["a", "b"])).vectors] == [[3, 4], [1, 0]]


def test_what_the_journal_keeps_is_what_came(provider: Provider) -> None:
    ours = endpoint(provider)
    embedded = ours.embed(ours.request(["a b", "c"]))
    kept = json.loads(json.dumps(embedded.as_json()))
    assert len(kept["vectors"]) < 2 * 64 * 4 * 1.4
    assert Embedded.from_json(kept) == embedded


BAD = {
    "one too few": (body(item([1, 0])), "1 vectors for 2 texts"),
    "one too many": (body(item([1, 0], 0), item([1, 0], 1), item([1, 0], 2)), "3 vectors for 2 texts"),
    "one twice": (body(item([1, 0], 0), item([1, 0], 0)), "2 vectors for 2 texts"),
    "places that are none": (body(item([1, 0], 0), {"embedding": [1], "index": [7]}), "2 vectors for 2 texts"),
    "other lengths": (body(item([1, 0], 0), item([1], 1)), "different lengths"),
    "no numbers": (body(item(["x"], 0), item([1], 1)), "no list of numbers"),
    "nothing": (body(item([], 0), item([], 1)), "different lengths"),
    "half a number": (body(item(base64.b64encode(b"12345").decode(), 0), item([1], 1)), "no list of numbers"),
    "no data": (body(status="ok"), "0 vectors for 2 texts"),
    "a list": (lambda asked, answer: Answer(raw=b"[1, 2]"), "holds no answer"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_reply_that_holds_no_vectors_is_tried_again_and_then_one_line(provider: Provider, name: str) -> None:
    fault, said = BAD[name]
    provider.faults = always(fault)
    ours = endpoint(provider)
    with pytest.raises(ExampleError, match=said) as raised:
        ours.embed(ours.request(["a", "b"]))
    assert raised.value.transient
    assert "\n" not in str(raised.value)
    assert len(provider.requests) == 3


@pytest.mark.parametrize(
    ("numbers", "said"),
    [([math.nan, 1.0], "holds NaN"), ([math.inf, 1.0], "holds NaN"), ([0.0, 0.0], "of zeros")],
)
def test_a_vector_that_says_nothing_is_refused_and_not_asked_for_again(
    provider: Provider, numbers: list[float], said: str
) -> None:
    packed = base64.b64encode(struct.pack("<2f", *numbers)).decode()
    provider.faults = always(body(item(packed), usage={"prompt_tokens": 7}))
    ours = endpoint(provider)
    with pytest.raises(ExampleError, match=said) as raised:
        ours.embed(ours.request(["a"]))
    assert not raised.value.transient
    assert len(provider.requests) == 1


def test_another_number_of_dimensions_is_fatal_and_says_what_to_do(provider: Provider) -> None:
    ours = endpoint(provider)
    with pytest.raises(ModelError, match=r"64 dimensions, not 128: set dimensions .*, or base_url"):
        ours.embed(ours.request(["a"]), 128)


@pytest.mark.parametrize("fault", ["429", "500", "503", "529", "hang up", "reset", "half", "cut", "not json"])
def test_what_may_pass_is_tried_again(provider: Provider, fault: str) -> None:
    ours = endpoint(provider)
    ours.embed(ours.request(["before"]))  # an address that was never reached is taken for wrong
    provider.faults = first_times(1, fault)
    assert ours.embed(ours.request(["a"])).dimensions == 64
    assert len(provider.requests) == 3


def test_retry_after_is_waited_for(provider: Provider) -> None:
    provider.faults = schedule(rate_limited(0.2))
    ours = endpoint(provider)
    began = time.monotonic()
    ours.embed(ours.request(["a"]))
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "refuses the key in OUR_KEY"),
        ("key echoed", "set OUR_KEY to a valid one"),
        ("no credit", "no credit or quota left"),
        ("unknown model", "check the name and base_url"),
    ],
)
def test_a_refusal_for_good_is_one_line_after_one_request(provider: Provider, fault: str, said: str) -> None:
    provider.faults = always(fault)
    ours = endpoint(provider)
    with pytest.raises(ModelError, match=said) as raised:
        ours.embed(ours.request(["a"]))
    assert KEY not in str(raised.value)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_of_the_provider_is_vectors_or_one_line_without_the_key(provider: Provider, name: str) -> None:
    provider.faults = always(name)
    ours = Embeddings(endpoint(provider, timeout=0.3).settings, retry=Retry(attempts=2, first=0.001, patience=0.05))
    said = ""
    try:
        ours.embed(ours.request(["a"]))
    except (ModelError, ExampleError) as error:
        said = str(error)
    assert "\n" not in said and KEY not in said


def test_an_answer_that_trickles_is_given_up_as_a_whole(provider: Provider) -> None:
    provider.faults = always(lambda asked, answer: Answer(raw=b'{"data": []}' * 50, delivery=Delivery.SLOW, seconds=20))
    ours = Embeddings(endpoint(provider, timeout=1.5).settings, retry=Retry(attempts=1))
    began = time.monotonic()
    with pytest.raises(ExampleError, match=r"not whole after 1\.5 s: raise timeout in the embedder's table"):
        ours.embed(ours.request(["a"]))
    assert time.monotonic() - began < 5


def test_nobody_is_sent_elsewhere(provider: Provider) -> None:
    elsewhere = {"location": f"{provider.base_url}/elsewhere"}
    provider.faults = always(lambda asked, answer: Answer(status=307, raw=b"", headers=elsewhere))
    ours = endpoint(provider)
    with pytest.raises(ModelError, match="sends callers elsewhere"):
        ours.embed(ours.request(["a"]))
    assert len(provider.requests) == 1


def test_an_address_where_nobody_is_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", KEY)
    table = {"model": "openai/x", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "OUR_KEY"}
    ours = Embeddings(EmbedderSettings.model_validate(table), retry=QUICK)
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:9/v1 cannot be reached: check base_url"):
        ours.embed(ours.request(["a"]))


def test_a_missing_key_is_named_before_anything_is_sent(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUR_KEY")
    for ours, variable in (
        (endpoint(provider), "OUR_KEY"),
        (Embeddings(EmbedderSettings(model="openai/text-embedding-3-small")), "OPENAI_API_KEY"),
    ):
        for use in (ours.check_key, lambda ours=ours: ours.embed(ours.request(["a"]))):
            with pytest.raises(ModelError, match=f"no key: set {variable} in the environment"):
                use()  # type: ignore[no-untyped-call, unused-ignore]
    endpoint(provider, api_key_env=None).check_key()  # a server of one's own may ask for none
    assert not provider.requests


def test_a_forked_process_makes_connections_of_its_own(provider: Provider) -> None:
    ours = Embeddings(endpoint(provider, timeout=5.0).settings, retry=Retry(attempts=1))
    ours.embed(ours.request(["a"]))
    child = os.fork()
    if child == 0:
        try:
            ours.embed(ours.request(["b"]))
            os._exit(0)
        except BaseException:  # noqa: BLE001  the child tells by its status
            os._exit(1)
    ours.embed(ours.request(["c"]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_price_is_the_lists_or_the_tables() -> None:
    large = find_price(EmbedderSettings(model="openai/text-embedding-3-large"))
    assert large is not None and (large.input, large.output) == (0.13, 0.0)
    ours = EmbedderSettings.model_validate({"model": "openai/ours", "price": {"input": 0.5}})
    found = find_price(ours)
    assert found is not None and found.input == 0.5
    assert find_price(EmbedderSettings(model="openai/ours")) is None


def test_a_cap_in_usd_without_a_price_is_refused_with_the_line_to_write(provider: Provider) -> None:
    gateway = Gateway(Budget(usd=1))
    with pytest.raises(BudgetError, match=r'embedder = \{ model = "openai/scripted", price = \{ input = … \} \}'):
        endpoint(provider, gateway)
    endpoint(provider, gateway, price={"input": 0.1})
    endpoint(provider, Gateway(Budget(calls=1)))


def test_tokens_that_are_not_counted_are_not_reported(provider: Provider) -> None:
    ours = endpoint(provider)
    for usage, found in ((None, None), (Tokens(0, 0), None), (Tokens(12, 0), 12)):
        provider.faults = always(lambda asked, answer, usage=usage: Answer(usage=usage))  # type: ignore[misc]
        assert ours.embed(ours.request([f"a {usage}"])).input_tokens == found
