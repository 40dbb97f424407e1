"""What ends a run before its time: Ctrl-C, kill -9, errors, a refused key."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import ragc
from conftest import RunRagc
from provider import Answer, Asked, Provider
from ragc.artifact import verify
from ragc.errors import ModelError
from ragc.evaluation import TooManyErrors

from .conftest import KEY, configure, heed_interrupts


def test_ctrl_c_seals_the_best_so_far_and_exits_130(hosted_project: Path, hosted_model: Provider) -> None:
    script, seen = hosted_model.script, threading.Event()

    def slow(asked: Asked) -> Answer | str:
        if len(hosted_model.requests) > 36:  # the second candidate has begun
            seen.set()
            time.sleep(0.2)
        return script(asked)

    hosted_model.script = slow
    process = subprocess.Popen(
        [sys.executable, "-m", "ragc", "compile", "--set", "candidates=20", "--threads", "2", "--json"],
        cwd=hosted_project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    assert seen.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    found = json.loads(out)
    assert (found["stopped"], found["verdict"], found["sealed"]) == ("interrupted", "not tested", "candidate")
    assert "Traceback" not in err
    verify(hosted_project / "compiled" / "allotments")


def test_a_kill_at_any_moment_leaves_the_previous_artifact_whole(hosted_project: Path, hosted_model: Provider) -> None:
    before = ragc.compile(project=hosted_project).id
    command = [sys.executable, "-m", "ragc", "compile", "--seed", "1", "--fresh"]
    found = []
    for calls in (0, 10, 20, 5):
        hosted_model.requests.clear()
        process = subprocess.Popen(command, cwd=hosted_project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(hosted_model.requests) < calls and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.wait()
        found.append(verify(hosted_project / "compiled" / "allotments").id)
    assert found[:3] == [before] * 3
    subprocess.run(command, cwd=hosted_project, check=True, capture_output=True)
    after = verify(hosted_project / "compiled" / "allotments").id
    assert set(found) <= {before, after}


def test_errors_are_counted_and_too_many_stop_the_run(hosted_project: Path, hosted_model: Provider) -> None:
    hosted_model.script = lambda asked: "no field at all"
    configure(hosted_project, 'optimizer = "labeled"', 'optimizer = "labeled"\nmax_error_rate = 0.0')
    with pytest.raises(TooManyErrors, match="none of 12 validation questions was answered; the last error: "):
        ragc.compile(project=hosted_project, settings={"candidates": "2"})
    assert not (hosted_project / "compiled" / "allotments").exists()


def test_too_many_errors_name_the_last_one(hosted_project: Path, hosted_model: Provider) -> None:
    hosted_model.script = lambda asked: "no field at all"
    with pytest.raises(TooManyErrors, match="examples ended in an error"):
        ragc.evaluate("allotments", project=hosted_project, uncompiled=True, split="test")


def test_a_refused_key_stops_after_the_first_call_with_one_line(
    hosted_project: Path, hosted_model: Provider, run_ragc: RunRagc
) -> None:
    hosted_model.script = lambda asked: Answer(status=401)
    done = run_ragc("compile", "--threads", "1", cwd=hosted_project)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()[-1:]) == 1
    assert "OUR_KEY" in done.stderr
    assert KEY not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert len(hosted_model.requests) == 1


def test_a_missing_key_is_named_before_anything_is_asked(
    hosted_project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUR_KEY")
    with pytest.raises(ModelError, match="OUR_KEY"):
        ragc.compile(project=hosted_project)
    assert hosted_model.requests == []


def test_a_model_called_past_ragc_is_named(hosted_project: Path, hosted_model: Provider) -> None:
    file = hosted_project / "programs" / "grounded.py"
    text = file.read_text("utf-8").replace(
        "        passages = self.retrieve(question)\n",
        "        passages = self.retrieve(question)\n"
        "        with dspy.context(lm=dspy.utils.DummyLM([{'answer': 'x'}] * 500)):\n"
        "            dspy.Predict('question -> answer')(question=question)\n",
        1,
    )
    file.write_text(text, "utf-8")
    with pytest.raises(ModelError, match="dummy"):
        ragc.compile(project=hosted_project)
    assert not (hosted_project / "compiled" / "allotments").exists()
