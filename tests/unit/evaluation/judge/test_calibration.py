"""A judge is calibrated for what it is, and for nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ragc.errors import DataError
from ragc.evaluation.judge import (
    Calibration,
    Item,
    Judged,
    Judgement,
    calibrated,
    find_calibration,
    keep_calibration,
    marked,
)
from ragc.models import Gateway
from scripted import graded, scripted_judge


def judgements(number: int) -> list[Judgement]:
    """Labelled answers, a third of each word; the answer holds its word."""
    words = ("right", "partly", "wrong")
    return [
        Judgement(Item(f"e{n}", "semantic_f1", f"q{n}", ("five",), f"{words[n % 3]} {'so ' * n}{n}"), words[n % 3])  # type: ignore[arg-type]
        for n in range(number)
    ]


def honest(prompt: str) -> str:
    """Judges by the word that the answer begins with."""
    answer = prompt.rpartition("Answer: ")[2]
    value = {"r": 1, "p": 0.5, "w": 0}[answer[0]]
    return graded(value, value)


def calibration(number: int = 30) -> Calibration:
    return calibrated(scripted_judge(honest), "semantic_f1", judgements(number))


def test_a_judge_that_agrees_is_told_from_one_that_does_not() -> None:
    found = calibration()
    assert (found.agreement.n, found.agreement.agreement, found.agreement.kappa, found.errors) == (30, 1.0, 1.0, 0)
    kind = calibrated(scripted_judge(lambda prompt: graded(1, 1)), "semantic_f1", judgements(30))
    assert kind.agreement.kappa == pytest.approx(0) and kind.agreement.bias == pytest.approx(0.5)


def test_fewer_than_30_labels_calibrate_nothing() -> None:
    with pytest.raises(DataError, match="29 labels of semantic_f1: a calibration needs 30; 1 more to go"):
        calibration(29)


def test_answers_without_a_score_are_counted_and_too_many_calibrate_nothing() -> None:
    def script(prompt: str) -> str:
        return graded(9, 9) if "q3\n" in prompt else honest(prompt)

    found = calibrated(scripted_judge(script), "semantic_f1", judgements(31))
    assert (found.agreement.n, found.errors) == (30, 1)
    with pytest.raises(DataError, match="gave no score to 1 of 30"):
        calibrated(scripted_judge(script), "semantic_f1", judgements(30))


def test_a_judge_that_changes_its_mind_is_found_out() -> None:
    asked: dict[str, int] = {}

    def fickle(prompt: str) -> str:
        asked[prompt] = asked.get(prompt, 0) + 1
        return honest(prompt) if asked[prompt] == 1 else graded(0, 0)

    found = calibrated(scripted_judge(fickle), "semantic_f1", judgements(30), repeats=3)
    assert found.repeats is not None and (found.repeats.answers, found.repeats.times) == (10, 3)
    assert found.repeats.changed > 0.3 and found.repeats.deviation > 0
    assert sum(asked.values()) == 30 + 10 * 2
    steady = calibration()
    assert steady.repeats is not None and (steady.repeats.changed, steady.repeats.deviation) == (0, 0)


def test_the_same_judgements_give_the_same_figures_and_are_paid_for_once() -> None:
    gateway = Gateway()
    judge = scripted_judge(honest, gateway)
    first = calibrated(judge, "semantic_f1", judgements(30))
    paid = gateway.usage.calls
    again = calibrated(judge, "semantic_f1", judgements(30)[::-1])
    assert replace(again, time="") == replace(first, time="")
    assert gateway.usage.calls == paid == 50


def test_a_calibration_is_kept_for_its_judge_alone(tmp_path: Path) -> None:
    path, found = tmp_path / "calibration.json", calibration()
    keep_calibration(path, found)
    keep_calibration(path, replace(found, prompt="another", errors=3))
    keep_calibration(path, replace(found, errors=1))
    assert find_calibration(path, "semantic_f1", found.model, found.prompt) == replace(found, errors=1)
    assert len(json.loads(path.read_text("utf-8"))["calibrations"]) == 2
    assert find_calibration(path, "semantic_f1", found.model, "changed") is None
    assert find_calibration(path, "semantic_f1", "openai/other", found.prompt) is None
    assert find_calibration(path, "tone", found.model, found.prompt) is None


def test_a_damaged_or_newer_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text("{", "utf-8")
    with pytest.raises(DataError, match=r"calibration.json is damaged: restore it"):
        find_calibration(path, "semantic_f1", "m", "p")
    path.write_text('{"schema": 2, "calibrations": []}', "utf-8")
    with pytest.raises(DataError, match="schema 2 is newer"):
        find_calibration(path, "semantic_f1", "m", "p")


def test_figures_are_marked_until_the_judge_is_calibrated() -> None:
    unknown = Judged("semantic_f1", "openai/gpt-judge", "p")
    assert marked("semantic_f1", unknown) == "semantic_f1 (judge not calibrated)"
    assert unknown.as_json()["calibrated"] is False and "30 labels of your own" in unknown.sentence
    known = replace(unknown, calibration=calibration())
    assert marked("semantic_f1", known) == "semantic_f1"
    assert known.sentence == "Judged by openai/gpt-judge, calibrated on 30 labels, agreement 100%, κ 1.00."
    few = replace(known, calibration=replace(calibration(), agreement=replace(calibration().agreement, n=29)))
    assert marked("semantic_f1", few) == "semantic_f1 (judge not calibrated)"
