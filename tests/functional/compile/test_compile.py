"""`ragc compile` from labels to a sealed artifact, on a scripted hosted model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import ragc
from conftest import RunRagc
from provider import Provider
from ragc.artifact import verify

from .conftest import configure, examples_of, learner

FIGURES = {"score", "n", "errors", "usd_per_question", "latency_p95"}


def test_compile_seals_what_demonstrations_taught(hosted_project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("compile", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    for label in ("allotments", "estimate", "baseline", "labeled", "test", "sealed", "cost", "use it"):
        assert re.search(rf"^{label} ", done.stdout, re.MULTILINE), label
    assert "better" in done.stdout
    assert 'from compiled import allotments; allotments(question="…").answer' in done.stdout
    assert "\x1b" not in done.stdout
    asked = subprocess.run(
        [
            sys.executable,
            "-c",
            "from compiled import allotments; p = allotments(question='How much does it cost to join the waiting"
            " list?'); print(p.answer); print(len(p.citations)); print(p.provenance['artifact'])",
        ],
        cwd=hosted_project,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer, _, identity = asked.stdout.split("\n")[:3]
    assert answer
    assert identity == verify(hosted_project / "compiled" / "allotments").id


def test_json_is_one_object_with_the_promised_keys(hosted_project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("compile", "--json", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) >= {
        "artifact", "id", "task", "optimizer", "metric", "validation", "test", "detectable_gain", "verdict", "sealed",
        "cost", "paid_usd", "paid_calls", "seconds", "stopped",
    }  # fmt: skip
    assert set(found["validation"]["baseline"]) == set(found["test"]["compiled"]) == FIGURES
    assert set(found["test"]) == {
        "baseline",
        "compiled",
        "difference",
        "ci_low",
        "ci_high",
        "p_value",
        "detectable",
        "openings",
    }
    assert found["verdict"] == "better"
    assert found["sealed"] == "candidate"
    assert found["stopped"] is None
    assert found["test"]["ci_low"] > 0
    assert found["cost"]["calls"] == found["paid_calls"] == 64
    assert found["cost"]["usd"] == found["paid_usd"] > 0
    assert Path(found["artifact"]).is_dir()


def test_the_same_run_has_the_same_id(hosted_project: Path) -> None:
    first = ragc.compile(project=hosted_project)
    second = ragc.compile(project=hosted_project)
    assert first.id == second.id
    assert ragc.compile(project=hosted_project, seed=1).id != first.id


def test_bootstrap_uses_what_the_program_got_right(hosted_project: Path) -> None:
    result = ragc.compile(
        project=hosted_project, optimizer="bootstrap", settings={"candidates": "3", "demos": "2", "bootstrapped": "1"}
    )
    assert result.verdict == "better"
    state = json.loads((hosted_project / "compiled" / "allotments" / "state.json").read_text("utf-8"))
    demos = state["respond"]["demos"]
    assert len(demos) == 2
    labels = {example["question"]: example["answers"] for example in examples_of(hosted_project)}
    assert all(demo["answer"] in (labels[demo["question"]] or ["The documents do not say."]) for demo in demos)
    manifest = verify(hosted_project / "compiled" / "allotments")
    assert [one["label"] for one in manifest.candidates] == ["bootstrap 1", "bootstrap 2", "bootstrap 3"]


def test_the_test_split_is_asked_once_by_each_program_and_never_before_the_search_is_over(
    hosted_project: Path, hosted_model: Provider
) -> None:
    result = ragc.compile(project=hosted_project)
    splits = json.loads((hosted_project / "data" / "allotments" / "splits.json").read_text("utf-8"))["splits"]
    test = [one["question"] for one in examples_of(hosted_project) if splits[one["id"]] == "test"]
    last = [asked.text for asked in hosted_model.requests]
    tested = [number for number, text in enumerate(last) if any(question in text for question in test)]
    assert result.baseline_test is not None and result.baseline_test.n == len(test)
    assert tested == list(range(len(last) - 2 * len(test), len(last)))
    shown = [str(message) for asked in hosted_model.requests for message in asked.messages[:-1]]
    assert not any(question in text for question in test for text in shown)


def test_a_worse_candidate_is_reported_and_the_baseline_sealed(hosted_project: Path, hosted_model: Provider) -> None:
    hosted_model.script = learner(hosted_project, plain=0.9, shown=0.1)
    result = ragc.compile(project=hosted_project)
    assert result.verdict == "worse"
    assert result.sealed == "baseline"
    assert result.as_json()["test"]["compiled"]["score"] < result.as_json()["test"]["baseline"]["score"]
    state = json.loads((hosted_project / "compiled" / "allotments" / "state.json").read_text("utf-8"))
    assert state["respond"]["demos"] == []


def test_a_candidate_over_the_limits_is_not_eligible(hosted_project: Path) -> None:
    configure(hosted_project, 'optimizer = "labeled"', 'optimizer = "labeled"\nlimits = { usd_per_question = 0.0005 }')
    result = ragc.compile(project=hosted_project)
    assert result.sealed == "baseline"
    assert result.verdict == "not tested"
    manifest = verify(hosted_project / "compiled" / "allotments")
    assert "over the limit" in str(manifest.candidates[0]["why_not"])


def test_dry_run_makes_no_call(hosted_project: Path, hosted_model: Provider, run_ragc: RunRagc) -> None:
    done = run_ragc("compile", "--dry-run", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    assert "64 calls" in done.stdout
    assert hosted_model.requests == []
    assert not (hosted_project / "compiled" / "allotments").exists()


def test_a_sample_of_validation_is_named(hosted_project: Path, run_ragc: RunRagc) -> None:
    configure(hosted_project, 'optimizer = "labeled"', 'optimizer = "labeled"\nvalidation_sample = 6')
    done = run_ragc("compile", cwd=hosted_project)
    assert "6 of 12 validation (a seeded sample)" in done.stdout
