"""The metric `number`: what is read as a quantity, and when two are the same."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ragc.data import Example
from ragc.errors import ConfigError, DataError
from ragc.evaluation import load_metric


def score(spec: str, said: str, *answers: str) -> float:
    found = load_metric(None, spec)  # type: ignore[arg-type]  # built-in metrics need no project
    return found(Example(id="e", question="How much?", answers=answers), SimpleNamespace(answer=said)).value


@pytest.mark.parametrize(
    ("said", "accepted"),
    [
        ("You get 5 days.", "five days"),
        ("twenty-five days", "25 days"),
        ("two weeks", "14 days"),
        ("90 minutes", "1.5 hours"),
        ("A 30-minute slot", "half past, that is 30 minutes"),
        ("£1,200.50", "1200.5 GBP"),
        ("It costs 45 pounds", "£45"),
        ("45", "£45"),
        ("US$5", "$5"),
        ("C$110", "110 CAD"),
        ("zł 130", "130 zł"),
        ("2 million euros", "€2,000,000"),
        ("£3m", "£3,000,000"),
        ("5 per cent", "5%"),
        ("0.05", "0.05"),
        ("-3 °C", "-3 degC"),
        ("2 kWh", "2,000 Wh"),
        ("5 days per year", "5 days"),
        ("From 1 May 2026 it is 12 days", "12 days"),
        ("In 3 cases you get 5 days", "5 days"),
        ("On the 2nd floor there are 7", "7"),
        ("5 in total", "5"),
        ("60 miles per hour", "60 mph"),
        ("5 keys", "five keys"),
        ("a 10m hose", "10 metres"),
    ],
)
def test_the_same_quantity_is_right_however_it_is_written(said: str, accepted: str) -> None:
    assert score("number", said, accepted) == 1


@pytest.mark.parametrize(
    ("said", "accepted"),
    [
        ("6 days", "5 days"),
        ("5 weeks", "5 days"),
        ("5 km", "5 days"),
        ("$45", "£45"),
        ("$110", "C$110"),
        ("15 days", "1.5 days"),
        ("5", "-5"),
        ("in May 2026", "2026 days"),
        ("no number at all", "5"),
        ("from 1 to 10, take any: 3, 5", "5"),
    ],
)
def test_another_quantity_is_wrong(said: str, accepted: str) -> None:
    assert score("number", said, accepted) == 0


def test_the_tolerance_is_in_the_unit_of_the_comparison() -> None:
    assert score("number(tolerance=1)", "6 days", "5 days") == 1
    assert score("number(tolerance=1)", "6.01 days", "5 days") == 0
    assert score('number(tolerance=1, unit="hours")', "6 days", "5 days") == 0
    assert score('number(tolerance=24, unit="hours")', "6 days", "5 days") == 1


def test_a_relative_tolerance_is_a_share_of_what_is_accepted() -> None:
    assert score("number(relative=0.1)", "£110", "£100") == 1
    assert score("number(relative=0.1)", "£111", "£100") == 0


def test_a_unit_is_what_bare_numbers_are_read_in() -> None:
    assert score('number(unit="days")', "2 weeks", "14") == 1
    assert score('number(unit="days")', "14", "two weeks") == 1
    assert score("number", "2 weeks", "14") == 0


def test_any_accepted_answer_will_do() -> None:
    assert score("number", "10 days", "5 days", "10 days") == 1


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("number(tolerance=-1)", "tolerance=-1: expected 0 or more"),
        ('number(unit="parsnips")', 'unit="parsnips": no unit'),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_paid(spec: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_metric(None, spec).check([])  # type: ignore[arg-type]


def test_labels_without_a_number_are_named() -> None:
    examples = [Example(id="a", question="How much?", answers=("some",)), Example(id="b", question="?", answers=())]
    with pytest.raises(DataError, match=r'no number in the answers of "a"$'):
        load_metric(None, "number").check(examples)  # type: ignore[arg-type]
