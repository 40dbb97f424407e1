"""What the rules come to: one recommendation, its reasons, and what would change it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ragc.advise import QUESTIONS, Facts, Load, Measured, advise, load_prices, load_rules, reckon
from ragc.errors import ConfigError


def ids(facts: Facts) -> tuple[str, list[str], list[str]]:
    found = advise(facts)
    return found.outcome, [rule.id for rule in found.reasons], [rule.id for rule in found.against]


@pytest.mark.parametrize(
    ("labels", "rule"),
    [(9, "no-labels"), (10, "few-labels"), (999, "few-labels"), (1_000, "some-labels"), (10_000, "some-labels"),
     (10_001, "many-labels"), (60_000, "many-labels")],
)  # fmt: skip
def test_the_number_of_labels_fires_one_rule_about_training(labels: int, rule: str) -> None:
    fired = [one.id for one in load_rules() if one.fact == "labels" and one.id != "rag-labels" and one.fires(labels)]
    assert fired == [rule]


def test_rag_holds_under_fifty_thousand_labels() -> None:
    rule = next(one for one in load_rules() if one.id == "rag-labels")
    assert rule.fires(49_999) and not rule.fires(50_000)


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (Facts(labels=0), "rag"),
        (Facts(labels=400), "compile"),
        (Facts(labels=400, tone=True, tokens_a_month=10**9), "compile"),
        (Facts(labels=5_000), "compile"),
        (Facts(labels=5_000, tone=True), "both"),
        (Facts(labels=5_000, faster=3), "both"),
        (Facts(labels=5_000, faster=2.9), "compile"),
        (Facts(labels=5_000, faster=5.1), "compile"),
        (Facts(labels=5_000, prompt_tokens=4_000), "both"),
        (Facts(labels=5_000, prompt_tokens=3_999), "compile"),
        (Facts(labels=5_000, tokens_a_month=100_000_001), "both"),
        (Facts(labels=5_000, tokens_a_month=100_000_000), "compile"),
        (Facts(labels=60_000), "fine-tune"),
        (Facts(labels=60_000, changes="often"), "both"),
        (Facts(labels=60_000, changes="seldom"), "fine-tune"),
        (Facts(labels=60_000, attribution=True), "both"),
        (Facts(labels=60_000, controlled=True), "both"),
        (Facts(), "compile"),
    ],
)
def test_what_the_facts_come_to(facts: Facts, outcome: str) -> None:
    assert advise(facts).outcome == outcome


def test_reasons_and_what_speaks_against_are_told_apart() -> None:
    assert ids(Facts(labels=400, tone=True)) == ("compile", ["few-labels", "rag-labels"], ["tone"])
    assert ids(Facts(labels=5_000, tone=True))[1] == ["some-labels", "rag-labels", "tone", "both"]


def test_what_would_change_it_does_change_it() -> None:
    for facts in (Facts(labels=400, tone=True), Facts(labels=5_000), Facts(labels=60_000), Facts(tone=True)):
        for change in advise(facts).changes:
            turned = dataclasses.replace(facts, **{change.fact: change.value})
            assert advise(turned).outcome == change.outcome != advise(facts).outcome


def test_fewer_labels_than_there_are_are_no_way_out() -> None:
    assert all(change.value > 400 for change in advise(Facts(labels=400)).changes if change.fact == "labels")


def test_a_verdict_of_ones_own_overrules_compiling() -> None:
    measured = Measured("leave", labels=400, verdict="worse", sentence="Worse: -3.0 points on 200 questions.")
    found = advise(Facts(), measured=measured)
    assert (found.outcome, found.own) == ("rag", "your own test split: Worse: -3.0 points on 200 questions.")
    assert advise(Facts(), measured=dataclasses.replace(measured, verdict="better")).outcome == "compile"


def test_measurements_answer_what_no_flag_says() -> None:
    measured = Measured("leave", labels=5_000, latency_p95=4.0, latency_limit=1.0, prompt_tokens=100)
    assert measured.facts == Facts(labels=5_000, faster=4.0, prompt_tokens=100)
    assert advise(Facts(), measured=measured).outcome == "both"
    assert advise(Facts(faster=1.0), measured=measured).outcome == "compile"


def test_the_load_says_how_many_tokens_a_month() -> None:
    costs = reckon(Load(100_000, 1_000, 1), load_prices())
    assert advise(Facts(labels=5_000), costs=costs).facts.tokens_a_month == 100_100_000


def test_every_rule_has_a_source_a_reason_and_a_date() -> None:
    for rule in load_rules():
        assert rule.text and rule.reason and rule.source and rule.published
        assert rule.basis in ("measured", "rule of thumb")


def test_every_fact_is_a_question_with_a_flag() -> None:
    assert list(QUESTIONS) == [field.name for field in dataclasses.fields(Facts)]


def test_rules_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        '[[rule]]\nid="a"\nfact="tone"\nis=true\nsays="fine-tune"\ntext="t"\nreason="r"\nbasis="b"\nsource="s"\n'
    )
    assert advise(Facts(tone=True), rules=load_rules(file)).outcome == "fine-tune"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no \\[\\[rule\\]\\]"),
        ("x", "cannot read rules"),
        ('[[rule]]\nid="a"', 'rule 1: key "fact" is missing'),
        (
            '[[rule]]\nid="a"\nfact="mood"\nsays="rag"\ntext="t"\nreason="r"\nbasis="b"\nsource="s"\nis=true',
            'unknown fact "mood"',
        ),
        ('[[rule]]\nid="a"\nfact="tone"\nsays="rag"\ntext="t"\nreason="r"\nbasis="b"\nsource="s"', "no condition"),
        ('[[rule]]\nid="a"\nfact="tone"\nsays="no"\ntext="t"\nreason="r"\nbasis="b"\nsource="s"\nis=true', 'says "no"'),
        (
            '[[rule]]\nid="a"\nfact="tone"\nsays="rag"\ntext="t"\nreason="r"\nbasis="b"\nsource="s"\nis=true\nx=1',
            'unknown key "x"',
        ),
    ],
)
def test_rules_that_are_none_are_one_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_rules(file)


def test_facts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="faster -1 is negative"):
        Facts(faster=-1)
    with pytest.raises(ConfigError, match="often or seldom"):
        Facts(changes="sometimes")  # type: ignore[arg-type]
