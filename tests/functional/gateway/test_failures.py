"""What a provider refuses for good ends the run at once; what a second command of the task does meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provider import always
from scenes import FEW, KEY, THREADS, Scene


@pytest.mark.parametrize("fault", ["key echoed", "no credit", "unknown model"])
def test_a_refusal_for_good_in_the_middle_stops_with_one_line(scene: Scene, fault: str) -> None:
    plan = always(fault)
    scene.provider.faults = lambda asked: plan(asked) if asked.number > 15 else None
    done = scene.compile(*FEW)
    assert done.returncode == 2, done.stderr
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr and KEY not in done.stderr
    assert scene.asked <= 15 + THREADS
    scene.provider.faults = None
    before, known = scene.asked, scene.in_journal()
    again = scene.compile(*FEW)
    assert again.returncode == 0, again.stderr
    assert again.json["cost"]["calls"] - known == scene.asked - before


def test_a_second_compile_of_the_task_waits_and_says_so(scene: Scene, tmp_path: Path) -> None:
    first = scene.start("compile", "--json", *FEW)
    first.until(lambda: scene.asked >= 5)
    second = scene.start("compile", "--json", *FEW, "--events", str(tmp_path / "events.jsonl"))
    one, other = first.wait(), second.wait()
    assert (one.returncode, other.returncode) == (0, 0), one.stderr + other.stderr
    assert "another compile" in other.stderr and "waiting" in other.stderr
    assert (other.json["id"], other.json["paid_calls"]) == (one.json["id"], 0)
    assert max(scene.provider.counts().values()) == 1
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text("utf-8").splitlines()]
    assert {"at", "event"} <= set(lines[0]) and lines[-1]["event"] == "result"
    assert {"paid", "concurrency", "retries", "spent"} <= set(next(x for x in lines if x["event"] == "working")["seen"])
