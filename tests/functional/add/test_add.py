from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from conftest import REPOSITORY, RunRagc
from ragc.cli._starters import add_starter, configured, starters


@pytest.mark.parametrize(
    ("kind", "folder", "name"), [("program", "programs", "closed_book"), ("optimizer", "optimizers", "labeled")]
)
def test_a_starter_file_is_copied_in(kind: str, folder: str, name: str, run_ragc: RunRagc, project: Path) -> None:
    target = project / folder / f"{name}.py"
    target.unlink()
    result = run_ragc("add", kind, name, cwd=project)
    assert result.returncode == 0, result.stderr
    assert target.read_bytes() == (REPOSITORY / folder / f"{name}.py").read_bytes()
    assert f"{folder}/{name}.py" in result.stdout


def test_a_new_project_takes_a_program_that_it_lacks(run_ragc: RunRagc, tmp_path: Path) -> None:
    from ragc.project import Project, load_program

    assert run_ragc("init", cwd=tmp_path).returncode == 0
    result = run_ragc("add", "program", "reasoned", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    said = re.search(r'^use it +program = "(.+)"   in \[tool\.ragc\.tasks\.handbook\] of', result.stdout, re.MULTILINE)
    assert said is not None, result.stdout
    assert said[1] == "programs.reasoned:ReasonedAnswer", "as the file writes its own program"
    assert load_program(Project.find(tmp_path), said[1]).__name__ == "ReasonedAnswer"
    assert load_program(Project.find(tmp_path), "reasoned").__name__ == "ReasonedAnswer"


def test_json_lists_what_was_written(run_ragc: RunRagc, project: Path) -> None:
    (project / "programs" / "closed_book.py").unlink()
    result = run_ragc("add", "program", "closed_book", "--json", cwd=project)
    assert json.loads(result.stdout) == {"written": ["programs/closed_book.py"]}


def test_a_file_that_is_there_is_not_overwritten(run_ragc: RunRagc, project: Path) -> None:
    target = project / "programs" / "grounded.py"
    target.write_text("# ours\n", encoding="utf-8")
    result = run_ragc("add", "program", "grounded", cwd=project)
    assert result.returncode == 2
    assert "is there already" in result.stderr
    assert target.read_text("utf-8") == "# ours\n"


def test_an_unknown_name_lists_what_there_is(run_ragc: RunRagc, project: Path) -> None:
    result = run_ragc("add", "program", "groundd", cwd=project)
    assert result.returncode == 2
    assert "closed_book, grounded" in result.stderr


def test_without_a_name_it_lists_what_there_is(run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc("add", "program", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert names == ["closed_book", "grounded", "judge", "reasoned"]
    assert "grounded     Retrieve, then answer from what was retrieved" in result.stdout
    listed = json.loads(run_ragc("add", "optimizer", "--json", cwd=tmp_path).stdout)["starters"]
    assert {"bootstrap", "labeled"} <= {starter["name"] for starter in listed}
    assert all(starter["about"] for starter in listed)


def test_a_name_that_leads_elsewhere_is_unknown(run_ragc: RunRagc, project: Path) -> None:
    assert run_ragc("add", "program", "../ragc/errors", cwd=project).returncode == 2


@pytest.mark.parametrize("kind", ["programs", "optimizers"])
def test_what_is_said_of_a_starter_can_be_loaded(kind: str) -> None:
    from ragc.project import Project, load_optimizer, load_program

    load = load_program if kind == "programs" else load_optimizer
    for file in starters(kind).values():
        assert load(Project.find(REPOSITORY), configured(kind, file)) is not None


def test_help_says_what_an_own_metric_is(run_ragc: RunRagc, tmp_path: Path) -> None:
    shown = run_ragc("add", "--help", cwd=tmp_path).stdout
    assert "a function (example, prediction)" in shown
    assert "a function (program, run, *, settings)" in shown


def test_an_unknown_kind_is_one_line(run_ragc: RunRagc, project: Path) -> None:
    result = run_ragc("add", "prog", "grounded", cwd=project)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


def test_outside_of_a_project(run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc("add", "program", "grounded", cwd=tmp_path)
    assert result.returncode == 2
    assert "ragc init" in result.stderr


def test_what_a_starter_imports_comes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, root = tmp_path / "starter", tmp_path / "mine"
    for name, text in {
        "optimizers/search.py": "from optimizers._sets import sets\nfrom programs import base\nfrom ragc import load\n",
        "optimizers/_sets.py": "from optimizers import _deeper\n",
        "optimizers/_deeper.py": "",
        "programs/base.py": "",
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text, encoding="utf-8")
    (root / "programs").mkdir(parents=True)
    (root / "programs" / "base.py").write_text("# ours\n", encoding="utf-8")
    monkeypatch.setattr("ragc.project.starter", lambda: top)
    written = add_starter(root, "optimizers", "search")
    assert sorted(written) == ["optimizers/_deeper.py", "optimizers/_sets.py", "optimizers/search.py"]
    assert (root / "programs" / "base.py").read_text("utf-8") == "# ours\n"
