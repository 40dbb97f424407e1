"""Ctrl-C: the first is looked at where it is safe, the second gives up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import dspy
import pytest

from ragc.compiler import Interrupts
from ragc.data import Example
from ragc.errors import Interrupted
from ragc.models import Gateway
from scripted import make_evaluator, scripted_lm

EXAMPLES = [Example(id=f"e{n}", question=f"Number {n}?", answers=("five",)) for n in range(40)]


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def is_stopped(gateway: Gateway) -> bool:
    try:
        gateway.check_stop()
    except Interrupted:
        return True
    return False


def soon(condition: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 10
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)
    return condition()


def test_the_first_raises_nothing_and_no_call_or_step_is_begun_after_it() -> None:
    gateway = Gateway()
    lm = scripted_lm(lambda prompt: "five", gateway)
    lm("known")
    step = gateway.new_step("baseline")
    with Interrupts(gateway):
        press()
        assert soon(lambda: is_stopped(gateway))
        assert lm("known") == ["five"], "what is known is still answered"
        for ask in (lambda: lm("new"), lambda: gateway.admit(step)):
            with pytest.raises(Interrupted):
                ask()
    assert gateway.usage.calls == 1 and gateway.fatal is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("is_told", [True, False])
def test_the_second_gives_up_wherever_the_main_thread_is(is_told: bool) -> None:
    told: list[str] = []

    def twice() -> None:
        with Interrupts(Gateway(), (lambda: told.append("again")) if is_told else None):
            press()
            assert not told
            press()
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert told == ["again"] * is_told


def test_whoever_has_a_handler_of_his_own_decides_himself() -> None:
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    gateway = Gateway()
    with Interrupts(gateway):
        press()
        assert soon(lambda: bool(pressed))
    assert not is_stopped(gateway)


def test_it_is_nobodys_business_in_another_thread() -> None:
    def inside() -> None:
        with Interrupts(Gateway()):
            found.append(signal.getsignal(signal.SIGINT))

    found: list[object] = []
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


class Asks(dspy.Module):  # type: ignore[misc]  # dspy ships no types
    """Asks once, and interrupts meanwhile at the third question."""

    def __init__(self, *, calls: bool) -> None:
        super().__init__()
        self.calls = calls
        self.seen: list[str] = []

    def forward(self, question: str) -> dspy.Prediction:
        self.seen.append(question)
        if len(self.seen) == 3:
            press()
            time.sleep(0.3)
        if self.calls:
            dspy.settings.lm(question)
        time.sleep(0.02)
        return dspy.Prediction(answer="five")


@pytest.mark.parametrize("calls", [True, False], ids=["that calls a model", "that calls none"])
def test_an_evaluation_ends_after_what_is_in_flight(calls: bool) -> None:
    gateway, program = Gateway(), Asks(calls=calls)
    evaluator = make_evaluator(lambda prompt: "five", gateway=gateway, threads=2)
    program.deepcopy = lambda: program
    with pytest.raises(Interrupted), Interrupts(gateway):
        evaluator.evaluate(program, EXAMPLES)
    assert 3 <= len(program.seen) < len(EXAMPLES) - 5
    assert soon(lambda: not any(thread.name == "ragc-evaluate" for thread in threading.enumerate()))
