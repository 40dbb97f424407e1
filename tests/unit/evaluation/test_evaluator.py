"""Concurrent evaluation: order, errors, costs, and what ends a run."""

from __future__ import annotations

import threading
import time

import dspy
import pytest

from ragc.data import Example
from ragc.errors import BudgetExhausted, ConfigError, ExampleError, ModelError
from ragc.evaluation import Evaluation, Outcome, TooManyErrors
from ragc.models import Amounts, Call, Gateway
from ragc.models._errors import AnswerWithheld, CallFailed, PromptTooLong
from ragc.project import Budget
from scripted import make_evaluator, number_in


def program() -> dspy.Module:
    return dspy.Predict("question -> answer")


def echo(prompt: str) -> str:
    return str(number_in(prompt))


def test_outcomes_stand_in_example_order_whatever_finishes_first(examples: list[Example]) -> None:
    def slow_first(prompt: str) -> str:
        time.sleep(0.05 if number_in(prompt) % 7 == 0 else 0)
        return echo(prompt)

    seen: list[tuple[str, int, int]] = []
    found = make_evaluator(slow_first, threads=8).evaluate(
        program(), examples, on_outcome=lambda outcome, done, total: seen.append((outcome.example, done, total))
    )
    assert seen == [(f"e{n}", n + 1, 30) for n in range(30)]
    assert [outcome.example for outcome in found.outcomes] == [example.id for example in examples]
    assert (found.score, found.n, found.errors) == (1, 30, 0)


def test_costs_are_those_of_the_example_itself(examples: list[Example]) -> None:
    found = make_evaluator(echo, threads=8).evaluate(program(), examples)
    assert {(o.calls, o.input_tokens, o.output_tokens, o.usd) for o in found.outcomes} == {(1, 10, 2, 0.001)}
    assert found.usd_per_question == pytest.approx(0.001)
    assert 0 < min(o.seconds for o in found.outcomes) <= (found.latency_p95 or 0)


def test_a_questions_vector_costs_and_is_no_latency_of_the_language_model(examples: list[Example]) -> None:
    evaluator = make_evaluator(echo, threads=8)

    class Retrieving(dspy.Module):  # type: ignore[misc]  # dspy ships no types
        def __init__(self) -> None:
            super().__init__()
            self.respond = program()

        def forward(self, question: str) -> dspy.Prediction:
            for calls in evaluator.gateway._record._open:
                calls.append(Call("embedder", 7, 0, 0, 0.5, 60.0, kind="embedding"))
            return self.respond(question=question)

    found = evaluator.evaluate(Retrieving(), examples)
    assert {(o.calls, o.embeddings, o.input_tokens, o.usd) for o in found.outcomes} == {(2, 1, 17, 0.501)}
    assert max(o.seconds for o in found.outcomes) < 30


def test_an_error_is_counted_and_never_scored(examples: list[Example]) -> None:
    def breaks(prompt: str) -> str:
        if number_in(prompt) < 3:
            raise ExampleError("the prompt does not fit the context")
        return echo(prompt)

    found = make_evaluator(breaks, threads=4).evaluate(program(), examples)
    assert (found.n, found.errors, found.score) == (27, 3, 1)
    assert found.outcomes[0].score is None
    assert found.outcomes[0].error is not None and "does not fit the context" in found.outcomes[0].error


def test_a_refusal_for_good_ends_the_run_after_few_calls(examples: list[Example]) -> None:
    calls = []

    def refused(prompt: str) -> str:
        calls.append(prompt)
        raise ModelError("scripted/model: the key in OUR_KEY is refused")

    with pytest.raises(ModelError, match="OUR_KEY"):
        make_evaluator(refused, threads=2).evaluate(program(), examples)
    assert len(calls) <= 4


