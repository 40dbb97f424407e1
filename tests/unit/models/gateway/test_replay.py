"""A run from its journal alone: the same answers, the same failures, and the first difference where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dspy
import pytest
from dspy.utils.exceptions import LMError
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from journals import run
from ragc.errors import BudgetExhausted, ExampleError, ModelError
from ragc.models import Amounts, Gateway, Journal, NotInJournal, Replay, Usage
from ragc.models._errors import AnswerWithheld, CallFailed, PromptTooLong
from ragc.models.gateway._replay import first_difference
from ragc.project import Budget
from scripted import Script, number_in, scripted_lm

Work = Callable[[Gateway, dspy.LM], Any]


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal.in_memory() as opened:
        opened.begin_run(run())
        yield opened


def recorded(journal: Journal, work: Work, script: Script) -> tuple[Any, Usage]:
    """What `work` comes to, and what it cost."""
    gateway = Gateway(journal=journal, run="r1")
    return work(gateway, scripted_lm(script, gateway)), gateway.cost


def replayed(journal: Journal, work: Work, source: str | None = "r1", **fields: Any) -> tuple[Any, Usage]:
    """The same from the journal, with a model that nobody may ask."""
    gateway = Gateway(journal=journal, run=source or "", replay=Replay(journal, source, **fields))
    found = work(gateway, scripted_lm(lambda prompt: pytest.fail("asked"), gateway))
    assert gateway.usage == Usage()
    return found, gateway.cost


def echo(prompt: str) -> str:
    return str(number_in(prompt))


def answer(gateway: Gateway, lm: dspy.LM, number: int, times: int = 1) -> list[str]:
    """What is said to the question of one example; for a failure its class and its words."""
    said = []
    with gateway.recording(f"e{number}"):
        for _ in range(times):
            try:
                said += lm(f"What is number {number}?")
            except ExampleError as error:
                said.append(f"{'transient ' if error.transient else ''}error: {error}")
    return said


def baseline(gateway: Gateway, lm: dspy.LM) -> list[str]:
    with gateway.step("baseline"):
        return [said for number in range(5) for said in answer(gateway, lm, number)]


def test_the_same_comes_out_and_nothing_is_asked_or_written(journal: Journal) -> None:
    found = recorded(journal, baseline, echo)
    before = list(journal.lines())
    assert replayed(journal, baseline) == found
    assert found[0] == ["0", "1", "2", "3", "4"] and found[1].usd == pytest.approx(0.005)
    assert list(journal.lines()) == before


def test_the_first_difference_is_named_with_its_step_its_example_and_its_field(journal: Journal) -> None:
    recorded(journal, baseline, echo)

    def changed(gateway: Gateway, lm: dspy.LM) -> None:
        with gateway.step("baseline"):
            answer(gateway, lm, 0)
            with gateway.recording("e1"):
                lm("What is the number 1?")

    with pytest.raises(NotInJournal) as caught:
        replayed(journal, changed)
    assert isinstance(caught.value, ModelError)
    assert str(caught.value) == (
        "not in the journal: baseline, example e1: request.messages[0].parts[0].text: "
        '"What is number 1?" in the journal, "What is the number 1?" now'
    )


def test_another_setting_is_named(journal: Journal) -> None:
    def at(temperature: float) -> Work:
        return lambda gateway, lm: baseline(gateway, lm.copy(temperature=temperature))

    recorded(journal, at(0.2), echo)
    with pytest.raises(NotInJournal, match=r"e0: request\.config\.temperature: 0\.2 in the journal, 0\.5 now"):
        replayed(journal, at(0.5))
    with pytest.raises(NotInJournal, match=r"e0: request\.config is gone"):
        replayed(journal, baseline)


def test_a_call_between_two_steps_is_named_too_and_the_first_is_why_the_run_ends(journal: Journal) -> None:
    recorded(journal, baseline, echo)
    gateway = Gateway(journal=journal, run="r1", replay=Replay(journal, "r1"))
    lm = scripted_lm(echo, gateway)
    with pytest.raises(NotInJournal, match="between two steps: the run made no such call") as caught:
        lm("something else")
    with pytest.raises(NotInJournal):
        lm("something else again")
    assert gateway.fatal is caught.value


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"source": None}, "no run of this task with these inputs is in it"),
        ({"source": None, "changed": "examples, lm"}, "since the last run have changed: examples, lm"),
        ({"source": "r1"}, "the run made no such call"),
    ],
)
def test_where_there_is_nothing_to_compare_with_it_says_why(
    journal: Journal, fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotInJournal, match=f"baseline, example e0: {says}"):
        replayed(journal, baseline, **fields)


def test_a_look_takes_what_is_missing_for_that_examples_error(journal: Journal) -> None:
    with pytest.raises(ModelError):
        replayed(journal, baseline)
    found, cost = replayed(journal, baseline, None, is_look=True)
    assert found == ["error: not in the journal"] * 5 and cost.calls == 0


FAILURES: dict[str, tuple[Exception, str]] = {
    "passing": (
        CallFailed("ours: the server has a cold, HTTP 503"),
        "transient error: ours: the server has a cold, HTTP 503",
    ),
    "too long": (PromptTooLong("ours: the prompt does not fit"), "error: ours: the prompt does not fit"),
    "withheld": (AnswerWithheld("ours: withheld"), "error: ours: withheld"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_what_failed_fails_again_with_the_same_words(journal: Journal, kind: str) -> None:
    error, says = FAILURES[kind]

    def breaks(prompt: str) -> str:
        if number_in(prompt) == 3:
            raise error
        return echo(prompt)

    found = recorded(journal, baseline, breaks)
    assert found[0] == ["0", "1", "2", says, "4"] and found[1].calls == 4
    assert replayed(journal, baseline) == found


def failing_first(number: int) -> Script:
    asked: list[int] = []

    def script(prompt: str) -> str:
        asked.append(number_in(prompt))
        if asked.count(number) == 1 and asked[-1] == number:
            raise CallFailed("ours: HTTP 503")
        return echo(prompt)

    return script


def test_what_was_answered_when_it_was_asked_again_still_fails_where_it_failed(journal: Journal) -> None:
    def twice(gateway: Gateway, lm: dspy.LM) -> list[list[str]]:
        first = baseline(gateway, lm)
        with gateway.step("asked again"):
            return [first, answer(gateway, lm, 3)]

    found = recorded(journal, twice, failing_first(3))
    assert found[0] == [["0", "1", "2", "transient error: ours: HTTP 503", "4"], ["3"]]
    assert replayed(journal, twice) == found


def test_a_program_that_asks_again_by_itself_does_so_in_a_replay(journal: Journal) -> None:
    def again(gateway: Gateway, lm: dspy.LM) -> list[str]:
        with gateway.step("baseline"):
            return [*answer(gateway, lm, 2, times=3), *answer(gateway, lm, 3)]

    found = recorded(journal, again, failing_first(2))
    assert found[0] == ["transient error: ours: HTTP 503", "2", "2", "3"]
    assert replayed(journal, again) == found


def test_what_was_refused_before_its_turn_and_answered_in_it_is_answered_in_a_replay(journal: Journal) -> None:
    def early(gateway: Gateway, lm: dspy.LM) -> list[str]:
        with gateway.step("candidate 1"):
            if gateway.replay is None:
                gateway.set_aside(Amounts(calls=9))
                with gateway.recording("e1"):
                    lm("What is number 0?")
                    with pytest.raises(BudgetExhausted):
                        lm("What is number 1?")
                gateway.open_reserve()
            with gateway.recording("e1"):
                return [*lm("What is number 0?"), *lm("What is number 1?")]

    gateway = Gateway(Budget(calls=10), journal=journal, run="r1")
    found = early(gateway, scripted_lm(echo, gateway)), gateway.cost
    assert found[0] == ["0", "1"]
    assert replayed(journal, early) == found


def test_what_a_program_did_instead_when_it_was_refused_it_does_in_a_replay(journal: Journal) -> None:
    def instead(gateway: Gateway, lm: dspy.LM) -> list[str]:
        if gateway.replay is None:
            gateway.set_aside(Amounts(calls=10))
        with gateway.step("candidate 1"), gateway.recording("e1"):
            try:
                return list(lm("What is number 1?"))
            except LMError:
                return ["instead"]

    gateway = Gateway(Budget(calls=10), journal=journal, run="r1")
    assert instead(gateway, scripted_lm(echo, gateway)) == ["instead"]
    assert replayed(journal, instead)[0] == ["instead"]


@pytest.mark.parametrize(
    ("then", "now", "says"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, None),
        ({"a": 1}, {"a": 1, "b": 2}, "b is new"),
        ({"a": {"b": 2}}, {"a": {}}, "a.b is gone"),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "a[1].b: 2 in the journal, 3 now"),
        ({"a": [1, 2]}, {"a": [1]}, "a has 1 items, it had 2"),
        ({"a": "x"}, {"a": ["x"]}, "a: 'x' in the journal, ['x'] now"),
        ({"a": 0}, {"a": None}, "a: 0 in the journal, None now"),
        ("the key\nis", "the key was", ': "the key is" in the journal, "the key was" now'),
        ({"a": "short"}, {"a": "shorter"}, 'a: "short" in the journal, "shorter" now'),
    ],
)
def test_the_first_place_where_two_requests_differ(then: Any, now: Any, says: str | None) -> None:
    assert first_difference(then, now) == says


def test_long_texts_are_shown_around_where_they_differ() -> None:
    same = "The lake is deep. " * 50
    found = first_difference({"text": f"{same}It is cold.{same}"}, {"text": f"{same}It is warm.{same}"})
    assert found is not None and "It is cold." in found and "It is warm." in found
    assert len(found) < 200 and found.count("…") == 4


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@profile(max_examples=50)
@given(_JSON, _JSON)
def test_nothing_differs_exactly_where_both_are_the_same(then: Any, now: Any) -> None:
    assert (first_difference(then, now) is None) == (then == now)
