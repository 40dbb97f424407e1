from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from artifacts import hosted_lm, seal_program
from conftest import RunRagc
from provider import Provider, fields


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


def on_terminal(*arguments: str, cwd: Path, columns: int = 80) -> list[str]:
    """The lines that `ragc` prints on a terminal of so many columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "ragc", *arguments],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
    ) as process:
        os.close(its)
        output = b""
        while part := _read(ours):
            output += part
    os.close(ours)
    assert process.returncode == 0, output.decode()
    return output.decode().replace("\r", "").splitlines()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so when the other side is closed
        return b""


def test_no_line_is_longer_than_the_terminal_and_no_word_is_broken(
    run_ragc: RunRagc, project: Path, sealed: Path
) -> None:
    (project / "programs" / "grounded.py").write_text("# changed\n")  # a long warning
    run_ragc("index", cwd=project)
    for arguments in (("show",), ("search", "what is the rent of a plot?")):
        lines = on_terminal(*arguments, cwd=project)
        assert max(map(len, lines)) <= 80, lines
        piped = run_ragc(*arguments, cwd=project)
        assert {*" ".join(lines).split()} - {"…"} <= {*(piped.stdout + piped.stderr).split()}


def add_task(project: Path, name: str) -> None:
    with (project / "pyproject.toml").open("a") as file:
        file.write(
            f'\n[tool.ragc.tasks.{name}]\nprogram = "grounded"\ncorpus = "data/allotments/corpus"\n'
            'examples = "data/allotments/examples.jsonl"\n'
        )


def test_the_only_task_need_not_be_typed(run_ragc: RunRagc, project: Path, sealed: Path) -> None:
    for command in ("show", "verify"):
        done = run_ragc(command, cwd=project)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("allotments ")
    add_task(project, "second")
    for arguments in (("show",), ("verify",), ("eval",), ("ask", "How much?"), ("search", "rent")):
        done = run_ragc(*arguments, cwd=project)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "name one of allotments, second" in done.stderr


def test_a_lone_text_is_the_question_and_a_lone_task_is_none(run_ragc: RunRagc, project: Path, sealed: Path) -> None:
    assert run_ragc("index", cwd=project).returncode == 0
    found = run_ragc("search", "what is the rent?", cwd=project)
    assert found.returncode == 0, found.stderr
    assert "rent" in found.stdout
    asked = run_ragc("ask", "What is the rent?", cwd=project)  # gets as far as the model
    assert "OPENAI_API_KEY" in asked.stderr
    for arguments, error in (
        (("ask", "allotments"), 'no question: type it in quotes, after "allotments"'),
        (("ask", "./compiled/allotments"), 'no question: type it in quotes, after "./compiled/allotments"'),
        (("search", "allotments"), 'no query: type it in quotes, after "allotments"'),
        (("ask",), "no question: type it in quotes"),
        (("ask", "allotments", "What", "is", "it"), "4 words: put the question in quotes"),
    ):
        done = run_ragc(*arguments, cwd=project)
        assert (done.returncode, done.stdout) == (2, "")
        assert error in done.stderr


def test_what_moved_on_is_a_warning_of_one_line(run_ragc: RunRagc, project: Path, hosted_model: Provider) -> None:
    hosted_model.script = lambda asked: fields(answer="five")
    seal_program(project, lm=hosted_lm(hosted_model.base_url))
    grounded = project / "programs" / "grounded.py"
    grounded.write_text(grounded.read_text("utf-8") + "\n# more\n")
    source = "runs its sealed source; programs/grounded.py changed since (ragc compile allotments seals the new one)"
    model = "answers with the sealed openai/scripted; pyproject.toml names local/smollm2-135m-instruct"
    key = {"SCRIPTED_KEY": "any"}
    for arguments, expected in (
        (("show",), {source, model}),
        (("verify",), {source}),
        (("ask", "What is the rent?"), {source, model}),
        (("ask", "What is the rent?", "--lm", "openai/scripted"), {source}),
        (("eval", "--json"), {source, model}),
    ):
        done = run_ragc(*arguments, cwd=project, env=key)
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stderr.splitlines() if "allotments " in line and ".py:" not in line]
        assert {line.split(" ", 3)[3] for line in lines} == expected, done.stderr
        assert all(line.startswith("warning: allotments ") for line in lines)
        assert "UserWarning" not in done.stderr


def test_a_malformed_answer_is_no_bug(run_ragc: RunRagc, project: Path, hosted_model: Provider) -> None:
    hosted_model.script = lambda asked: "I would rather not say"
    seal_program(project, lm=hosted_lm(hosted_model.base_url))
    done = run_ragc("ask", "What is the rent?", cwd=project, env={"SCRIPTED_KEY": "any"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "\nerror: the model did not answer in the expected form" in f"\n{done.stderr}"
