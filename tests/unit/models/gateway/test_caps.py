"""Caps hold whatever the number of threads and whatever the provider reports; what is set aside is kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
from dspy.utils.exceptions import LMError

from provider import Answer, Asked, Provider, Tokens
from ragc.errors import BudgetError, BudgetExhausted
from ragc.models import Gateway, make_lm
from ragc.models.gateway._amounts import Amounts
from ragc.project import Budget
from unit.models.conftest import MakeLM, settings

PRICE = {"input": 1.0, "output": 10.0, "cached_input": 0.5}
THREADS = 64
PROMPTS = 200

CAPS = {
    "calls": Budget(calls=30),
    "usd": Budget(usd=0.03),
    "input_tokens": Budget(input_tokens=20_000),
    "output_tokens": Budget(output_tokens=500),
    "all at once": Budget(calls=30, usd=0.03, input_tokens=20_000, output_tokens=500),
}
REPORTED = {
    "as it is": Tokens(600, 15),
    "missing": None,
    "absurd": Tokens(10**12, 10**12),
    "negative": Tokens(-600, -15),
}


def caps(budget: Budget) -> Amounts:
    """The caps as amounts; what has none is as good as endless."""
    usd = Fraction(10**6) if budget.usd is None else Fraction(str(budget.usd))
    return Amounts(budget.calls or 10**9, budget.input_tokens or 10**9, budget.output_tokens or 10**9, usd)


@pytest.mark.parametrize("reported", REPORTED)
@pytest.mark.parametrize("cap", CAPS)
def test_no_cap_is_passed_by_many_threads_whatever_is_reported(
    hosted: MakeLM, provider: Provider, cap: str, reported: str
) -> None:
    gateway, most = Gateway(CAPS[cap]), caps(CAPS[cap])
    passed: list[Amounts] = []

    def script(asked: Asked) -> Answer:
        taken = gateway.account.spent + gateway.account.reserved
        if not most.covers(taken):
            passed.append(taken)
        return Answer("five", usage=REPORTED[reported])

    provider.script, provider.latency = script, 0.005
    lm = hosted(gateway, price=PRICE, max_tokens=20, threads=THREADS)
    refused = threading.Semaphore(0)

    def ask(number: int) -> bool:
        try:
            lm(f"question {number}", max_tokens=20)
        except BudgetExhausted:
            refused.release()
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        answered = sum(pool.map(ask, range(PROMPTS)))
    assert passed == []
    spent, used = gateway.account.spent, gateway.usage
    assert most.covers(spent) and gateway.account.reserved == Amounts()
    assert answered == len(provider.requests) == spent.calls == used.calls
    assert 0 < answered < PROMPTS and gateway.exhausted
    assert (used.input_tokens, used.output_tokens) == (spent.input_tokens, spent.output_tokens)
    assert not most.covers(spent + gateway.dearest + Amounts(calls=1)), "no room for one more was left"
    if reported == "as it is":
        assert (spent.input_tokens, spent.output_tokens) == (600 * answered, 15 * answered)
        assert gateway.notes == []
    else:
        assert len(gateway.notes) == 1 and "it counts as the most" in gateway.notes[0]


@pytest.mark.parametrize(
    ("limits", "said"),
    [({"rpm": 2}, "rpm = 2 of its table"), ({"tpm": 20_000}, "tpm = 20,000 of its table")],
    ids=["rpm", "tpm"],
)
def test_limits_a_minute_of_a_models_table_hold_for_its_calls(
    hosted: MakeLM, provider: Provider, limits: dict[str, int], said: str
) -> None:
    provider.script = lambda asked: Answer("five", usage=Tokens(15, 8000))
    lm = hosted(Gateway(Budget(seconds=30)), max_tokens=8000, **limits)
    lm("first question")
    lm("second question")
    with pytest.raises(BudgetExhausted, match=said):
        lm("third question")
    assert len(provider.requests) == 2


def test_a_cap_in_calls_is_used_to_the_last_one(hosted: MakeLM, provider: Provider) -> None:
    provider.latency = 0.01
    gateway = Gateway(Budget(calls=10))
    lm = hosted(gateway)

    def ask(number: int) -> bool:
        try:
            lm(f"question {number}")
        except BudgetExhausted:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(ask, range(40)))
    assert sum(answered) == len(provider.requests) == gateway.usage.calls == 10
    assert gateway.exhausted


def test_what_the_journal_knows_is_free(hosted: MakeLM, provider: Provider) -> None:
    gateway = Gateway(Budget(calls=1))
    lm = hosted(gateway)
    for _ in range(5):
        lm("hello")
    with pytest.raises(BudgetExhausted, match="1 calls is used up"):
        lm("hello again")
    assert lm("hello") == ["a scripted answer"]
    assert len(provider.requests) == 1


def test_what_earlier_commands_of_the_run_spent_counts(hosted: MakeLM, provider: Provider) -> None:
    gateway = Gateway(Budget(calls=5), spent=Amounts(calls=4))
    lm = hosted(gateway)
    lm("hello")
    with pytest.raises(BudgetExhausted):
        lm("hello again")
    assert (len(provider.requests), gateway.usage.calls, gateway.account.spent.calls) == (1, 1, 5)


def test_seconds_that_earlier_commands_took_count(hosted: MakeLM, provider: Provider) -> None:
    with pytest.raises(BudgetExhausted, match="60 seconds is used up"):
        hosted(Gateway(Budget(seconds=60), seconds=60.5))("hello")
    assert provider.requests == []


def test_what_is_set_aside_is_kept_until_it_is_opened(hosted: MakeLM) -> None:
    gateway = Gateway(Budget(calls=3))
    gateway.set_aside(Amounts(calls=2))
    lm = hosted(gateway)
    lm("one")
    with pytest.raises(BudgetExhausted, match="set aside for the final test"):
        lm("two")
    before = gateway.exhausted
    gateway.open_reserve()
    assert (before, gateway.exhausted) == (True, False)
    lm("two")
    lm("three")
    with pytest.raises(BudgetExhausted):
        lm("four")


def test_one_worst_case_comes_on_top_of_what_is_set_aside(hosted: MakeLM, provider: Provider) -> None:
    provider.script = lambda asked: Answer(usage=Tokens(600, 15))
    gateway = Gateway(Budget(usd=0.02))
    lm = hosted(gateway, price=PRICE, max_tokens=20)
    lm("question 0", max_tokens=20)
    gateway.set_aside(Amounts(usd=Fraction(10 * 750, 10**6)))

    def search() -> None:
        for number in range(1, 100):
            lm(f"question {number}", max_tokens=20)

    with pytest.raises(BudgetExhausted, match="set aside"):
        search()
    assert gateway.usage.calls > 2
    gateway.open_reserve()
    for number in range(10):
        lm(f"test question {number}", max_tokens=20)
    assert gateway.account.spent.usd <= Fraction("0.02")


def test_a_call_that_no_longer_fits_is_refused_before_it_is_sent(hosted: MakeLM, provider: Provider) -> None:
    gateway = Gateway(Budget(output_tokens=100))
    lm = hosted(gateway, max_tokens=80)
    with pytest.raises(BudgetExhausted, match="does not cover the next call: 0 output tokens spent, up to 200"):
        lm("hello", max_tokens=200)
    lm("hello", max_tokens=80)
    assert len(provider.requests) == 1


def test_cap_in_usd_without_a_price_is_refused_with_the_line_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "x" * 20)
    ours = settings("openai/our-model", api_key_env="OUR_KEY", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(
        BudgetError, match=r'lm = \{ model = "openai/our-model", price = \{ input = …, output = … \} \}'
    ):
        make_lm(ours, gateway=Gateway(Budget(usd=1)))
    make_lm(ours, gateway=Gateway(Budget(calls=5)))
    make_lm(settings("local/smollm2-135m-instruct"), gateway=Gateway(Budget(usd=1)))


def test_a_cap_in_tokens_without_a_longest_response_is_refused_with_the_line_to_write(hosted: MakeLM) -> None:
    gateway = Gateway(Budget(output_tokens=1000))
    with pytest.raises(LMError, match="openai/our-model can be is not known: add max_tokens = 512") as caught:
        hosted(gateway)("hello")
    assert isinstance(caught.value, BudgetError) and isinstance(gateway.fatal, BudgetError)
