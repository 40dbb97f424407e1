"""The page of a comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ragc.comparison import ArmResult, CompareResult
from ragc.comparison._page import study_of, with_page
from ragc.data import Corpus, Document, Example
from ragc.evaluation import Comparison, Evaluation, Outcome
from ragc.report import first_steps
from studies import Page

EXAMPLES = tuple(Example(id=f"q{n}", question=f"What of {n}?", answers=("five",)) for n in range(4))
CORPUS = Corpus((Document(id="a.md", title="A", text="It is five."),))
EXPERIMENT = cast("Any", SimpleNamespace(name="first", task=SimpleNamespace(name="plain")))


def evaluation(*scores: float | None) -> Evaluation:
    return Evaluation(
        tuple(
            Outcome(f"q{n}", score, answer=None if score is None else "five", error="reset" if score is None else None,
                    usd=0.001, input_tokens=100)
            for n, score in enumerate(scores)
        )
    )  # fmt: skip


def arm(name: str, *evaluations: Evaluation, word: str | None = None, **more: Any) -> ArmResult:
    told = None
    if word is not None:
        told = Comparison(cast("Any", word), n=4, difference=0.25, ci_low=0.1, ci_high=0.4, p_value=0.01)
    made: dict[str, Any] = {
        "seeds": tuple(range(len(evaluations))),
        "settings": {},
        "program": "p:P",
        "model": "m",
        "optimizer": None,
    }
    return ArmResult(name=name, evaluations=evaluations, comparison=told, **{**made, **more})


def result(*arms: ArmResult, **more: Any) -> CompareResult:
    given: dict[str, Any] = {"repeats": 1, "seed": 0, "margin": None, "queries": None, "examples": EXAMPLES}
    return CompareResult("first", "plain", "answer_f1", "rag", arms, **{**given, **more})


BASE = arm("rag", evaluation(0.0, 0.0, 1.0, None))


def test_the_page_stands_beside_the_arms_and_says_the_verdict(tmp_path: Path) -> None:
    found = with_page(result(BASE, arm("better", evaluation(1, 1, 1, 1), word="better")), EXPERIMENT, CORPUS, tmp_path)
    assert found.report == tmp_path / ".ragc/arms/first/report.html"
    page = Page(found.report.read_text("utf-8"))
    assert "Better" in page.text
    assert "put better in the place of rag" in page.text
    assert "better against rag: 2 won, 0 lost, 1 the same, 1 with an error." in page.text
    assert "ragc compare plain --experiment first --replay" in page.text


def test_the_page_is_about_the_best_other_arm_where_none_is_recommended() -> None:
    weak, strong = (arm(name, evaluation(0, 0, s, s), word="not shown") for name, s in (("weak", 0.2), ("strong", 0.9)))
    study = study_of(result(BASE, weak, strong), EXPERIMENT, CORPUS)
    assert (study.subject, study.word) == ("strong", "not shown")
    assert study.first[0].what.startswith("keep `rag`")
    assert any("Holm" in note for note in study.notes)


def test_an_arm_that_failed_and_seeds_that_differ_are_told() -> None:
    failed = arm("failed", error="no key")
    twice = arm("twice", evaluation(1, 1, 1, 1), evaluation(0, 1, 1, 1), word="better")
    study = study_of(result(BASE, failed, twice, repeats=2), EXPERIMENT, CORPUS)
    assert [one.note for one in study.arms] == [
        None,
        "no key",
        "by seed 100.0, 75.0; its answers below are those of seed 0",
    ]
    assert study.arms[2].figures["score"] == 0.875
    assert "failed" not in study.questions[0].given


def test_nothing_is_written_where_nothing_was_answered(tmp_path: Path) -> None:
    assert with_page(result(arm("rag"), arm("other")), EXPERIMENT, CORPUS, tmp_path).report is None
    assert not (tmp_path / ".ragc").exists()


def test_costs_a_month_are_told_at_the_volume() -> None:
    study = study_of(
        result(BASE, arm("other", evaluation(1, 1, 1, 1), word="better"), queries=10_000), EXPERIMENT, CORPUS
    )
    assert ("A month", "at 10,000 questions: rag $10, other $10") in study.facts


def test_flags_are_typed_again_as_they_were_given() -> None:
    flags = cast("Any", SimpleNamespace(name="flags", task=SimpleNamespace(name="plain")))
    other = arm("other", evaluation(1, 1, 1, 1), word="better", settings={"optimizer": "b", "set": {"k": [1, 3]}})
    study = study_of(replace(result(BASE, other), experiment="flags"), flags, CORPUS)
    assert study.commands[-1].startswith("ragc compare plain --arm 'optimizer=b,set={ k = [1, 3] }' --replay")


def test_an_arm_that_mostly_refuses_is_told_and_failures_are_those_of_the_arm_to_use() -> None:
    silent = Evaluation(tuple(Outcome(f"q{n}", 0.0, answer="I do not know.", abstained=True) for n in range(4)))
    study = study_of(result(BASE, arm("silent", silent, word="worse")), EXPERIMENT, CORPUS)
    assert study.arms[1].note == "it refuses 100% of the answerable questions"
    assert (study.subject, study.used) == ("silent", "rag")
    assert all("silent" not in step.what for step in first_steps(study))
