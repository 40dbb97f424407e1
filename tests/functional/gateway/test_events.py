"""`--events`: what happens, for machines, one JSON object a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kills import Clean, undisturbed
from provider import always, at_rates
from scenes import FEW, KEY, THREADS, Scene

CAP = 0.5


@pytest.fixture(scope="module")
def clean(shared: Scene) -> Clean:
    return undisturbed(shared, *FEW)


@pytest.fixture
def scene(shared: Scene) -> Scene:
    """In this module: the shared one, as if nothing had been done, and a provider in order."""
    shared.forget()
    shared.provider.faults = None
    return shared


def told(file: Path) -> list[dict[str, Any]]:
    """The events in a file, each of which is a whole line."""
    text = file.read_text("utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_says_what_was_paid_and_how_fast(scene: Scene, clean: Clean, tmp_path: Path) -> None:
    scene.provider.faults = at_rates({"429": 0.2, "500": 0.1}, seed=2)
    file = tmp_path / "new" / "events.jsonl"
    done = scene.compile(*FEW, "--budget-usd", str(CAP), "--events", str(file))
    events = told(file)
    assert {event["event"] for event in events} <= {"working", "finished", "warned", "result"}
    times = [datetime.fromisoformat(event["at"]) for event in events]
    assert times == sorted(times) and all(time.tzinfo == UTC for time in times)
    seen = [event["seen"] for event in events if event["event"] == "working" and event["seen"]]
    for one in seen:
        assert one.keys() >= {"paid", "hits", "calls_per_second", "concurrency", "retries", "spent", "cap"}
        assert one["paid"].keys() >= {"calls", "input_tokens", "output_tokens", "cached_input_tokens", "usd"}
        assert 1 <= one["concurrency"] <= THREADS or not one["paid"]["calls"]
        assert one["cap"] == CAP
        assert one["spent"] is None or one["spent"] <= CAP
    for name in ("calls", "input_tokens", "output_tokens"):
        values = [one["paid"][name] for one in seen]
        assert values == sorted(values) and values[-1] > 0
    assert seen[-1]["paid"]["calls"] == clean.calls == done.json["paid_calls"]
    assert seen[-1]["retries"] == scene.asked - clean.calls > 0
    assert seen[-1]["spent"] == pytest.approx(done.json["paid_usd"])
    assert seen[-1]["hits"] == 0
    last = events[-1]
    assert last.pop("event") == "result" and last.pop("at")
    assert last == done.json


def test_what_a_kill_leaves_is_whole_and_the_next_command_writes_on(scene: Scene, clean: Clean, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    running = scene.start("compile", *FEW, "--events", str(file))
    running.until(lambda: scene.asked >= clean.calls // 2)
    running.kill()
    before = told(file)
    assert before and "result" not in {event["event"] for event in before}
    assert scene.run("compile", *FEW, "--events", str(file)).returncode == 0
    events = told(file)
    assert events[: len(before)] == before
    assert any(event.get("label") == "goes on" for event in events[len(before) :])
    assert events[-1]["event"] == "result"


def test_a_refusal_is_the_last_event_without_the_key(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    scene.provider.faults = always("key echoed")
    done = scene.compile(*FEW, "--events", str(file))
    assert done.returncode == 2
    last = told(file)[-1]
    assert (last["event"], last["kind"]) == ("error", "ModelRefused")
    assert last["text"] in done.stderr and "OUR_KEY" in last["text"]
    assert KEY not in file.read_text("utf-8")


def test_a_file_that_cannot_be_written_is_said_before_anything_is_asked(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = scene.compile(*FEW, "--events", str(tmp_path / "file" / "events.jsonl"))
    assert (done.returncode, scene.asked) == (2, 0)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: cannot write ") and "events.jsonl" in line


def test_what_is_seen_on_the_terminal_has_the_same_figures(scene: Scene, clean: Clean) -> None:
    scene.provider.latency = 0.3
    scene.provider.faults = at_rates({"500": 0.2}, seed=4)
    done = scene.run("compile", *FEW, "--budget-usd", str(CAP))
    scene.provider.latency = 0.01
    assert done.returncode == 0, done.stderr
    shown = [line for line in done.stderr.splitlines() if "calls, " in line and "/s" in line]
    assert shown and all(f"of ${CAP:g}" in line for line in shown)
    assert any("tried again" in line and "at once" in line for line in shown)
