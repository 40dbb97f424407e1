"""A comparison from its first call on: what is measured, what a second call adds, what a replay says."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import ragc
from ragc.artifact import verify
from scenes import Scene

from .conftest import LABELED, arms_of, forget, questions_of

FIRST = ("compare", "allotments", "--arm", "program=closed_book", "--arm", LABELED)
PROMISED = {
    "name", "score", "n", "errors", "difference", "ci_low", "ci_high", "p_value", "verdict", "usd_per_question",
    "latency_p50", "latency_p95",
}  # fmt: skip


@pytest.fixture(scope="module")
def first(shared: Scene) -> dict[str, Any]:
    """The first comparison of the project."""
    done = shared.run(*FIRST, "--json", "--threads", "4")
    assert done.returncode == 0, done.stderr
    return done.json


def test_every_arm_has_its_figures(shared: Scene, first: dict[str, Any]) -> None:
    assert [arm["name"] for arm in first["arms"]] == ["rag", "closed_book", "labeled+candidates=2"]
    assert all(set(arm) >= PROMISED for arm in first["arms"])
    rag, closed, compiled = first["arms"]
    assert rag["difference"] is None and rag["verdict"] is None and rag["usd_per_question"] > 0
    assert compiled["difference"] == pytest.approx(compiled["score"] - rag["score"])
    assert closed["recall"] is None and rag["recall"] > 0.5
    assert closed["tokens_per_question"] < rag["tokens_per_question"] < compiled["tokens_per_question"]
    assert first["paid_calls"] == first["cost"]["calls"] == shared.asked
    assert (first["verdict"].startswith("Keep `rag`") and first["report"] is None) or Path(first["report"]).is_file()


def test_arms_are_sealed_beside_compiled(shared: Scene, first: dict[str, Any]) -> None:
    assert not (shared.root / "compiled").exists()
    for arm in first["arms"]:
        (sealed,) = arm["artifacts"]
        manifest = verify(sealed["path"])
        assert manifest.id == sealed["id"] and manifest.task == "allotments"
        assert manifest.identity["scores"]["test"]["compiled"].keys() == questions_of(shared, "test").keys()
        assert Path(sealed["path"]).is_relative_to(shared.root / ".ragc" / "arms")
    optimizers = [verify(arm["artifacts"][0]["path"]).identity["optimizer"] for arm in first["arms"]]
    assert [one and one["name"] for one in optimizers] == [None, None, "labeled"]


def test_the_same_command_pays_nothing_and_finds_the_same(shared: Scene, first: dict[str, Any]) -> None:
    asked = shared.asked
    again = shared.run(*FIRST, "--json").json
    assert (arms_of(again), again["verdict"], again["openings"]) == (arms_of(first), first["verdict"], 1)
    assert (again["paid_calls"], shared.asked) == (0, asked)


def test_so_does_a_replay_without_key_and_network(shared: Scene, first: dict[str, Any]) -> None:
    asked = shared.asked
    done = shared.run(*FIRST, "--json", "--replay", env={})
    assert done.returncode == 0, done.stderr
    assert (arms_of(done.json), done.json["verdict"]) == (arms_of(first), first["verdict"])
    assert shared.asked == asked


def test_a_second_call_adds_an_arm_and_pays_for_it_alone(shared: Scene, first: dict[str, Any], tmp_path: Path) -> None:
    asked, tested = shared.asked, len(questions_of(shared, "test"))
    done = shared.run(
        "compare", "allotments", "--arm", "k=1", "--json", "--queries", "1000", "--csv", str(tmp_path / "arms.csv")
    )
    found = done.json
    assert [arm["name"] for arm in found["arms"]] == ["rag", "closed_book", "labeled+candidates=2", "k=1"]
    assert arms_of(found)["closed_book"]["score"] == arms_of(first)["closed_book"]["score"]
    assert 0 < shared.asked - asked <= tested + 5  # its pilot's questions beside
    assert shared.asked - asked == found["paid_calls"]
    with (tmp_path / "arms.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [arm["name"] for arm in found["arms"]]
    assert float(rows[0]["usd_per_month"]) == pytest.approx(1000 * found["arms"][0]["usd_per_question"])


def test_earlier_arms_can_be_left_out(shared: Scene, first: dict[str, Any]) -> None:
    done = shared.run("compare", "allotments", "--alone", "--arm", "k=1", "--dry-run", "--json")
    assert [arm["name"] for arm in done.json["arms"]] == ["rag", "k=1"]
    assert done.json["estimate"]["calls"][0] > 0 and done.json["paid_calls"] == 0


def test_power_is_told_before_anything_is_paid(shared: Scene, first: dict[str, Any]) -> None:
    asked = shared.asked
    found = shared.run("compare", "allotments", "--power", "--json", "--alone", "--arm", "k=1").json
    needed = [one["questions"] for one in found["needed"]]
    assert found["arms"] == 1 and needed == sorted(needed, reverse=True) and needed[0] > found["n"]
    assert found["observed"] == len(questions_of(shared, "validation"))
    assert shared.asked == asked


def test_what_a_person_reads_fits_80_columns(shared: Scene, first: dict[str, Any]) -> None:
    done = shared.run(*FIRST, "--margin", "0.02")
    table = [
        line for line in done.stdout.splitlines() if line.startswith(("arm ", "rag", "k=1", "closed_book", "label"))
    ]
    assert len(table) > 7 and max(map(len, table)) <= 80, done.stdout
    assert "verdict    Keep `rag`" in done.stdout and "labeled+candida…" in done.stdout


def test_python_has_the_answers_behind_the_figures(
    shared: Scene, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ragc.compare("allotments", arms=["program=closed_book", LABELED], project=shared.root, replay=True)
    rag = found.arm("rag").evaluations[0]
    assert [one.example for one in rag.outcomes] == [example.id for example in found.examples]
    assert all(one.answer and one.given and one.given[0].text for one in rag.outcomes)
    assert found.arm("labeled+candidates=2").candidates[0][0].label == "labeled 1"


def test_the_test_is_asked_question_by_question_and_never_while_searching(shared: Scene, first: dict[str, Any]) -> None:
    forget(shared)
    shared.run("compare", "allotments", "--alone", "--arm", "program=closed_book", "--arm", LABELED, "--threads", "1")
    test, validation = (questions_of(shared, split).items() for split in ("test", "validation"))
    asked = [next((i for i, text in [*test, *validation] if text in one.text), "") for one in shared.provider.requests]
    tested = {id_ for id_, _ in test}
    begun = next(place for place, id_ in enumerate(asked) if id_ in tested)
    assert not tested & set(asked[:begun]) and not set(asked[begun:]) & {id_ for id_, _ in validation}
    in_groups = asked[begun:]
    assert [len(set(in_groups[place : place + 3])) for place in range(0, len(in_groups), 3)] == [1] * len(test)
    demonstrations = [str(message) for one in shared.provider.requests for message in one.messages[:-1]]
    assert not [text for _, text in test if any(text in shown for shown in demonstrations)]
    openings = (shared.root / "data" / "allotments" / "openings.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in openings].count("opening") == 1
