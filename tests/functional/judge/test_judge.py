"""`ragc judge`: a judged figure is marked until people have judged the same answers."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ragc
from conftest import RunRagc
from provider import Provider
from ragc.compiler import calibrate, export_judgements, open_judging
from ragc.errors import ConfigError, DataError
from ragc.evaluation.judge import marked


def labels_for(listed: dict[str, Any], file: Path, number: int) -> None:
    levels = ["right", "wrong", "partly"]
    lines = [{"id": one["id"], "label": levels[place % 3]} for place, one in enumerate(listed["items"][:number])]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def test_figures_are_marked_until_30_labels_calibrate_the_judge(
    judged_project: Path, hosted_model: Provider, run_ragc: RunRagc, tmp_path: Path
) -> None:
    before = ragc.evaluate(project=judged_project, uncompiled=True)
    assert before.judged is not None and marked(before.metric, before.judged) == "semantic_f1 (judge not calibrated)"
    ragc.evaluate(project=judged_project, uncompiled=True, split="train")
    asked = len(hosted_model.requests)
    listed = json.loads(run_ragc("judge", "--json", cwd=judged_project).stdout)
    assert len(listed["items"]) >= 30 and (listed["labels"], listed["needed"]) == (0, 30)
    assert {key for item in listed["items"] for key in item} == {
        *("id", "metric", "question", "accepted", "answer", "context")
    }
    assert len(hosted_model.requests) == asked  # the journal has all of it
    labels = tmp_path / "labels.jsonl"
    labels_for(listed, labels, 30)
    done = run_ragc("judge", "--import", labels, cwd=judged_project)
    assert done.returncode == 0 and "agreement" in done.stdout and "kappa" in done.stdout, done.stderr
    after = run_ragc("eval", "--uncompiled", cwd=judged_project)
    assert "not calibrated" not in after.stdout and "calibrated on 30 labels" in after.stdout
    file = judged_project / "pyproject.toml"
    file.write_text(file.read_text("utf-8").replace("openai/gpt-judge", "openai/gpt-other"), "utf-8")
    other = ragc.evaluate(project=judged_project, uncompiled=True)
    assert other.as_json()["judge"]["note"] == "not calibrated"


def test_a_person_judges_blind_with_keys_and_goes_on_later(judged_project: Path, tmp_path: Path) -> None:
    first = _typed(judged_project, "rwbpsq")
    assert "gpt" not in first and "scripted" not in first and "uncompiled" not in first
    path = judged_project / "data" / "allotments" / "judgements.jsonl"
    assert [json.loads(line)["label"] for line in path.read_text("utf-8").splitlines()] == ["right", "wrong", "partly"]
    judging = open_judging(project=judged_project)
    assert sorted(one.label for one in judging.judgements.values()) == ["partly", "right"]
    asked = [line["question"] for line in map(json.loads, path.read_text("utf-8").splitlines())]
    second = _typed(judged_project, "q")
    assert not any(question in second for question in asked)
    assert "2 of 30, kept in" in second


def _typed(cwd: Path, keys: str) -> str:
    """What `ragc judge` prints on a terminal at which `keys` are typed, one an answer."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "ragc", "judge"], cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    seen, told, end = b"", 0, time.monotonic() + 110
    os.set_blocking(ours, False)
    while running.poll() is None and time.monotonic() < end:
        try:
            seen += os.read(ours, 65536)
        except BlockingIOError:
            time.sleep(0.02)
        except OSError:
            break
        if seen.count(b"quit (q)") > told and told < len(keys):
            os.write(ours, keys[told].encode())
            told += 1
    if running.poll() is None:
        running.kill()
    running.wait()
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:
        pass
    os.close(ours)
    assert running.returncode == 0, seen.decode()
    return " ".join(seen.decode().split())


def test_what_cannot_be_used_is_one_line_and_nothing_is_lost(
    judged_project: Path, run_ragc: RunRagc, tmp_path: Path
) -> None:
    done = run_ragc("judge", cwd=judged_project)
    assert done.returncode == 2 and "no terminal to judge in: --json lists" in done.stderr
    judging = open_judging(project=judged_project)
    labels = tmp_path / "labels.jsonl"
    labels_for({"items": [item.shown() for item in judging.items]}, labels, 3)
    assert judging.take(labels) == 3
    kept = judging.path.read_bytes()
    labels.write_text('{"id": "nobody", "label": "right"}\n', "utf-8")
    with pytest.raises(DataError, match='unknown id "nobody"'):
        judging.take(labels)
    with pytest.raises(DataError, match=r"3 labels of semantic_f1: a calibration needs 30; judge 27 more"):
        calibrate(project=judged_project)
    assert export_judgements(tmp_path / "judge.jsonl", project=judged_project) == 3
    with pytest.raises(ConfigError, match='metric "answer_f1" is not judged'):
        open_judging(project=judged_project, metric="answer_f1")
    examples = judged_project / "data" / "allotments" / "examples.jsonl"
    gone = next(iter(open_judging(project=judged_project).judgements.values())).item.example
    examples.write_text(
        "".join(line for line in examples.read_text("utf-8").splitlines(keepends=True) if f'"{gone}"' not in line),
        "utf-8",
    )
    with pytest.raises(DataError, match=f'judges example "{gone}", which the task no longer has'):
        open_judging(project=judged_project)
    assert judging.path.read_bytes() == kept
    file = judged_project / "pyproject.toml"
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("judge")]
    file.write_text("\n".join(lines), "utf-8")
    done = run_ragc("judge", "--calibrate", cwd=judged_project)
    assert done.returncode == 2 and 'judge = "openai/gpt-5"' in done.stderr


