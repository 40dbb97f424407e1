"""Concurrent evaluation: order, errors, costs, and what ends a run."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

import dspy
import pytest

from ragc.data import Example
from ragc.errors import BudgetExhausted, ConfigError, ExampleError, ModelError
from ragc.evaluation import Evaluator, Outcome, TooManyErrors
from ragc.models import Meter
from ragc.project import Budget

MakeEvaluator = Callable[..., Evaluator]


def program() -> dspy.Module:
    return dspy.Predict("question -> answer")


def number_in(prompt: str) -> int:
    return int(re.findall(r"number (\d+)", prompt)[-1])


def echo(prompt: str) -> str:
    return str(number_in(prompt))


def test_outcomes_stand_in_example_order_whatever_finishes_first(
    make_evaluator: MakeEvaluator, examples: list[Example]
) -> None:
    def slow_first(prompt: str) -> str:
        time.sleep(0.05 if number_in(prompt) % 7 == 0 else 0)
        return echo(prompt)

    seen: list[str] = []
    found = make_evaluator(slow_first, threads=8).evaluate(
        program(), examples, on_outcome=lambda outcome: seen.append(outcome.example)
    )
    assert [outcome.example for outcome in found.outcomes] == [example.id for example in examples] == seen
    assert (found.score, found.n, found.errors) == (1, 30, 0)


def test_costs_are_those_of_the_example_itself(make_evaluator: MakeEvaluator, examples: list[Example]) -> None:
    found = make_evaluator(echo, threads=8).evaluate(program(), examples)
    assert {(o.calls, o.input_tokens, o.output_tokens, o.usd, o.seconds) for o in found.outcomes} == {
        (1, 10, 2, 0.001, 0.5)
    }
    assert found.usd_per_question == pytest.approx(0.001)
    assert found.latency_p95 == 0.5


def test_an_error_is_counted_and_never_scored(make_evaluator: MakeEvaluator, examples: list[Example]) -> None:
    def breaks(prompt: str) -> str:
        if number_in(prompt) < 3:
            raise ExampleError("the prompt does not fit the context")
        return echo(prompt)

    found = make_evaluator(breaks, threads=4).evaluate(program(), examples)
    assert (found.n, found.errors, found.score) == (27, 3, 1)
    assert found.outcomes[0].score is None
    assert found.outcomes[0].error is not None and "does not fit the context" in found.outcomes[0].error


def test_a_refusal_for_good_ends_the_run_after_few_calls(
    make_evaluator: MakeEvaluator, examples: list[Example]
) -> None:
    calls = []

    def refused(prompt: str) -> str:
        calls.append(prompt)
        raise ModelError("scripted/model: the key in OUR_KEY is refused")

    with pytest.raises(ModelError, match="OUR_KEY"):
        make_evaluator(refused, threads=2).evaluate(program(), examples)
    assert len(calls) <= 4


def test_too_many_errors_stop_the_evaluation(make_evaluator: MakeEvaluator, examples: list[Example]) -> None:
    def broken(prompt: str) -> str:
        raise ExampleError("no answer")

    with pytest.raises(TooManyErrors, match="20 of 20 examples ended in an error") as caught:
        make_evaluator(broken, threads=1, max_error_rate=0.2).evaluate(program(), examples)
    assert len(caught.value.outcomes) == 20


def test_the_budget_ends_the_evaluation(make_evaluator: MakeEvaluator, examples: list[Example]) -> None:
    meter = Meter(Budget(calls=10))
    with pytest.raises(BudgetExhausted):
        make_evaluator(echo, meter=meter, threads=4).evaluate(program(), examples)
    assert meter.usage.calls <= 10


def test_known_outcomes_are_taken_over_and_not_asked_again(
    make_evaluator: MakeEvaluator, examples: list[Example]
) -> None:
    asked = []

    def counting(prompt: str) -> str:
        asked.append(number_in(prompt))
        return echo(prompt)

    known = {"e0": Outcome("e0", 0.25), "e7": Outcome("e7", 0.5)}
    found = make_evaluator(counting, threads=3).evaluate(program(), examples, known=known)
    assert found.scores["e0"] == 0.25 and found.scores["e7"] == 0.5
    assert sorted(asked) == [n for n in range(30) if n not in (0, 7)]


def test_a_program_without_an_answer_is_named(make_evaluator: MakeEvaluator, examples: list[Example]) -> None:
    class Wordless(dspy.Module):  # type: ignore[misc]  # dspy ships no types
        def forward(self, question: str) -> dspy.Prediction:
            return dspy.Prediction(reply="five")

    with pytest.raises(ConfigError, match="program Wordless returned Prediction without a text"):
        make_evaluator(echo).evaluate(Wordless(), examples)


def test_a_trace_holds_what_predictors_were_given_and_said(
    make_evaluator: MakeEvaluator, examples: list[Example]
) -> None:
    found = list(make_evaluator(echo, threads=4).trace(program(), examples[:3]))
    assert [traced.outcome.example for traced in found] == ["e0", "e1", "e2"]
    _, inputs, outputs = found[1].trace[0]
    assert inputs == {"question": "What is number 1?"}
    assert outputs.answer == "1"


def test_closing_a_trace_cancels_what_has_not_started(make_evaluator: MakeEvaluator, examples: list[Example]) -> None:
    started = threading.Semaphore(0)

    def slow(prompt: str) -> str:
        started.release()
        time.sleep(0.02)
        return echo(prompt)

    runs = make_evaluator(slow, threads=2).trace(program(), examples)
    next(runs)
    runs.close()
    count = 0
    while started.acquire(blocking=False):
        count += 1
    assert count < 10


def test_dspy_is_not_configured_by_an_evaluation(make_evaluator: MakeEvaluator, examples: list[Example]) -> None:
    before = dspy.settings.lm
    make_evaluator(echo, threads=2).evaluate(program(), examples[:2])
    assert dspy.settings.lm is before
