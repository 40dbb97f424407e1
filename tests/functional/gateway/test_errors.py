"""Errors are waited out, asked again or counted, and never change a score."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kills import Clean, undisturbed
from launcher import Launcher
from provider import FAULTS, Answer, Asked, Provider, always, at_rates, rate_limited
from scenes import FEW, THREADS, Scene, configure, stage

HASTY = """
from ragc.models.gateway import _gateway, _retry
_gateway.IN_A_RUN = _retry.Retry(attempts=3, first=0.02, patience=None)
"""
"""Retries as ever, but sooner over."""
NEVER_AGAIN = HASTY.replace("attempts=3", "attempts=1")


@pytest.fixture(scope="module")
def clean(shared: Scene) -> Clean:
    return undisturbed(shared, *FEW)


@pytest.fixture
def scene(shared: Scene) -> Scene:
    """In this module: the shared one, as if nothing had been done, and a provider in order."""
    shared.forget()
    shared.provider.faults = None
    return shared


def questions(scene: Scene, split: str) -> list[str]:
    """The questions of a split; there is one once something was compiled."""
    folder = scene.root / "data" / "allotments"
    splits = json.loads((folder / "splits.json").read_text("utf-8"))["splits"]
    examples = [json.loads(line) for line in (folder / "examples.jsonl").read_text("utf-8").splitlines()]
    return [one["question"] for one in examples if splits[one["id"]] == split]


def about(asked: Asked, some: list[str]) -> bool:
    return any(question in asked.text for question in some)


def test_a_provider_in_trouble_gives_the_same_scores_and_no_error(scene: Scene, clean: Clean) -> None:
    scene.provider.faults = at_rates({"429": 0.3, "500": 0.05, "half": 0.01, "cut": 0.01}, seed=3)
    done = scene.compile(*FEW)
    assert done.returncode == 0, done.stderr
    assert scene.asked > 1.3 * clean.calls
    assert done.json["id"] == clean.done.json["id"]
    assert (done.json["test"]["compiled"]["errors"], done.json["validation"]["compiled"]["errors"]) == (0, 0)
    assert scene.provider.counts(delivered=True) == clean.counts
    assert done.json["cost"] == clean.done.json["cost"], "what failed costs nothing"


def test_a_refusal_for_asking_too_fast_uses_up_time_and_not_attempts(scene: Scene, clean: Clean) -> None:
    scene.compile(*FEW)
    one = questions(scene, "test")[:1]
    scene.forget()
    scene.provider.faults = lambda asked: "429" if about(asked, one) and asked.occurrence <= 6 else None
    done = scene.compile(*FEW)
    assert (done.returncode, done.json["id"]) == (0, clean.done.json["id"]), done.stderr
    assert max(scene.provider.counts().values()) == 7


def test_errors_are_seen_where_nothing_is_tried_again(scene: Scene, clean: Clean) -> None:
    scene.provider.faults = at_rates({"500": 0.3}, seed=1)
    done = scene.compile(*FEW, before=NEVER_AGAIN)
    assert done.returncode in (0, 2, 3), done.stderr
    assert done.returncode or done.json["test"]["compiled"]["errors"] + done.json["test"]["baseline"]["errors"] > 0


def failing_first(some: Callable[[Asked], bool], times: int) -> Callable[[Asked], str | None]:
    return lambda asked: "500" if some(asked) and asked.occurrence <= times else None


def test_what_was_not_answered_is_asked_again_before_the_test(scene: Scene, clean: Clean) -> None:
    scene.compile(*FEW)
    validation, test = questions(scene, "validation"), questions(scene, "test")
    scene.forget()
    some = validation[-2:]
    scene.provider.faults = failing_first(lambda asked: about(asked, some) and len(asked.messages) <= 2, 3)
    done = scene.compile(*FEW, before=HASTY)
    assert done.returncode == 0, done.stderr
    assert done.json["id"] == clean.done.json["id"]
    again = [asked for asked in scene.provider.requests if asked.occurrence == 4]
    first_test = next(asked.number for asked in scene.provider.requests if about(asked, test))
    assert [about(asked, some) for asked in again] == [True, True]
    assert max(asked.number for asked in again) < first_test
    asked = scene.asked
    replayed = scene.compile(*FEW, "--replay", env={})
    assert (replayed.returncode, replayed.json["id"], scene.asked) == (0, done.json["id"], asked), replayed.stderr


def test_a_kill_after_asking_again_changes_nothing(scene: Scene, clean: Clean) -> None:
    scene.compile(*FEW)
    validation, test = questions(scene, "validation"), questions(scene, "test")
    plan = failing_first(lambda asked: about(asked, validation[2:3]) and len(asked.messages) > 2, 3)
    scene.forget()
    scene.provider.faults = plan
    whole = scene.compile(*FEW, before=HASTY)
    assert whole.returncode == 0, whole.stderr
    scene.forget()
    running = scene.start("compile", "--json", *FEW, before=HASTY)
    running.until(lambda: any(about(asked, test) for asked in scene.provider.requests))
    running.kill()
    before, known = scene.asked, scene.in_journal()
    done = scene.compile(*FEW, before=HASTY)
    assert done.json["id"] == whole.json["id"]
    assert scene.asked - before <= clean.calls - known + 1


@pytest.mark.parametrize("how", ["test", "candidates"])
def test_more_errors_than_the_task_allows_stop_the_run_which_seals_what_it_has(
    tmp_path: Path, hosted_model: Provider, launcher: Launcher, how: str
) -> None:
    scene = stage(tmp_path, hosted_model, launcher, questions=40)
    share = 12 + 2 * 12 + 20 if how == "test" else 12 + 4
    configure(scene.root, 'optimizer = "labeled"', 'optimizer = "labeled"\nmax_error_rate = 0.1')
    hosted_model.faults = lambda asked: "context exceeded" if asked.number > share else None
    done = scene.compile(*FEW, "--threads", "1")
    assert (done.returncode, done.json["stopped"]) == (3, "errors"), done.stderr
    assert "max_error_rate is 0.1" in done.stderr and "context" in done.stderr
    assert (done.json["verdict"], done.json["sealed"]) == ("not tested", "candidate")
    assert scene.asked < share + 60
    assert scene.run("verify").returncode == 0


def test_a_test_that_stays_unanswered_is_not_tested(scene: Scene, clean: Clean) -> None:
    scene.compile(*FEW)
    test = questions(scene, "test")
    scene.forget()
    scene.provider.faults = lambda asked: "500" if about(asked, test) else None
    done = scene.compile(*FEW, before=HASTY)
    assert done.json["verdict"] == "not tested", done.stderr
    assert done.json["test"]["difference"] is None and done.json["test"]["ci_low"] is None
    scene.provider.faults = None
    again = scene.compile(*FEW)
    assert (again.returncode, again.json["verdict"]) == (0, clean.done.json["verdict"])


def test_errors_of_one_example_stand_in_the_record_and_are_scored_by_nobody(scene: Scene, clean: Clean) -> None:
    scene.compile(*FEW)
    one = questions(scene, "test")[:1]
    scene.forget()
    scene.provider.faults = lambda asked: "prompt refused" if about(asked, one) else None
    done = scene.compile(*FEW)
    assert done.returncode == 0, done.stderr
    found = done.json["test"]
    assert [(found[side]["n"], found[side]["errors"]) for side in ("baseline", "compiled")] == [(9, 1), (9, 1)]
    assert sum(count > 1 for count in scene.provider.counts().values()) == 0, "what cannot be answered is asked once"
    record = (scene.root / "compiled" / "allotments" / "report.html").read_text("utf-8")
    assert "content filter" in record
    asked = scene.asked
    replayed = scene.compile(*FEW, "--replay", env={})
    assert (replayed.json["id"], scene.asked) == (done.json["id"], asked), replayed.stderr


STUBBORN = """
import contextlib

