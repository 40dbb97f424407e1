"""`ragc advise`: costs without a project, the questionnaire, the own measurements, and bad input."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifacts import seal_program
from conftest import REPOSITORY

Run = Callable[..., Any]
LOAD = ("--queries", "10M", "--input-tokens", "5000", "--output-tokens", "500")
# Where these are imported at all, costs alone have called something.
_NO_MODEL = (
    "import sys; from ragc.cli import main\n"
    "try: main(sys.argv[1:])\n"
    "except SystemExit as end: code = end.code\n"
    "print([name for name in ('dspy', 'httpx', 'openai', 'litellm') if name in sys.modules], file=sys.stderr)\n"
    "sys.exit(code)"
)


def test_costs_alone_need_no_project_and_no_model(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NO_MODEL, "advise", *LOAD], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    for amount in ("$225,000", "$21,000", "$27,500", "20,425 to 204,249 queries a month"):
        assert amount in done.stdout


def test_costs_as_json_are_exact(tmp_path: Path, run_ragc: Run) -> None:
    done = run_ragc("advise", *LOAD, "--json", "--price", "ours=0.2/0.4", "--model", "ours", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert [(arm["name"], arm["usd_per_month"]) for arm in found["arms"]] == [("ours", 12_000.0)]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((*LOAD, "--model", "claude-sonet"), '"claude-sonnet-4-6"? Else write --price claude-sonet=INPUT/OUTPUT'),
        (("--queries", "-5", "--input-tokens", "1", "--output-tokens", "1"), "--queries: -5 is negative"),
        ((*LOAD, "--price", "ours=-1/2"), "a price is negative"),
        ((*LOAD, "--labels", "some"), '--labels: "some" is no number'),
        (("--queries", "10", "--attribution"), "--input-tokens is missing"),
        (("--faster", "-2"), "faster -2.0 is negative"),
        (("--rules", "none.toml"), "cannot read rules from none.toml"),
        ((), "no pyproject.toml with [tool.ragc]"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(tmp_path: Path, run_ragc: Run, flags: tuple[str, ...], says: str) -> None:
    done = run_ragc("advise", *flags, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr


def test_flags_answer_the_questionnaire_without_a_project(tmp_path: Path, run_ragc: Run) -> None:
    done = run_ragc(
        "advise", "--labels", "5000", "--tone", "--attribution", "--changes", "often", "--json", cwd=tmp_path
    )
    found = json.loads(done.stdout)
    assert found["advice"] == "both"
    assert "tone" in [rule["id"] for rule in found["reasons"]]
    assert all(rule["source"] for rule in found["reasons"])


def test_own_measurements_are_used_and_cost_the_own_arm(project: Path, run_ragc: Run) -> None:
    seal_program(project)
    done = run_ragc(
        "advise",
        "--json",
        "--queries",
        "1000",
        "--input-tokens",
        "100",
        "--output-tokens",
        "10",
        "allotments",
        cwd=project,
    )
    found = json.loads(done.stdout)
    assert (found["advice"], found["facts"]["labels"]) == ("compile", 40)
    assert sum(found["measured"]["slices"].values()) <= 40
    assert found["costs"]["arms"][0] | {"price": None} == {
        "name": "allotments, as compiled",
        "usd_per_month": 0.0,
        "usd_per_query": 0.0,
        "usd_once": [0.0, 0.0],
        "input_tokens": 100,
        "output_tokens": 10,
        "price": None,
    }


def test_the_repositorys_own_artifact_is_reckoned_at_the_tokens_that_were_measured(run_ragc: Run) -> None:
    done = run_ragc("advise", "handbook", "--queries", "100k", "--json", cwd=REPOSITORY)
    found = json.loads(done.stdout)
    arms = {arm["name"]: arm["input_tokens"] for arm in found["costs"]["arms"]}
    assert arms["handbook, as compiled"] == round(found["measured"]["input_tokens"])
    assert arms["handbook, uncompiled"] == round(found["measured"]["plain_input_tokens"])
    assert found["own"].startswith("your own test split: ")


def test_prices_of_the_project_go_over_the_list(project: Path, run_ragc: Run) -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text() + '\n[tool.ragc.prices]\nclaude-sonnet-4-6 = "1/1"\n')
    found = json.loads(run_ragc("advise", *LOAD, "--json", cwd=project).stdout)
    assert found["arms"][0]["usd_per_month"] == 55_000.0
    file.write_text(file.read_text().replace('"1/1"', '"cheap"'))
    done = run_ragc("advise", *LOAD, cwd=project)
    assert done.returncode == 2
    assert 'such as "0.25/2"' in done.stderr


def test_questions_are_asked_in_a_terminal_of_80_columns(tmp_path: Path) -> None:
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ragc", "advise", "--labels", "5000", "--changes", "seldom", "--no-controlled",
         *LOAD[:2], "--input-tokens", "5", "--output-tokens", "5"],
        cwd=tmp_path, stdin=side, stdout=side, stderr=side, env={**os.environ, "COLUMNS": "80", "TERM": "dumb"},
    )  # fmt: skip
    os.close(side)
    os.write(main, b"y\nperhaps\nn\n3x\n\n\n")  # attribution, tone (once more), faster (once more, left open), prompt
    shown = ""
    while True:
        try:
            shown += os.read(main, 4096).decode()
        except OSError:  # the other side is closed
            break
    assert process.wait() == 0, shown
    assert "Must an answer show where it comes from?" in shown
    assert '"perhaps": y or yes or n or no' in shown
    assert '"3x" is no number' in shown
    assert "an answer that must show its source" in shown
    answered = shown[shown.index("advice     ") :]
    assert max(map(len, answered.replace("\r", "").split("\n"))) <= 80
