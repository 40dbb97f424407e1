"""The journal answers a second compile, and a replay makes the same artifact without key, provider or network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher import Done, Launcher
from provider import Provider
from scenes import FEW, Scene, stage

NO_KEY: dict[str, str] = {}


@pytest.fixture(scope="module")
def first(shared: Scene) -> Done:
    """The first compile."""
    done = shared.compile(*FEW)
    assert done.returncode == 0, done.stderr
    return done


def test_a_second_unchanged_compile_asks_nothing(shared: Scene, first: Done) -> None:
    before = shared.asked
    again = shared.compile(*FEW)
    assert again.returncode == 0, again.stderr
    assert shared.asked == before
    assert (again.json["id"], again.json["cost"]) == (first.json["id"], first.json["cost"])
    assert again.json["paid_calls"] == 0


def test_a_replay_needs_neither_key_nor_provider(shared: Scene, first: Done) -> None:
    before = shared.asked
    done = shared.compile(*FEW, "--replay", env=NO_KEY)
    assert done.returncode == 0, done.stderr
    assert done.json["id"] == first.json["id"]
    done = shared.run("verify", "--replay", "--json", env=NO_KEY)
    assert done.returncode == 0, done.stderr
    assert (done.json["replayed"], done.json["differs"]) == (first.json["id"], [])
    assert shared.asked == before


def test_an_export_of_one_artifact_replays_in_another_copy(shared: Scene, first: Done, tmp_path: Path) -> None:
    export = tmp_path / "one.jsonl"
    done = shared.run("journal", "export", "--artifact", first.json["id"][:12], str(export))
    assert done.returncode == 0, done.stderr
    copy = tmp_path / "elsewhere"
    shutil.copytree(shared.root, copy, ignore=shutil.ignore_patterns(".ragc", "compiled"))
    other = Scene(copy, shared.provider, shared.launcher, tmp_path)
    before = shared.asked
    done = other.compile(*FEW, "--replay", str(export), env=NO_KEY)
    assert done.returncode == 0, done.stderr
    assert done.json["id"] == first.json["id"]
    assert shared.asked == before
    done = other.compile(*FEW, "--replay", env=NO_KEY)
    assert (done.returncode, done.stdout) == (2, "")
    assert "not in the journal" in done.stderr


def edit(name: str, before: str, after: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        file = root / name
        text = file.read_text("utf-8")
        assert before in text
        file.write_text(text.replace(before, after), "utf-8")

    return change


CHANGES = {
    "the prompt": (edit("programs/grounded.py", '"""', '"""Attention. '), "program"),
    "a document": (edit("data/allotments/corpus/water.md", "water", "Water"), "corpus"),
    "a label": (edit("data/allotments/examples.jsonl", '"£5"', '"£6"'), "examples"),
    "the model": (edit("pyproject.toml", "openai/scripted", "openai/other"), "lm"),
    "a setting": (edit("pyproject.toml", 'metric = "answer_f1"', 'metric = "answer_match"'), "metric"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_has_changed_since_is_named(shared: Scene, first: Done, tmp_path: Path, what: str) -> None:
    change, name = CHANGES[what]
    copy = tmp_path / "changed"
    shutil.copytree(shared.root, copy, ignore=shutil.ignore_patterns("journal.owners"))
    change(copy)
    scene = Scene(copy, shared.provider, shared.launcher, tmp_path)
    before = shared.asked
    for words in (["verify", "--replay"], ["compile", *FEW, "--replay"]):
        if words[0] == "verify" and what == "the model":  # an artifact is replayed with the model that made it
            continue
        done = scene.run(*words, env=NO_KEY)
        if words[0] == "compile" and what == "a label":  # nothing that is asked has changed
            assert done.returncode == 0, done.stderr
            assert f"have changed: {name}\n" in done.stderr
            continue
        assert done.returncode == 2, done.stdout
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert name in line, line
    assert shared.asked == before


def test_a_changed_flag_is_named(shared: Scene, first: Done) -> None:
    for words, name in ((["--set", "candidates=3"], "settings"), ([*FEW, "--seed", "7"], "seed")):
        done = shared.compile(*words, "--replay", env=NO_KEY)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith("error: not in the journal: ")
        assert name in done.stderr.splitlines()[-1]


def test_a_replay_without_a_journal_is_one_line(tmp_path: Path, hosted_model: Provider, launcher: Launcher) -> None:
    scene = stage(tmp_path, hosted_model, launcher)
    done = scene.compile(*FEW, "--replay", env=NO_KEY)
    assert (done.returncode, scene.asked) == (2, 0)
    assert done.stderr.splitlines()[-1].startswith("error: not in the journal: ")
    done = scene.compile(*FEW, "--replay", "missing.jsonl", env=NO_KEY)
    assert (done.returncode, scene.asked) == (2, 0)
    assert "missing.jsonl" in done.stderr.splitlines()[-1]


def test_fresh_asks_everything_anew_and_goes_on_when_it_was_killed(scene: Scene) -> None:
    scene.compile(*FEW)
    calls = scene.asked
    assert scene.compile(*FEW, "--fresh").json["paid_calls"] == calls
    assert scene.asked == 2 * calls
    running = scene.start("compile", "--json", *FEW, "--fresh")
    running.until(lambda: scene.asked >= 2 * calls + calls // 2)
    running.kill()
    held = scene.in_journal() - 2 * calls
    assert held > 0
    before = scene.asked
    done = scene.compile(*FEW, "--fresh")
    assert done.returncode == 0, done.stderr
    assert done.json["paid_calls"] == scene.asked - before == calls - held
    assert scene.in_journal() == 3 * calls
    again = scene.compile(*FEW)
    assert (again.json["id"], again.json["paid_calls"]) == (done.json["id"], 0)


def test_a_budget_stop_is_the_same_again_and_goes_on_when_the_cap_is_raised(scene: Scene) -> None:
    words = ("--set", "candidates=5")
    stopped = scene.compile(*words, "--budget-calls", "45")
    assert (stopped.returncode, stopped.json["stopped"]) == (3, "budget"), stopped.stderr
    assert scene.asked <= 45
    before = scene.asked
    again = scene.compile(*words, "--budget-calls", "45")
    assert (again.returncode, again.json["id"], scene.asked) == (3, stopped.json["id"], before)
    replayed = scene.compile(*words, "--replay", env=NO_KEY)
    assert (replayed.returncode, replayed.json["id"], scene.asked) == (3, stopped.json["id"], before), replayed.stderr
    raised = scene.compile(*words, "--budget-calls", "400")
    assert (raised.returncode, raised.json["stopped"]) == (0, None), raised.stderr
    assert raised.json["paid_calls"] == scene.asked - before
    assert max(scene.provider.counts().values()) == 1
    scene.forget()
    assert scene.compile(*words).json["id"] == raised.json["id"]


def test_the_events_of_a_replay_say_that_nothing_was_paid(shared: Scene, first: Done, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    shared.compile(*FEW, "--replay", "--events", str(events), env=NO_KEY)
    lines = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
    seen = [line["seen"] for line in lines if line["event"] == "working"]
    assert {one["paid"]["calls"] for one in seen} == {0}
    assert max(one["hits"] for one in seen) > 0
