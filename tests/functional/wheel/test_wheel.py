"""The built wheel in an environment of its own: what somebody has who never saw the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from conftest import REPOSITORY
from provider import Provider, knows


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def ragc_command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ragc` as the wheel installs it. Its dependencies are this environment's, to stay fast; ragc itself is not."""
    environment = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
        capture_output=True,
        check=True,
    )
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return environment / "bin" / "ragc"


def _run(command: Path, *args: str, cwd: Path, key: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "VIRTUAL"))}
    return subprocess.run(
        [str(command), *args],
        cwd=cwd,
        env=environment | ({"SCRIPTED_KEY": key} if key else {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_wheel_carries_the_starter_files_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2, tops
    assert {"ragc/py.typed", "ragc/_starter/programs/grounded.py", "ragc/_starter/optimizers/bootstrap.py"} <= set(
        names
    )
    assert "ragc/_starter/data/handbook/examples.jsonl" in names
    templates = {path.name for path in (REPOSITORY / "ragc" / "_templates").iterdir() if path.is_file()}
    assert {f"ragc/_templates/{name}" for name in templates} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    corpus = {path.name for path in (REPOSITORY / "data" / "handbook" / "corpus").rglob("*.md")}
    carried = {Path(name).name for name in names if name.startswith("ragc/_starter/data/handbook/corpus/")}
    assert carried == corpus


def test_a_project_from_the_wheel_says_where_ragc_comes_from(ragc_command: Path, wheel: Path, tmp_path: Path) -> None:
    """So that `uv run` works in it before any package index has ragc."""
    assert _run(ragc_command, "init", "mine", cwd=tmp_path).returncode == 0
    document = tomllib.loads((tmp_path / "mine" / "pyproject.toml").read_text("utf-8"))
    assert document["project"]["dependencies"] == ["ragc"]
    assert document["tool"]["uv"]["sources"] == {"ragc": {"path": str(wheel)}}


def test_a_project_from_the_wheel_compiles_and_is_imported(
    ragc_command: Path, tmp_path: Path, hosted_model: Provider
) -> None:
    made = _run(ragc_command, "init", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    root = tmp_path / "mine"
    lines = (root / "data" / "handbook" / "examples.jsonl").read_text("utf-8").splitlines()
    answers = {example["question"]: (example["answers"] or ["I do not know."])[0] for example in map(json.loads, lines)}
    hosted_model.script = knows(answers)
    lm = f'{{ model = "openai/scripted", base_url = "{hosted_model.base_url}", api_key_env = "SCRIPTED_KEY" }}'

    dry = _run(ragc_command, "compile", "--dry-run", "--lm", lm, cwd=root, key="k")
    assert dry.returncode == 0, dry.stderr
    assert hosted_model.requests == []

    compiled = _run(ragc_command, "compile", "--optimizer", "labeled", "--lm", lm, "--json", cwd=root, key="k")
    assert compiled.returncode == 0, compiled.stderr
    result = json.loads(compiled.stdout)
    assert result["task"] == "handbook"
    assert result["test"]["compiled"]["errors"] == 0
    assert Path(root, result["artifact"], "manifest.json").is_file()

    question = next(iter(answers))
    where = _run(ragc_command.with_name("python"), "-c", "import ragc; print(ragc.__file__)", cwd=root).stdout
    assert where.startswith(str(ragc_command.parent.parent)), "the wheel is what was tested"

    code = f"from compiled import handbook; print(handbook(question={question!r}).answer)"
    asked = _run(ragc_command.with_name("python"), "-c", code, cwd=root, key="k")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip() == answers[question]