def stubborn(program, run):
    for number in range(20):
        candidate = program.deepcopy()
        candidate.respond.signature = candidate.respond.signature.with_instructions(f"Answer in {number} words.")
        with contextlib.suppress(Exception):
            run.evaluate(candidate, f"stubborn {number}")
    return program
"""


@pytest.mark.parametrize("fault", ["401", "unknown model", "no credit"])
def test_a_refusal_for_good_ends_the_run_whatever_the_optimizer_swallows(scene: Scene, fault: str) -> None:
    (scene.root / "optimizers" / "stubborn.py").write_text(STUBBORN, "utf-8")
    scene.provider.faults = lambda asked: fault if asked.number > 10 else None
    done = scene.run("compile", "--optimizer", "stubborn")
    assert done.returncode == 2
    assert scene.asked <= 10 + THREADS
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == done.stderr.splitlines()[-1:]


DAY = 24 * 3600


def test_a_provider_that_asks_for_a_day_is_waited_for_and_that_is_said(scene: Scene, tmp_path: Path) -> None:
    scene.provider.faults = always(rate_limited(DAY))  # nothing else will ever happen
    events = tmp_path / "events.jsonl"
    running = scene.start("compile", *FEW, "--events", str(events))
    assert running.until(lambda: "waiting 1 d" in running.stderr, timeout=30) and not running.has_ended
    assert "openai/scripted asks to wait (Retry-After): waiting 1 d" in running.stderr
    running.signal(2)
    done = running.wait(timeout=20)
    assert done.returncode == 130, done.stderr
    assert scene.asked <= THREADS, "those that were in flight when the first was told to wait, and no other"
    told = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
    assert any("waiting 1 d" in line.get("text", "") for line in told)


def test_a_provider_that_asks_for_longer_than_the_run_may_take_stops_it(scene: Scene) -> None:
    scene.provider.faults = lambda asked: rate_limited(DAY) if asked.number > 25 else None
    began = time.monotonic()
    done = scene.compile(*FEW, "--budget-seconds", "60")
    assert time.monotonic() - began < 30
    assert (done.returncode, done.json["stopped"]) == (3, "time"), done.stderr
    assert "waiting 1 d" in done.stderr


def test_answers_of_no_use_cost_what_they_cost_and_are_no_wrong_answers(scene: Scene, clean: Clean) -> None:
    """A content filter that kept the answer back is paid for, and is that example's error."""
    scene.compile(*FEW)
    one = questions(scene, "test")[:1]
    scene.forget()
    withheld = FAULTS["content filter"]

    def filtered(asked: Asked) -> Any:
        return (lambda asked, answer: withheld(asked, Answer())) if about(asked, one) else None

    scene.provider.faults = filtered
    done = scene.compile(*FEW)
    assert done.returncode == 0, done.stderr
    assert done.json["test"]["compiled"]["errors"] == 1
    assert done.json["cost"]["calls"] == done.json["paid_calls"] == clean.calls == scene.asked
    assert done.json["cost"]["usd"] == pytest.approx(done.json["paid_usd"])