def test_too_many_errors_stop_the_evaluation(examples: list[Example]) -> None:
    def broken(prompt: str) -> str:
        raise ExampleError("no answer")

    with pytest.raises(TooManyErrors, match="20 of 20 examples ended in an error") as caught:
        make_evaluator(broken, threads=1, max_error_rate=0.2).evaluate(program(), examples)
    assert len(caught.value.outcomes) == 20


def test_the_budget_ends_the_evaluation(examples: list[Example]) -> None:
    gateway = Gateway(Budget(calls=10))
    with pytest.raises(BudgetExhausted):
        make_evaluator(echo, gateway=gateway, threads=4).evaluate(program(), examples)
    assert gateway.usage.calls <= 10


def test_known_outcomes_are_taken_over_and_not_asked_again(examples: list[Example]) -> None:
    asked = []

    def counting(prompt: str) -> str:
        asked.append(number_in(prompt))
        return echo(prompt)

    known = {"e0": Outcome("e0", 0.25), "e7": Outcome("e7", 0.5)}
    found = make_evaluator(counting, threads=3).evaluate(program(), examples, known=known)
    assert found.scores["e0"] == 0.25 and found.scores["e7"] == 0.5
    assert sorted(asked) == [n for n in range(30) if n not in (0, 7)]


def test_a_program_without_an_answer_is_named(examples: list[Example]) -> None:
    class Wordless(dspy.Module):  # type: ignore[misc]  # dspy ships no types
        def forward(self, question: str) -> dspy.Prediction:
            return dspy.Prediction(reply="five")

    with pytest.raises(ConfigError, match="program Wordless returned Prediction without a text"):
        make_evaluator(echo).evaluate(Wordless(), examples)


def test_a_trace_holds_what_predictors_were_given_and_said(examples: list[Example]) -> None:
    found = list(make_evaluator(echo, threads=4).trace(program(), examples[:3]))
    assert [traced.outcome.example for traced in found] == ["e0", "e1", "e2"]
    _, inputs, outputs = found[1].trace[0]
    assert inputs == {"question": "What is number 1?"}
    assert outputs.answer == "1"


def test_closing_a_trace_cancels_what_has_not_started(examples: list[Example]) -> None:
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


def test_dspy_is_not_configured_by_an_evaluation(examples: list[Example]) -> None:
    before = dspy.settings.lm
    make_evaluator(echo, threads=2).evaluate(program(), examples[:2])
    assert dspy.settings.lm is before


def test_what_is_begun_next_runs_beside_the_last_of_what_was_begun_before(examples: list[Example]) -> None:
    last_may_end = threading.Event()

    def waits_for_the_next(prompt: str) -> str:
        if number_in(prompt) == 9:
            assert last_may_end.wait(10)  # set by the second evaluation
        if number_in(prompt) == 25:
            last_may_end.set()
        return echo(prompt)

    evaluator = make_evaluator(waits_for_the_next, threads=2)
    first, second = evaluator.begin(program(), examples[:10]), evaluator.begin(program(), examples[20:])
    assert (first.result().n, second.result().n) == (10, 10)


def test_who_waits_is_told_when_threads_run_out_of_work(examples: list[Example]) -> None:
    all_have_begun = threading.Event()

    def waits(prompt: str) -> str:
        if number_in(prompt) == 9:
            assert all_have_begun.wait(10)
        return echo(prompt)

    evaluator = make_evaluator(waits, threads=4)
    begun = [evaluator.begin(program(), examples[:10])]

    def begin_another() -> bool:
        if len(begun) == 3:
            all_have_begun.set()
            return False
        begun.append(evaluator.begin(program(), examples[10:20]))
        return True

    begun[0].result(on_spare=begin_another)
    assert [one.result().n for one in begun] == [10, 10, 10]


