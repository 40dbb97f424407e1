"""Steps: what they used is written when they are complete, in an order that no thread decides."""

from __future__ import annotations

import contextvars
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dspy
import pytest

from journals import run
from ragc.models import BudgetReached, Gateway, Journal, StopAt
from ragc.models.gateway import StepRecord
from ragc.models.gateway._steps import Step, current_step
from scripted import number_in, scripted_lm


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal.in_memory() as opened:
        opened.begin_run(run())
        yield opened


def opened(journal: Journal, **fields: object) -> tuple[Gateway, dspy.LM]:
    gateway = Gateway(journal=journal, run="r1", **fields)  # type: ignore[arg-type]
    return gateway, scripted_lm(lambda prompt: str(number_in(prompt)), gateway)


def ask(gateway: Gateway, lm: dspy.LM, number: int, times: int = 1) -> None:
    with gateway.recording(f"e{number}"):
        for time_ in range(times):
            lm(f"Time {time_}: what is number {number}?")


def uses(step: StepRecord) -> list[tuple[str | None, int]]:
    return [(use.example, use.ordinal) for use in step.uses]


def test_a_context_belongs_to_one_step_and_so_do_those_copied_from_it() -> None:
    first, second = Step(0, "pilot"), Step(1, "baseline")
    assert current_step() is None
    with first.inside():
        copied = contextvars.copy_context()
        with second.inside():
            assert current_step() is second
        assert current_step() is first
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(copied.run, current_step).result() is first
            assert pool.submit(current_step).result() is None
        seen = dspy.Parallel(num_threads=2, disable_progress_bar=True)([(lambda x: current_step(), (1,))] * 2)
        assert seen == [first, first]
    assert current_step() is None


def test_what_a_step_used_is_written_in_the_order_of_the_examples_whatever_ended_first(journal: Journal) -> None:
    gateway = Gateway(journal=journal, run="r1")

    def slow(prompt: str) -> str:
        time.sleep(random.Random(prompt).random() / 100)
        return str(number_in(prompt))

    lm = scripted_lm(slow, gateway)
    with gateway.step("baseline") as step, ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(contextvars.copy_context().run, ask, gateway, lm, n, 2) for n in (7, 3, 5, 1)]
        for job in jobs:
            job.result()
        assert journal.steps_of("r1") == []
    (record,) = journal.steps_of("r1")
    assert (record.number, record.label) == (step.number, step.label) == (0, "baseline")
    assert uses(record) == [(f"e{n}", ordinal) for n in (1, 3, 5, 7) for ordinal in (0, 1)]


def test_calls_between_steps_are_written_before_those_of_the_next(journal: Journal) -> None:
    gateway, lm = opened(journal)
    lm("Propose number 9.")
    with gateway.step("candidate 1"):
        ask(gateway, lm, 1)
    with gateway.step("candidate 2"):
        ask(gateway, lm, 2)
    assert [uses(step) for step in journal.steps_of("r1")] == [[(None, 0), ("e1", 0)], [("e2", 0)]]


def test_a_step_may_begin_before_the_one_ahead_of_it_is_complete(journal: Journal) -> None:
    gateway, lm = opened(journal)
    first, second = gateway.new_step("baseline"), gateway.new_step("candidate 1")
    for step, number in ((second, 2), (first, 1)):
        gateway.admit(step)
        with step.inside():
            ask(gateway, lm, number)
    assert gateway.position == 0
    gateway.complete_step(first)
    assert (gateway.position, gateway.cost.calls, gateway.usage.calls) == (1, 1, 2)
    gateway.complete_step(second)
    assert [uses(step) for step in journal.steps_of("r1")] == [[("e1", 0)], [("e2", 0)]]
    assert (gateway.position, gateway.cost.calls) == (2, 2)


def test_the_cost_is_what_complete_steps_used_each_response_once(journal: Journal) -> None:
    gateway, lm = opened(journal)
    for label in ("pilot", "baseline"):
        with gateway.step(label):
            ask(gateway, lm, 1)
    broken_off = gateway.new_step("candidate 1")
    gateway.admit(broken_off)
    with broken_off.inside():
        ask(gateway, lm, 2)
    assert (gateway.usage.calls, gateway.cost.calls) == (2, 1)
    assert gateway.cost.usd == float(journal.cost_of("r1").amounts.usd) == 0.001
    assert [step.label for step in journal.steps_of("r1")] == ["pilot", "baseline"]
    assert gateway.position == 2


def test_after_a_cut_the_next_step_takes_the_place_of_those_that_were_given_up(journal: Journal) -> None:
    gateway, lm = opened(journal)
    with gateway.step("baseline"):
        ask(gateway, lm, 1)
    for label in ("candidate 1", "candidate 2"):
        gateway.admit(gateway.new_step(label))
    gateway.cut()
    with gateway.step("test"):
        ask(gateway, lm, 3)
    assert [(step.number, step.label) for step in journal.steps_of("r1")] == [(0, "baseline"), (1, "test")]


def test_what_was_begun_is_known_to_the_next_command(journal: Journal) -> None:
    gateway, _ = opened(journal)
    for label in ("pilot", "baseline"):
        gateway.admit(gateway.new_step(label))
    (record,) = journal.find_runs()
    again, _ = opened(journal, admitted=record.admitted)
    assert again.begun_before
    first, second, third = (again.new_step(label) for label in ("pilot", "baseline", "candidate 1"))
    assert [again.admitted_before(step) for step in (first, second, third)] == [True, True, False]
    assert not again.begun_before


def test_a_run_stops_again_where_it_was_stopped_and_goes_on_behind_it(journal: Journal) -> None:
    stop = StopAt(1, BudgetReached("the run stopped here for its budget"))
    gateway, lm = opened(journal, stop_at=stop)
    with gateway.step("baseline"):
        ask(gateway, lm, 1)
    for label in ("candidate 1", "candidate 2"):
        with pytest.raises(BudgetReached, match="stopped here"), gateway.step(label):
            pytest.fail("begun")
    gateway.cut()
    with gateway.step("test"):
        ask(gateway, lm, 2)
    assert [step.label for step in journal.steps_of("r1")] == ["baseline", "test"]


def test_a_run_without_a_name_writes_no_steps() -> None:
    gateway = Gateway()
    lm = scripted_lm(lambda prompt: "five", gateway)
    with gateway.step("baseline"):
        lm("hello")
    assert gateway.journal.steps_of("") == []
    assert gateway.cost.calls == 1
