"""Candidates in a pipeline: what runs beside what, and that nobody can tell from the decisions."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import dspy
import pytest

from ragc.compiler import Candidate, Event, Run, Working
from ragc.data import Example
from ragc.errors import BudgetExhausted, ConfigError
from ragc.evaluation import Evaluator
from ragc.models import Gateway
from ragc.project import Budget, Limits
from scripted import Script, make_evaluator, number_in

SIZE = 10


def question(number: int, split: str = "validation") -> Example:
    return Example(id=f"{split}-{number}", question=f"What is {split} number {number}?", answers=(str(number),))


def candidate(knows: int) -> dspy.Module:
    """A program that knows the answers up to a number: the scripts below read it in the prompt."""
    return dspy.Predict(dspy.Signature("question -> answer", f"You know {knows} answers."))


def knows(prompt: str) -> int:
    return int(prompt.partition("You know ")[2].partition(" answers")[0] or 0)


def learned(prompt: str) -> str:
    return str(number_in(prompt)) if number_in(prompt) < knows(prompt) else "a guess of no use"


def restored(state: dict[str, Any]) -> dspy.Module:
    program = dspy.Predict("question -> answer")
    program.load_state(state)
    return program


MakeRun = Callable[..., tuple[Run, list[Event]]]


def make_run(
    script: Script, *, gateway: Gateway | None = None, size: int = SIZE, **fields: Any
) -> tuple[Run, list[Event]]:
    """A run whose baseline has begun, and the events that it tells."""
    events: list[Event] = []
    evaluator: Evaluator = make_evaluator(script, gateway=gateway, **fields)
    run = Run(
        train=tuple(question(n, "train") for n in range(6)),
        validation=tuple(question(n) for n in range(size)),
        seed=0,
        lm=evaluator.lm,
        teacher=None,
        limits=Limits(),
        _evaluator=evaluator,
        _gateway=evaluator.gateway,
        _restore=restored,
        _expected=None,
        _on_event=events.append,
        _name="search",
    )
    run.begin_baseline(candidate(1), {})
    return run, events


def test_evaluations_come_back_in_the_order_of_the_candidates() -> None:
    run, _ = make_run(learned, threads=4)
    found = run.evaluate_all((candidate(n), f"knows {n}") for n in (5, 2, 9, 3))
    assert [evaluation.score for evaluation in found] == [0.5, 0.2, 0.9, 0.3]
    assert [one.label for one in run.candidates] == ["knows 5", "knows 2", "knows 9", "knows 3"]
    assert run.best is not None and run.best.label == "knows 9"
    assert run.baseline.score == 0.1


def test_the_next_candidate_runs_beside_the_last_examples_of_the_one_before() -> None:
    next_has_begun = threading.Event()

    def waits(prompt: str) -> str:
        if knows(prompt) == 5 and number_in(prompt) == SIZE - 1:
            assert next_has_begun.wait(10)
        if knows(prompt) == 6:
            next_has_begun.set()
        return learned(prompt)

    run, _ = make_run(waits, threads=2)
    assert [one.score for one in run.evaluate_all([(candidate(5), "a"), (candidate(6), "b")])] == [0.5, 0.6]


def test_training_runs_beside_the_last_examples_of_the_baseline() -> None:
    training_has_begun = threading.Event()

    def waits(prompt: str) -> str:
        if "validation" in prompt and number_in(prompt) == SIZE - 1:
            assert training_has_begun.wait(10)
        if "train" in prompt:
            training_has_begun.set()
        return learned(prompt)

    run, events = make_run(waits, threads=2)
    assert len(run.bootstrap(candidate(4))) == 4
    assert told(events) == ["baseline"] * SIZE + ["training"] * 6


def told(events: list[Event]) -> list[str]:
    return [event.label for event in events if isinstance(event, Working)]


def test_what_is_told_does_not_depend_on_what_finishes_first() -> None:
    def sequence(script: Script, threads: int) -> list[Event]:
        run, events = make_run(script, threads=threads)
        run.bootstrap(candidate(4))
        run.evaluate_all((candidate(n), f"knows {n}") for n in range(2, 8))
        run.summarise()
        return events

    def slow(prompt: str) -> str:
        time.sleep(random.Random(prompt).expovariate(200))
        return learned(prompt)

    assert sequence(slow, 8) == sequence(learned, 1)


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_a_generator_that_looks_at_the_best_sees_every_candidate_before(threads: int) -> None:
    run, _ = make_run(learned, threads=threads)
    seen: list[float] = []

    def climbing() -> Iterator[tuple[dspy.Module, str]]:
        yield candidate(2), "first"
        for _ in range(4):
            assert run.best is not None
            seen.append(run.best.score)
            yield candidate(round(SIZE * run.best.score) + 1), "one better"

    found = run.evaluate_all(climbing())
    assert seen == [0.2, 0.3, 0.4, 0.5]
    assert [evaluation.score for evaluation in found] == [0.2, 0.3, 0.4, 0.5, 0.6]


def test_a_generator_may_evaluate_by_itself() -> None:
    run, _ = make_run(learned, threads=4)

    def nested() -> Iterator[tuple[dspy.Module, str]]:
        yield candidate(2), "first"
        assert run.evaluate(candidate(5), "second").score == 0.5
        yield candidate(3), "third"

    assert [evaluation.score for evaluation in run.evaluate_all(nested())] == [0.2, 0.3]
    assert [one.label for one in run.candidates] == ["first", "second", "third"]


def test_few_candidates_are_under_way_at_once() -> None:
    may_end = threading.Event()
    pulled: list[int] = []

    def waits(prompt: str) -> str:
        if knows(prompt) == 1 and number_in(prompt) == 0:
            assert may_end.wait(10)
        return learned(prompt)

    def many() -> Iterator[tuple[dspy.Module, str]]:
        for number in range(20):
            pulled.append(number)
            yield candidate(2), f"candidate {number}"

    run, _ = make_run(waits, threads=4)
    threading.Timer(0.3, may_end.set).start()
    before: list[int] = []
    run.after_baseline = lambda baseline: before.extend(pulled)
    run.evaluate_all(many())
    assert before == [0, 1]
    assert len(run.candidates) == 20


def test_small_validation_sets_fill_the_threads_too() -> None:
    under_way: Counter[int] = Counter()
    most: list[int] = []
    enough, lock = threading.Event(), threading.Lock()

    def waits(prompt: str) -> str:
        with lock:
            under_way[knows(prompt)] += 1
            most.append(len(+under_way))
        if max(most) >= 4:  # two questions each
            enough.set()
        enough.wait(0.3)  # an answer that comes makes room for the next candidate
        with lock:
            under_way[knows(prompt)] -= 1
        return learned(prompt)

    run, _ = make_run(waits, threads=8, size=2)
    run.evaluate_all((candidate(n), "") for n in range(2, 12))
    assert max(most) >= 4


def test_a_candidate_that_cannot_be_made_counts_in_its_turn() -> None:
    run, _ = make_run(learned, threads=4)

    def broken() -> Iterator[tuple[dspy.Module, str]]:
        yield candidate(5), "whole"
        raise ConfigError("k = 0: expected 1 or more")

    with pytest.raises(ConfigError, match="k = 0"):
        run.evaluate_all(broken())
    assert [one.label for one in run.candidates] == ["whole"]


def test_what_a_candidate_raises_counts_in_its_turn_and_ends_those_behind_it() -> None:
    kept: list[str] = []

    def fails(prompt: str) -> str:
        if knows(prompt) == 6:
            raise ConfigError("the metric is at fault")
        return learned(prompt)

    run, _ = make_run(fails, threads=4)

    def keep(one: Candidate) -> None:
        kept.append(one.label)

    run.after_candidate = keep
    with pytest.raises(ConfigError, match="metric"):
        run.evaluate_all((candidate(n), f"knows {n}") for n in (5, 6, 7, 8))
    assert kept == [one.label for one in run.candidates] == ["knows 5"]
    assert run.evaluate(candidate(9), "after all").score == 0.9


@pytest.mark.parametrize("threads", [1, 4, 16])
@pytest.mark.parametrize(("calls", "whole"), [(19, 0), (20, 1), (29, 1), (30, 2), (50, 4)])
def test_the_budget_holds_whole_candidates_whatever_runs_ahead(threads: int, calls: int, whole: int) -> None:
    gateway = Gateway(Budget(calls=calls))
    run, _ = make_run(learned, gateway=gateway, threads=threads)
    with pytest.raises(BudgetExhausted, match="no further candidate"):
        run.evaluate_all((candidate(n), "") for n in range(2, 12))
    assert len(run.candidates) == whole
    assert gateway.usage.calls == SIZE * (1 + whole)


def test_the_budget_is_looked_at_in_the_order_of_candidates_that_cost_more_and_more() -> None:
    class Asking(dspy.Module):  # type: ignore[misc]  # dspy ships no types
        """Asks as often as the state says."""

        def __init__(self) -> None:
            super().__init__()
            self.ask = dspy.Predict("question -> answer")

        def forward(self, question: str) -> dspy.Prediction:
            times = max(1, knows(self.ask.signature.instructions))
            return [self.ask(question=f"Time {time}: {question}") for time in range(times)][-1]

    def asking(times: int) -> dspy.Module:
        program = Asking()
        program.ask.signature = program.ask.signature.with_instructions(f"You know {times} answers.")
        return program

    def restore(state: dict[str, Any]) -> dspy.Module:
        program = Asking()
        program.load_state(state)
        return program

    gateway = Gateway(Budget(calls=60))
    run, _ = make_run(learned, gateway=gateway, threads=4)
    run._restore = restore
    with pytest.raises(BudgetExhausted):
        run.evaluate_all((asking(times), f"{times} calls") for times in (1, 2, 3, 4))
    assert [one.label for one in run.candidates] == ["1 calls", "2 calls"]
    assert gateway.usage.calls <= 60


def test_the_baseline_is_waited_for_by_whoever_asks() -> None:
    run, events = make_run(learned, threads=4)
    assert run.baseline.score == 0.1
    assert told(events) == ["baseline"] * SIZE
    assert run.candidates == () and run.best is None


def test_an_interrupt_gives_up_what_is_under_way() -> None:
    asked: list[str] = []

    def slow(prompt: str) -> str:
        asked.append(prompt)
        time.sleep(0.005)
        return learned(prompt)

    def interrupt(_: Candidate) -> None:
        raise KeyboardInterrupt

    run, _ = make_run(slow, threads=2)
    run.after_candidate = interrupt
    with pytest.raises(KeyboardInterrupt):
        run.evaluate_all((candidate(n), f"knows {n}") for n in range(2, 12))
    run.cancel()
    count = len(asked)
    time.sleep(0.05)
    assert len(asked) == count < 4 * SIZE
    assert [one.label for one in run.candidates] == ["knows 2"]