def test_who_is_told_may_read_the_same_evaluation(examples: list[Example]) -> None:
    seen: list[tuple[str, str]] = []
    pending = make_evaluator(echo, threads=4).begin(program(), examples[:10])

    def read() -> bool:
        pending.result(on_outcome=lambda outcome, *_: seen.append((outcome.example, "within")))
        return False

    assert pending.result(on_outcome=lambda outcome, *_: seen.append((outcome.example, "")), on_spare=read).n == 10
    assert [example for example, _ in seen] == [f"e{n}" for n in range(10)]
    assert seen[-1] == ("e9", "within")


def test_an_error_counts_in_its_turn_and_ends_what_follows(examples: list[Example]) -> None:
    class Wordless(dspy.Module):  # type: ignore[misc]  # dspy ships no types
        def forward(self, question: str) -> dspy.Prediction:
            return dspy.Prediction(reply="five")

    evaluator = make_evaluator(echo, threads=4)
    first, second = evaluator.begin(program(), examples[:10]), evaluator.begin(Wordless(), examples)
    third = evaluator.begin(program(), examples)
    assert first.result().n == 10
    for _ in range(2):
        with pytest.raises(ConfigError, match="Wordless"):
            second.result()
    with pytest.raises(RuntimeError, match="cancelled"):
        third.result()


def test_what_the_budget_refused_too_early_is_asked_in_its_turn(examples: list[Example]) -> None:
    gateway = Gateway(Budget(calls=30))
    gateway.set_aside(Amounts(calls=20))
    evaluator = make_evaluator(echo, gateway=gateway, threads=2)
    evaluator.evaluate(program(), examples[:10])
    second = evaluator.begin(program(), examples[10:])
    while not gateway.exhausted:
        time.sleep(0.001)
    gateway.open_reserve()
    assert second.result().n == 20


def test_an_interrupt_cancels_what_has_not_started(examples: list[Example]) -> None:
    asked = []

    def slow(prompt: str) -> str:
        asked.append(prompt)
        time.sleep(0.02)
        return echo(prompt)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    evaluator = make_evaluator(slow, threads=2)
    first, _ = evaluator.begin(program(), examples), evaluator.begin(program(), examples)
    with pytest.raises(KeyboardInterrupt):
        first.result(on_outcome=interrupt)
    count = len(asked)
    time.sleep(0.05)
    assert len(asked) == count < 20


def test_only_failed_calls_are_asked_again(examples: list[Example]) -> None:
    asked: list[int] = []
    is_down = True

    def breaks(prompt: str) -> str:
        asked.append(number_in(prompt))
        if number_in(prompt) == 5 or (number_in(prompt) in (3, 4) and is_down):
            raise CallFailed("scripted/model: 503")
        if number_in(prompt) in (6, 7):
            raise PromptTooLong("too long") if number_in(prompt) == 6 else AnswerWithheld("withheld")
        return echo(prompt)

    evaluator = make_evaluator(breaks, threads=4)
    before = evaluator.evaluate(program(), examples)
    assert [outcome.example for outcome in before.outcomes if outcome.transient] == ["e3", "e4", "e5"]
    is_down = False
    asked.clear()
    after = evaluator.again(before, program(), examples)
    assert sorted(asked) == [3, 4, 5]
    assert [outcome.example for outcome in after.outcomes] == [outcome.example for outcome in before.outcomes]
    assert [outcome.example for outcome in after.outcomes if outcome.error is not None] == ["e5", "e6", "e7"]
    assert (after.n, after.score) == (27, 1)


def test_nothing_is_asked_again_where_nothing_failed(examples: list[Example]) -> None:
    evaluator = make_evaluator(lambda prompt: pytest.fail("asked"))
    found = Evaluation((Outcome("e0", 1.0), Outcome("e1", None, error="the prompt is too long")))
    assert evaluator.again(found, program(), examples) is found


def test_an_outcome_holds_its_calls(examples: list[Example]) -> None:
    found = make_evaluator(echo, threads=4).evaluate(program(), examples[:3])
    assert [len(outcome.made) for outcome in found.outcomes] == [1, 1, 1]
    assert found.outcomes[0].made[0].model == "openai/scripted"
