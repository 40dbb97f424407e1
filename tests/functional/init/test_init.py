from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from conftest import REPOSITORY, RunRagc

OTHER_TOOL = '[project]\nname = "ours"\nversion = "3"\n\n[tool.black]\nline-length = 99  # kept\n'


def _tasks(root: Path) -> dict[str, dict[str, str]]:
    tasks: dict[str, dict[str, str]] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["ragc"][
        "tasks"
    ]
    return tasks


def test_a_new_project_has_everything_that_compile_needs(run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc("init", "mine", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    root = tmp_path / "mine"
    for name in (".gitignore", "README.md", "service.py", "compiled/__init__.py", "tests/test_program.py"):
        assert (root / name).is_file(), name
    task = _tasks(root)["handbook"]
    assert (root / task["corpus"]).is_dir()
    assert (root / task["examples"]).is_file()
    assert {path.name for path in (root / "programs").iterdir()} == {"__init__.py", "grounded.py"}
    starters = {path.name for path in (REPOSITORY / "optimizers").glob("*.py")}
    assert {path.name for path in (root / "optimizers").iterdir()} == starters
    assert not list(root.rglob("__pycache__"))
    assert ".ragc/" in (root / ".gitignore").read_text("utf-8").splitlines()
    assert result.stdout.splitlines()[1:3] == ["next       cd mine", "           ragc compile"]
    assert "from compiled import handbook" in result.stdout


def test_every_line_of_configuration_in_a_new_project_is_accepted(run_ragc: RunRagc, tmp_path: Path) -> None:
    """The commented lines too: a person takes the # away and expects it to work."""
    from ragc.project import Project

    assert run_ragc("init", "mine", cwd=tmp_path).returncode == 0
    pyproject = tmp_path / "mine" / "pyproject.toml"
    lines = pyproject.read_text("utf-8").splitlines()
    commented = [line for line in lines if line.startswith("# ") and " = " in line]
    assert len(commented) >= 8
    for line in commented:
        key = line[2:].split(" = ")[0]
        changed = [other for other in lines if not other.startswith(f"{key} = ") and other != line]
        changed.insert(lines.index(line) - (len(lines) - 1 - len(changed)), line[2:])
        pyproject.write_text("\n".join(changed), encoding="utf-8")
        assert Project.find(tmp_path / "mine").settings is not None, line


def test_json_is_one_object(run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc("init", "mine", "--json", cwd=tmp_path)
    value = json.loads(result.stdout)
    assert value["project"] == str(tmp_path / "mine")
    assert value["task"] == "handbook"
    assert value["kept"] == []
    assert "pyproject.toml" in value["written"]
    for path in value["written"]:
        assert (tmp_path / "mine" / path).exists()


def test_an_existing_folder_keeps_every_file(run_ragc: RunRagc, tmp_path: Path) -> None:
    kept = {"README.md": "# ours\n", "programs/grounded.py": "# ours\n", ".gitignore": "dist/\n"}
    for name, text in kept.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(OTHER_TOOL, encoding="utf-8")
    result = run_ragc("init", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for name, text in kept.items():
        assert (tmp_path / name).read_text("utf-8") == text
        assert name in result.stdout
    assert (tmp_path / "programs" / "__init__.py").is_file()
    assert (tmp_path / "pyproject.toml").read_text("utf-8").startswith(OTHER_TOOL)
    assert list(_tasks(tmp_path)) == ["handbook"]
    assert (tmp_path / ".ragc" / ".gitignore").read_text("utf-8") == "*\n", "the .gitignore that was there lacks .ragc"
    assert "cd " not in result.stdout


@pytest.mark.parametrize(
    "before",
    [b"", b"[tool.black]\nx = 1", b"[tool.black]\r\nx = 1\r\n", "# caf\u00e9\n[project]\nname = 'a'\n".encode()],
    ids=["empty", "no newline at the end", "windows", "unicode"],
)
def test_a_pyproject_keeps_every_byte(before: bytes, run_ragc: RunRagc, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(before)
    assert run_ragc("init", cwd=tmp_path).returncode == 0
    after = (tmp_path / "pyproject.toml").read_bytes()
    assert after.startswith(before)
    assert list(_tasks(tmp_path)) == ["handbook"]
    if b"\r\n" in before:
        assert after.count(b"\n") == after.count(b"\r\n")


@pytest.mark.parametrize("table", ['[tool.pytest.ini_options]\naddopts = "-q"\n', '[tool.pytest]\naddopts = ["-q"]\n'])
def test_a_configuration_of_pytest_is_left_alone(table: str, run_ragc: RunRagc, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
    assert run_ragc("init", cwd=tmp_path).returncode == 0
    assert "pythonpath" not in (tmp_path / "pyproject.toml").read_text("utf-8")


def test_a_project_is_not_made_twice(run_ragc: RunRagc, tmp_path: Path) -> None:
    assert run_ragc("init", "mine", cwd=tmp_path).returncode == 0
    (tmp_path / "mine" / "service.py").unlink()
    before = (tmp_path / "mine" / "pyproject.toml").read_bytes()
    result = run_ragc("init", "mine", cwd=tmp_path)
    assert result.returncode == 2
    assert "[tool.ragc] already" in result.stderr
    assert (tmp_path / "mine" / "pyproject.toml").read_bytes() == before
    assert not (tmp_path / "mine" / "service.py").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool\n", "is not valid TOML"),
        ("tool = { black = { x = 1 } }\n", "cannot be added at its end"),
        ("tool = 3\n", "cannot be added at its end"),
    ],
)
def test_a_pyproject_that_cannot_be_added_to_is_one_line(
    text: str, words: str, run_ragc: RunRagc, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    result = run_ragc("init", cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == ["pyproject.toml"]
    assert (tmp_path / "pyproject.toml").read_text("utf-8") == text


def test_a_file_in_place_of_the_folder(run_ragc: RunRagc, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("", encoding="utf-8")
    result = run_ragc("init", "mine", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (2, "error: mine is a file; name a folder\n")


def test_a_place_that_cannot_be_written_is_one_line(run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc("init", "/sys/mine", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: cannot write /sys/mine/")
    assert len(result.stderr.splitlines()) == 1


def _own_files(folder: Path) -> None:
    (folder / "policies").mkdir()
    (folder / "policies" / "leave.md").write_text("# Leave\n\nUp to five days.\n", encoding="utf-8")
    (folder / "questions.csv").write_text("question,answers\nHow many days?,five|5\n", encoding="utf-8")


def test_own_documents_and_questions_in_one_command(run_ragc: RunRagc, tmp_path: Path) -> None:
    _own_files(tmp_path)
    result = run_ragc("init", "--corpus", "policies", "--examples", "questions.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    task = _tasks(tmp_path)["policies"]
    assert (task["corpus"], task["examples"]) == ("policies", "questions.csv")
    assert result.stderr == ""
    assert not (tmp_path / "data").exists()
    assert "from compiled import policies" in result.stdout
    assert "policies" in (tmp_path / "service.py").read_text("utf-8")
    assert "handbook" not in (tmp_path / "service.py").read_text("utf-8")
    assert "handbook" not in (tmp_path / "README.md").read_text("utf-8")


def test_paths_are_written_relative_to_the_project(run_ragc: RunRagc, tmp_path: Path) -> None:
    _own_files(tmp_path)
    args = ["init", "mine", "--task", "rules", "--corpus", "policies", "--examples", "questions.csv"]
    result = run_ragc(*args, cwd=tmp_path)
    assert result.returncode == 0
    first, second = result.stderr.splitlines()
    assert first == (
        "warning: policies stays outside of the project: a clone of it will lack policies; move it to data/rules/ and"
        " set its path in pyproject.toml"
    )
    assert second.startswith("warning: questions.csv stays outside")
    task = _tasks(tmp_path / "mine")["rules"]
    assert (task["corpus"], task["examples"]) == ("../policies", "../questions.csv")


def test_a_bare_project_says_what_is_missing(run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc("init", "mine", "--bare", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert list(_tasks(tmp_path / "mine")) == ["docs"]
    assert "data/docs/corpus" in result.stdout
    assert "data/docs/examples.csv" in result.stdout
    assert not (tmp_path / "mine" / "data" / "handbook").exists()
    assert (tmp_path / "mine" / "data" / "docs" / "corpus").is_dir()


def test_documents_without_questions_get_a_table_to_fill_in(run_ragc: RunRagc, tmp_path: Path) -> None:
    (tmp_path / "mine" / "bakery").mkdir(parents=True)
    (tmp_path / "mine" / "bakery" / "bread.md").write_text("# Bread\n", encoding="utf-8")
    result = run_ragc("init", "mine", "--corpus", "mine/bakery", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "write your questions into data/bakery/examples.csv, one a row" in result.stdout
    assert (tmp_path / "mine/data/bakery/examples.csv").read_text("utf-8") == "question,answers\n"
    assert not (tmp_path / "mine/data/bakery/corpus").exists()
    compiled = run_ragc("compile", "--dry-run", cwd=tmp_path / "mine")
    assert (compiled.returncode, compiled.stderr.count("\n")) == (2, 1)
    assert "data/bakery/examples.csv: no examples in it; write one question a line" in compiled.stderr


def test_questions_that_compile_would_refuse_are_refused_at_once(run_ragc: RunRagc, tmp_path: Path) -> None:
    _own_files(tmp_path)
    (tmp_path / "questions.csv").write_text("Frage,answers\nHow?,so\n", encoding="utf-8")
    result = run_ragc("init", "mine", "--corpus", "policies", "--examples", "questions.csv", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == 'error: questions.csv line 1: no column "question", found Frage, answers\n'
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--corpus", "nowhere"], "--corpus nowhere: expected a folder"),
        (["--examples", "nowhere.csv"], "--examples nowhere.csv: expected a .csv or .jsonl"),
        (["--task", "my-docs"], '--task "my-docs"'),
        (["--task", "class"], '--task "class"'),
    ],
)
def test_bad_options_are_one_line(args: list[str], words: str, run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc("init", *args, cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
