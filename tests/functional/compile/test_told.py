"""What a user must be told before, while and after a run."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

import ragc
from conftest import RunRagc
from provider import Answer, Asked, Provider
from ragc.artifact import verify
from ragc.errors import ConfigError

from .conftest import examples_of


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_run_does_not_replace_a_tested_artifact(hosted_project: Path, hosted_model: Provider) -> None:
    before = ragc.compile(project=hosted_project)
    calls = len(hosted_model.requests)
    script = hosted_model.script

    def interrupting(asked: Asked) -> Answer | str:
        if len(hosted_model.requests) == calls + 12 + 10:  # in the middle of the test; the baseline is in the journal
            os.kill(os.getpid(), signal.SIGINT)
        return script(asked)

    hosted_model.script = interrupting
    after = ragc.compile(project=hosted_project, seed=1, threads=1)
    assert (after.stopped, after.verdict) == ("interrupted", "not tested")
    assert after.artifact == hosted_project / ".ragc" / "untested" / "allotments"
    assert verify(hosted_project / "compiled" / "allotments").id == before.id
    assert verify(after.artifact).id == after.id


def test_a_seal_says_what_it_replaces(hosted_project: Path, run_ragc: RunRagc) -> None:
    before = ragc.compile(project=hosted_project).id
    assert before is not None
    done = run_ragc("compile", "--seed", "1", cwd=hosted_project)
    assert f"replaces {before[:8]} (better, +" in done.stdout


@pytest.mark.parametrize("setting", [{"candidates": "0"}, {"demo_passages": "0"}, {"k": "3,0"}, {"threshold": "2"}])
def test_a_setting_out_of_range_is_refused_before_anything_is_asked(
    hosted_project: Path, hosted_model: Provider, setting: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match=rf"--set {next(iter(setting))}=\S+: expected"):
        ragc.compile(project=hosted_project, optimizer="bootstrap", settings=setting)
    assert hosted_model.requests == []


def test_a_column_that_the_program_does_not_take_is_refused_before_anything_is_asked(
    hosted_project: Path, hosted_model: Provider
) -> None:
    file = hosted_project / "data" / "allotments" / "examples.jsonl"
    rows = [json.dumps({**example, "topic": "water"}) for example in examples_of(hosted_project)]
    file.write_text("\n".join(rows), "utf-8")
    with pytest.raises(ragc.errors.DataError, match='"topic" is no input of GroundedAnswer'):
        ragc.compile(project=hosted_project)
    assert hosted_model.requests == []


def test_answers_that_stand_nowhere_are_a_warning(hosted_project: Path, run_ragc: RunRagc) -> None:
    file = hosted_project / "data" / "allotments" / "examples.jsonl"
    rows = [{**example, "evidence": []} for example in examples_of(hosted_project)]
    rows[0]["answers"] = ["a thousand guineas"]
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    done = run_ragc("compile", "--dry-run", cwd=hosted_project)
    assert "1 of 40 labels has an answer that stands in no document" in done.stderr
    assert "a thousand guineas" in done.stderr


def test_a_candidate_that_the_budget_cannot_finish_is_not_begun(hosted_project: Path, hosted_model: Provider) -> None:
    result = ragc.compile(
        project=hosted_project, optimizer="bootstrap", settings={"candidates": "9"}, budget={"calls": 90}
    )
    assert result.stopped == "budget"
    assert result.usage is not None
    assert result.usage.calls == len(hosted_model.requests) == 12 + 8 + 2 * 12 + 40
