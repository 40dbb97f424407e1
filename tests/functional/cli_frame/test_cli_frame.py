from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ragc
from conftest import RunRagc


def test_version(run_ragc: RunRagc, tmp_path: Path) -> None:
    assert run_ragc("--version", cwd=tmp_path).stdout == f"ragc {ragc.__version__}\n"


def test_help_names_every_command_and_the_exit_codes(run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc("--help", cwd=tmp_path)
    assert result.returncode == 0
    for word in ("init", "compile", "verify", "doctor", "Exit codes"):
        assert word in result.stdout


def test_no_command_shows_the_help_and_exits_2(run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc(cwd=tmp_path)
    assert result.returncode == 2
    assert "Usage: ragc" in result.stderr
    assert result.stdout == ""


def test_a_reader_that_goes_away_is_quiet(tmp_path: Path) -> None:
    result = subprocess.run(
        f"'{sys.executable}' -m ragc doctor --json | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "0\n"
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def _complete(words: str, cwd: Path) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-m", "ragc"],
        cwd=cwd,
        env={
            **os.environ,
            "_RAGC_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return [line.split(",", 1)[1] for line in result.stdout.splitlines() if line]


def test_commands_complete(tmp_path: Path) -> None:
    assert _complete("ragc comp", tmp_path) == ["compile", "compare"]


def test_tasks_complete(project: Path) -> None:
    assert _complete("ragc compile allot", project) == ["allotments"]
    assert _complete("ragc compile allot", project / "data") == ["allotments"]


def test_starter_files_complete(project: Path) -> None:
    assert _complete("ragc add program ground", project) == ["grounded"]


def test_a_broken_pyproject_completes_to_nothing(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool", encoding="utf-8")
    assert _complete("ragc compile al", project) == []


def test_project_may_be_named_by_flag_and_variable(run_ragc: RunRagc, project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for result in (
        run_ragc("add", "program", "nonsense", "--project", project, cwd=elsewhere),
        run_ragc("add", "program", "nonsense", cwd=elsewhere, env={"RAGC_PROJECT": str(project)}),
    ):
        assert result.returncode == 2
        assert 'called "nonsense"' in result.stderr
