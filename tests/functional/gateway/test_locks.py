"""Commands at the same time: one compile of a task, one request a prompt, and no lock that outlives its process."""

from __future__ import annotations

import signal

import pytest

from kills import Clean, undisturbed
from scenes import FEW, THREADS, Scene

SECOND = """

[tool.ragc.tasks.second]
program = "programs.grounded:GroundedAnswer"
corpus = "data/allotments/corpus"
examples = "data/allotments/examples.jsonl"
metric = "answer_f1"
optimizer = "labeled"
"""


@pytest.fixture(scope="module")
def clean(shared: Scene) -> Clean:
    return undisturbed(shared, *FEW)


@pytest.fixture
def scene(shared: Scene) -> Scene:
    """In this module: the shared one, as if nothing had been done."""
    shared.forget()
    shared.provider.latency = 0.01
    return shared


@pytest.fixture
def two_tasks(scene: Scene) -> Scene:
    """The same project with a second task that asks the same; its index is there."""
    file = scene.root / "pyproject.toml"
    if SECOND not in file.read_text("utf-8"):
        file.write_text(file.read_text("utf-8") + SECOND, "utf-8")
    assert scene.run("index", "allotments").returncode == scene.run("index", "second").returncode == 0
    return scene


def test_a_stopped_compile_keeps_the_second_one_waiting_and_a_killed_one_does_not(scene: Scene, clean: Clean) -> None:
    first = scene.start("compile", *FEW)
    first.until(lambda: scene.asked >= 10)
    first.signal(signal.SIGSTOP)
    second = scene.start("compile", "--json", *FEW)
    assert second.until(lambda: "another compile" in second.stderr and "waiting" in second.stderr, timeout=30)
    assert not second.until(lambda: False, timeout=0.5), "it waits"
    asked = scene.asked
    first.kill()
    done = second.wait()
    assert (done.returncode, done.json["id"]) == (0, clean.done.json["id"]), done.stderr
    assert scene.asked > asked and (scene.provider.counts() - clean.counts).total() <= THREADS


def test_who_waits_can_be_interrupted(scene: Scene) -> None:
    first = scene.start("compile", *FEW)
    first.until(lambda: scene.asked >= 5)
    first.signal(signal.SIGSTOP)
    second = scene.start("compile", *FEW)
    assert second.until(lambda: "another compile" in second.stderr, timeout=30)
    second.signal(signal.SIGINT)
    done = second.wait(timeout=10)
    first.kill()
    assert done.returncode == 130 and "Traceback" not in done.stderr


def test_a_replay_and_a_dry_run_wait_for_nobody(scene: Scene, clean: Clean) -> None:
    scene.compile(*FEW)
    running = scene.start("compile", *FEW, "--fresh")
    running.until(lambda: scene.asked >= clean.calls + 5)
    running.signal(signal.SIGSTOP)
    for words in (["compile", *FEW, "--replay"], ["compile", *FEW, "--dry-run"], ["journal"]):
        done = scene.run(*words)
        assert done.returncode == 0, done.stderr
        assert "another compile" not in done.stderr
    running.kill()


def test_two_tasks_that_share_a_journal_ask_the_same_prompt_once(two_tasks: Scene, clean: Clean) -> None:
    scene = two_tasks
    scene.provider.latency = 0.1  # so long that they meet
    both = [scene.start("compile", name, "--json", *FEW) for name in ("allotments", "second")]
    first, second = (one.wait() for one in both)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert scene.provider.counts() == clean.counts
    paid = [done.json["paid_calls"] for done in (first, second)]
    assert sum(paid) == clean.calls
    assert first.json["cost"] == second.json["cost"] == clean.done.json["cost"]


def test_what_a_stopped_process_was_asking_is_asked_by_another_once_that_is_killed(
    two_tasks: Scene, clean: Clean
) -> None:
    scene = two_tasks
    scene.provider.latency = lambda asked: 0.01 if asked.number <= 10 else 2.0
    first = scene.start("compile", "allotments", *FEW)
    first.until(lambda: scene.asked >= 10 + THREADS)
    first.signal(signal.SIGSTOP)
    scene.provider.latency = 0.01
    flying = scene.in_journal("flights")
    assert flying == THREADS
    second = scene.start("compile", "second", "--json", *FEW)
    assert not second.until(lambda: False, timeout=4.0), "it waits for what is in flight"
    assert max(scene.provider.counts().values()) == 1
    first.kill()
    done = second.wait()
    assert done.returncode == 0, done.stderr
    assert (scene.provider.counts() - clean.counts).total() == flying
