"""What makes two calls the same call, and what makes them two."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ragc.models import Gateway
from ragc.models.gateway._key import Asked, ask, lm_call
from scripted import scripted_lm

REQUEST = {"model": "m", "messages": [{"role": "user", "text": "How many days?"}]}
ANSWERS = {"provider": "openai-chat", "endpoint": ""}


def in_a_call(work: Callable[[], Any], **kwargs: Any) -> Any:
    """What `work` comes to within one call of an LM."""
    with lm_call(kwargs.get("rollout_id")):
        return work()


def asked(generation: int = 0, **answers: str) -> Asked:
    return ask(REQUEST, {**ANSWERS, **answers}, generation)


def test_the_order_of_names_and_empty_values_change_nothing() -> None:
    turned = {name: REQUEST[name] for name in reversed(REQUEST)}
    assert ask(turned, {"provider": "openai-chat"}).key == asked().key
    assert len(asked().key) == 64


def test_everything_that_an_answer_depends_on_makes_another_key() -> None:
    others = [
        ask({**REQUEST, "config": {"temperature": 0.5}}, ANSWERS),
        asked(endpoint="http://127.0.0.1:8000/v1"),
        asked(provider="openai-responses"),
        asked(revision="0" * 64),
        asked(generation=1),
        in_a_call(asked, rollout_id=3),
        in_a_call(asked, rollout_id=4),
    ]
    assert len({one.key for one in [asked(), *others]}) == len(others) + 1


def test_the_candidates_of_one_call_are_told_apart_and_numbered_anew_in_the_next() -> None:
    def three() -> list[str]:
        return [asked().key for _ in range(3)]

    first = in_a_call(three)
    assert len(set(first)) == 3
    assert in_a_call(three) == first
    assert first[0] == asked().key


def test_what_is_not_set_is_left_out() -> None:
    assert (
        in_a_call(asked, rollout_id=None).request
        == asked().request
        == {"request": REQUEST, "provider": ANSWERS["provider"]}
    )
    assert in_a_call(asked, rollout_id=0).request["rollout_id"] == 0


def test_an_lm_made_for_a_rollout_hands_it_over_and_a_call_may_say_otherwise() -> None:
    seen: list[dict[str, Any]] = []
    gateway = Gateway()
    lm = scripted_lm(lambda prompt: "five", gateway)
    settle = gateway.journal.settle

    def noting(key: str, entry: Any) -> None:
        seen.append(dict(entry.request))
        settle(key, entry)

    gateway.journal.settle = noting  # type: ignore[method-assign]
    with gateway.watching():
        lm("hello")
        lm.copy(rollout_id=1, temperature=1.0)("hello")
        lm.copy(rollout_id=1, temperature=1.0)("hello", rollout_id=2)
        lm("hello", rollout_id=None)
    assert [one.get("rollout_id") for one in seen] == [None, 1, 2]


def test_calls_in_other_threads_do_not_mix() -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda number: in_a_call(asked, rollout_id=number % 2).key, range(64)))
    assert len(set(keys)) == 2


def test_when_an_lm_call_has_ended_the_one_around_it_goes_on() -> None:
    def nested() -> list[str]:
        first = asked().key
        with lm_call(7):
            inner = asked().key
        return [first, inner, asked().key]

    first, inner, second = in_a_call(nested)
    assert [first, second] == in_a_call(lambda: [asked().key, asked().key])
    assert inner == in_a_call(asked, rollout_id=7).key