def test_a_judged_compile_is_marked_on_card_and_page_and_replays(judged_project: Path, hosted_model: Provider) -> None:
    first = ragc.compile(project=judged_project)
    assert first.artifact is not None and first.usage is not None and first.id is not None
    for name in ("card.md", "report.html"):
        assert "judge not calibrated" in (first.artifact / name).read_text("utf-8")
    assert first.as_json()["judge"]["model"] == "openai/gpt-judge"
    judged = [asked for asked in hosted_model.requests if "references" in asked.prompt]
    assert first.compiled_test is not None
    assert 0 < first.compiled_test.judging.calls <= len(judged) < first.usage.calls
    assert all(outcome.calls == 1 for outcome in first.compiled_test.outcomes)
    asked = len(hosted_model.requests)
    again = ragc.compile(project=judged_project, replay=True)
    assert again.id == first.id and len(hosted_model.requests) == asked
    file = judged_project / "pyproject.toml"
    file.write_text(file.read_text("utf-8").replace("openai/gpt-judge", "openai/gpt-other"), "utf-8")
    with pytest.raises(ConfigError, match="changed since then: judge;"):
        ragc.compile(project=judged_project, replay=first.id)


def test_a_cap_that_judging_would_pass_is_refused_before_anything_is_paid(
    judged_project: Path, hosted_model: Provider
) -> None:
    with pytest.raises(ragc.BudgetError, match="cannot fund baseline, one candidate and the final test"):
        ragc.compile(project=judged_project, budget={"calls": 50})
    assert not hosted_model.requests
    looked = ragc.compile(project=judged_project, dry_run=True)
    assert not hosted_model.requests
    done = ragc.compile(project=judged_project)
    assert done.usage is not None and looked.estimate.usd is not None and done.usage.usd is not None
    assert done.usage.calls <= looked.estimate.calls[1]
    assert done.usage.usd <= looked.estimate.usd[1]


def test_a_comparison_says_who_judged(judged_project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("compare", "--arm", "k=1", cwd=judged_project)
    assert "Judged by openai/gpt-judge, not calibrated" in done.stdout, done.stderr


def test_a_judge_is_compiled_like_any_program_and_is_another_judge_then(
    judged_project: Path, hosted_model: Provider, tmp_path: Path
) -> None:
    judging = open_judging(project=judged_project)
    labels = tmp_path / "labels.jsonl"
    labels_for({"items": [item.shown() for item in judging.items]}, labels, 33)
    judging.take(labels)
    export_judgements(judged_project / "data" / "judge.jsonl", project=judged_project)
    with (judged_project / "pyproject.toml").open("a") as configuration:
        configuration.write(
            '\n[tool.ragc.tasks.judge]\nprogram = "programs.judge:Judge"\ncorpus = "data/allotments/corpus"\n'
            'examples = "data/judge.jsonl"\nmetric = "exact_match"\noptimizer = "bootstrap"\n'
        )
    compiled = ragc.compile("judge", project=judged_project, settings={"candidates": "1"})
    assert compiled.artifact is not None and compiled.baseline is not None and compiled.baseline.errors == 0
    plain = ragc.evaluate("allotments", project=judged_project, uncompiled=True)
    file = judged_project / "pyproject.toml"
    text = file.read_text("utf-8").replace('"semantic_f1"', "\"semantic_f1(judge='compiled/judge')\"")
    file.write_text(text, "utf-8")
    own = ragc.evaluate("allotments", project=judged_project, uncompiled=True)
    assert plain.judged is not None and own.judged is not None
    assert own.evaluation.n == plain.evaluation.n
    assert compiled.sealed == "candidate"
    assert own.judged.prompt != plain.judged.prompt
    judged = [asked for asked in hosted_model.requests if "references" in asked.text]
    assert len(judged[-1].messages) > len(judged[0].messages)  # with demonstrations
    with pytest.raises(DataError, match=r"1\d labels of semantic_f1 that compiled/judge was tested on: a calibration"):
        calibrate("allotments", project=judged_project)  # of 33 labels, half were not seen
    text = text.replace("compiled/judge", "compiled/nothing")
    file.write_text(text, "utf-8")
    with pytest.raises(ragc.ArtifactError, match="compiled/nothing"):
        ragc.evaluate("allotments", project=judged_project, uncompiled=True)
