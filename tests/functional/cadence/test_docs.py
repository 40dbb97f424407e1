"""What docs/cadence.md and docs/advise.md tell people to run, run: the very commands, taken from the pages."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import ragc
from conftest import REPOSITORY
from provider import Provider, fields

Run = Callable[..., Any]
CADENCE = (REPOSITORY / "docs/cadence.md").read_text("utf-8")
ADVISE = (REPOSITORY / "docs/advise.md").read_text("utf-8")


def blocks(page: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


def workflow() -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(blocks(CADENCE, "yaml")[0])
    return found


def hooks() -> list[dict[str, Any]]:
    (repo,) = yaml.safe_load(blocks(CADENCE, "yaml")[1])["repos"]
    assert repo["repo"] == "local"
    found: list[dict[str, Any]] = repo["hooks"]
    return found


def commands() -> list[list[str]]:
    """Every `ragc …` of workflow, hooks and page, for the small project's task."""
    (job,) = workflow()["jobs"].values()
    lines = [step["run"] for step in job["steps"] if step.get("run", "").startswith("ragc ")]
    lines += [hook["entry"] for hook in hooks()]
    lines += [line for block in blocks(CADENCE) for line in block.splitlines() if line.startswith("ragc ")]
    return [shlex.split(line.replace("handbook", "allotments"))[1:] for line in lines]


@pytest.fixture
def compiled(project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Compiled with a model that knows every answer."""
    lines = (project / "data/allotments/examples.jsonl").read_text("utf-8").splitlines()
    answers = {one["question"]: (one["answers"] or ["The documents do not say."])[0] for one in map(json.loads, lines)}
    hosted_model.script = lambda asked: fields(
        answer=next((answer for question, answer in answers.items() if question in asked.text), "no idea")
    )
    monkeypatch.setenv("OUR_KEY", "sk-scripted-0123456789abcdef")
    file = project / "pyproject.toml"
    table = f'lm = {{ model = "openai/scripted", base_url = "{hosted_model.base_url}", api_key_env = "OUR_KEY" }}'
    file.write_text(file.read_text("utf-8").replace('lm = "local/smollm2-135m-instruct"', table), "utf-8")
    ragc.compile(project=project)
    return project


def test_every_command_of_the_page_passes_on_a_healthy_project(compiled: Path, run_ragc: Run) -> None:
    found = commands()
    assert len(found) >= 9
    for command in found:
        done = run_ragc(*command, cwd=compiled)
        assert done.returncode == 0, (command, done.stderr)


def test_they_fail_where_something_is_to_be_done(compiled: Path, hosted_model: Provider, run_ragc: Run) -> None:
    hosted_model.script = lambda asked: fields(answer="nothing that helps")
    evaluation = next(command for command in commands() if command[0] == "eval")
    done = run_ragc(*evaluation, "--fresh", cwd=compiled)
    assert done.returncode == 1
    assert "it has dropped by more than 5 points" in done.stderr
    (compiled / "data/allotments/corpus/rent.md").unlink()
    assert run_ragc("status", "--check", cwd=compiled).returncode == 1


def test_workflow_and_hooks_have_what_their_runners_ask_for() -> None:
    found = workflow()
    (job,) = found["jobs"].values()
    assert set(found[True]) == {"schedule", "pull_request", "workflow_dispatch"}  # YAML reads `on` as true
    assert found["permissions"] == {"contents": "read"}
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    for hook in hooks():
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert hook["language"] == "system" and hook["pass_filenames"] is False


def test_the_costs_of_the_page_are_those_of_the_command(tmp_path: Path, run_ragc: Run) -> None:
    (line,) = (line for block in blocks(ADVISE) for line in block.splitlines() if line.startswith("ragc "))
    shown = run_ragc(*shlex.split(line)[1:], cwd=tmp_path).stdout
    for amount in re.findall(r"\$\d+,\d{3}(?= a month| on)", ADVISE):
        assert amount in shown


def test_the_prices_of_the_page_are_valid(project: Path, run_ragc: Run) -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text() + "\n" + blocks(ADVISE, "toml")[0])
    load = ("--queries", "1M", "--input-tokens", "1", "--output-tokens", "1", "--vectors", "1M")
    done = run_ragc("advise", *load, "--model", "our-llama", "--json", cwd=project)
    assert json.loads(done.stdout)["arms"][0]["usd_per_month"] == 0.6
