"""What a project knows about its task without asking anybody."""

from __future__ import annotations

import json
from pathlib import Path

from artifacts import seal_program
from conftest import REPOSITORY
from ragc.advise import Facts, measure
from ragc.artifact import read
from ragc.project import Project


def test_an_artifact_says_what_it_was_measured_at() -> None:
    project = Project.find(REPOSITORY)
    task = project.task("handbook")
    found, manifest = measure(project, task), read(project.compiled_path(task)).manifest
    tested = manifest.results["test"]["compiled" if manifest.verdict["sealed"] == "candidate" else "baseline"]
    assert (found.verdict, found.artifact) == (manifest.verdict["word"], manifest.name)
    assert found.says == f"your own test split: {manifest.verdict['sentence']}"
    assert found.input_tokens is not None
    assert float(found.input_tokens) == tested["input_tokens_per_question"]
    assert found.output_tokens is not None and found.output_tokens > 0
    assert found.prompt_tokens is not None and found.prompt_tokens > 100
    name, score, n = found.weakest or ("", 1.0, 0)
    assert (score, n) == (tested["slices"][name]["score"], tested["slices"][name]["n"])
    assert score == min(part["score"] for part in tested["slices"].values() if part["n"] >= 10)
    assert sum(found.slices.values()) <= found.labels
    json.dumps(found.as_json(), allow_nan=False)


def test_a_task_without_an_artifact_has_its_labels(project: Path) -> None:
    found = Project.find(project)
    measured = measure(found, found.task())
    assert (measured.labels, measured.verdict, measured.says) == (40, None, None)
    assert measured.facts == Facts(labels=40)


def test_a_limit_that_latency_misses_is_a_fact(project: Path) -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text() + "limits = { latency_p95 = 0.5 }\n")
    seal_program(project)
    found = Project.find(project)
    measured = measure(found, found.task())
    assert (measured.latency_limit, measured.facts.faster) == (0.5, None)  # nothing was measured yet
