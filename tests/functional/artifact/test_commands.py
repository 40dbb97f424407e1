from __future__ import annotations

import json
from pathlib import Path

import pytest

from artifacts import seal_program
from conftest import RunRagc


@pytest.fixture
def sealed(project: Path) -> Path:
    return seal_program(project, lm={"model": "openai/scripted"}).path


def test_verify_says_what_was_checked(run_ragc: RunRagc, project: Path, sealed: Path) -> None:
    by_task = run_ragc("verify", "allotments", cwd=project)
    assert by_task.returncode == 0, by_task.stderr
    assert "verified" in by_task.stdout
    by_path = run_ragc("verify", sealed, "--json", cwd=project.parent)
    found = json.loads(by_path.stdout)
    assert found["task"] == "allotments"
    assert found["id"] in by_task.stdout
    assert "source/programs/grounded.py" in found["files"]


def test_verify_names_the_file_that_was_touched(run_ragc: RunRagc, project: Path, sealed: Path) -> None:
    (sealed / "source" / "programs" / "grounded.py").write_text("")
    for arguments in (("verify", "allotments"), ("verify", "./compiled/allotments", "--json"), ("show", "allotments")):
        done = run_ragc(*arguments, cwd=project)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "source/programs/grounded.py was changed after sealing; restore it" in done.stderr


def test_what_is_not_there_is_one_line(run_ragc: RunRagc, project: Path) -> None:
    for command in ("show", "verify"):
        done = run_ragc(command, "allotments", cwd=project)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no artifact there; compile the task first (ragc compile allotments)" in done.stderr
        assert "unknown task" in run_ragc(command, "alotments", cwd=project).stderr
        assert "is not an artifact" in run_ragc(command, "./programs", cwd=project).stderr


def test_show_is_the_card_at_a_glance(run_ragc: RunRagc, project: Path, sealed: Path) -> None:
    done = run_ragc("show", "allotments", cwd=project)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("allotments ")
    assert lines[0].endswith("compiled/allotments")
    for label in ("verdict", "cost", "program", "model", "retrieval", "embedder", "prompts", "report", "use it"):
        assert any(line.startswith(f"{label} ") for line in lines), label
    found = json.loads(run_ragc("show", "allotments", "--json", cwd=project).stdout)
    assert found["verdict"]["word"] == "not tested"
    assert found["state"]["retrieve"]["k"] == 3
