from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import REPOSITORY, RunRagc
from ragc.cli._scaffold import make_project

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
    assert not list(root.rglob("openings.jsonl")), "nobody has opened its test split"
    assert ".ragc/" in (root / ".gitignore").read_text("utf-8").splitlines()
    assert result.stdout.splitlines()[1:3] == ["next       cd mine", "           ragc compile"]
    assert "from compiled import handbook" in result.stdout


def _uncommented(text: str) -> tuple[list[str], list[str]]:
    """The commented lines of TOML: those that stand alone, and those of the table that a commented header begins."""
    alone: list[str] = []
    table: list[str] = []
    for line in text.splitlines():
        if re.match(r"# (\w+ = |\[)", line):
            (table if table or line.startswith("# [") else alone).append(line)
        elif not line and table:
            break
    rest = text.partition(table[-1])[2].splitlines()
    return alone + [line for line in rest if re.match(r"# \w+ = ", line)], table


def test_every_line_of_configuration_in_a_new_project_is_accepted(run_ragc: RunRagc, tmp_path: Path) -> None:
    """The commented lines too: a person takes the # away and expects it to work."""
    from ragc.project import Project

    assert run_ragc("init", "mine", cwd=tmp_path).returncode == 0
    pyproject = tmp_path / "mine" / "pyproject.toml"
    text = "[tool.ragc]" + pyproject.read_text("utf-8").partition("[tool.ragc]")[2]
    alone, table = _uncommented(text)
    assert (len(alone), len(table)) == (16, 13)
    for line in alone:
        key = line[2:].partition(" = ")[0]
        active = re.compile(rf"^{key} = .*\n", re.MULTILINE)
        pyproject.write_text(active.sub("", text, count=1).replace(line, line[2:]), encoding="utf-8")
        assert Project.find(tmp_path / "mine").settings is not None, line
    changed = re.sub(r"^lm = .*\n", "", text, flags=re.MULTILINE)
    for line in table:
        changed = changed.replace(line, "" if line.startswith("# context") else line[2:])
    pyproject.write_text(changed, encoding="utf-8")
    lm = Project.find(tmp_path / "mine").settings.lm
    assert lm.price is not None and lm.model_fields_set == set(type(lm).model_fields) - {"context"}


def test_every_key_stands_in_the_configuration_of_a_new_project() -> None:
    """Whoever has only the wheel finds them nowhere else."""
    from ragc import project
    from ragc.cli._configuration import template

    words = set(re.findall(r"\w+", template("project.toml")))
    tables = [
        "Settings",
        "ModelSettings",
        "EmbedderSettings",
        "Price",
        "EmbeddingPrice",
        "RerankerSettings",
        "RerankPrice",
    ]
    for table in [*tables, "TaskSettings", "Budget", "Limits", "ChunkSettings"]:
        missing = set(getattr(project, table).model_fields) - words - {"name"}
        assert not missing, table


def test_the_metric_that_the_comment_shows_is_one(run_ragc: RunRagc, tmp_path: Path) -> None:
    from ragc.evaluation import load_metric
    from ragc.project import Project

    assert run_ragc("init", "mine", cwd=tmp_path).returncode == 0
    text = (tmp_path / "mine" / "pyproject.toml").read_text("utf-8")
    shown = re.search(r"^# +(def close.*)$", text, re.MULTILINE)
    assert shown is not None
    (tmp_path / "mine" / "metrics.py").write_text(f"{shown[1]}\n", encoding="utf-8")
    metric = load_metric(Project.find(tmp_path / "mine"), "metrics:close")
    example, right, wrong = (
        SimpleNamespace(answers=("five",)),
        SimpleNamespace(answer="five"),
        SimpleNamespace(answer=""),
    )
    assert (metric(example, right).value, metric(example, wrong).value) == (1.0, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "source"),
    [
        (None, None),
        ("not JSON", None),
        ({"url": "file:///nowhere/ragc.whl", "archive_info": {}}, None),
        ({"url": "file://{here}", "archive_info": {}}, {"path": "{here}"}),
        ({"url": "file://{here}", "dir_info": {"editable": True}}, {"path": "{here}", "editable": True}),
        ({"url": "https://host/ragc.whl", "archive_info": {}}, {"url": "https://host/ragc.whl"}),
        (
            {"url": "https://host/ragc.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
            {"git": "https://host/ragc.git", "rev": "c0ffee"},
        ),
    ],
)
def test_a_new_project_depends_on_ragc_from_where_it_was_installed(
    record: Any, source: dict[str, Any] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(record) if isinstance(record, dict) else record
    installed = SimpleNamespace(read_text=lambda _: text and text.replace("{here}", str(tmp_path)))
    monkeypatch.setattr("ragc.cli._configuration.metadata.distribution", lambda _: installed)
    make_project(tmp_path)
    document = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))
    assert document["project"]["dependencies"] == ["ragc"]
    assert document["project"]["optional-dependencies"]["serve"] == ["fastapi", "uvicorn"]
    assert "uv" not in document["tool"] if source is None else True
    if source is not None:
        found = {
            key: value.replace("{here}", str(tmp_path)) if key == "path" else value for key, value in source.items()
        }
        assert document["tool"]["uv"]["sources"]["ragc"] == found


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


@pytest.mark.parametrize(
    ("project", "told"),
    [
        ('[project]\nname = "ours"\n', True),
        ('[project]\nname = "ours"\ndependencies = ["ragchat>=1"]\n', True),
        ('[project]\nname = "ours"\ndependencies = ["ragc>=0.1"]\n', False),
        ("[tool.black]\nx = 1\n", False),
    ],
)
def test_a_distribution_that_lacks_ragc_is_told(project: str, told: bool, run_ragc: RunRagc, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    assert ('add "ragc" to the dependencies' in run_ragc("init", cwd=tmp_path).stdout) is told


def test_a_project_is_not_made_twice(run_ragc: RunRagc, tmp_path: Path) -> None:
    assert run_ragc("init", "mine", cwd=tmp_path).returncode == 0
    (tmp_path / "mine" / "service.py").unlink()
    before = (tmp_path / "mine" / "pyproject.toml").read_bytes()
    result = run_ragc("init", "mine", cwd=tmp_path)
    assert result.returncode == 2
    assert "[tool.ragc] already" in result.stderr
    assert "--task NAME adds a task" in result.stderr
    assert run_ragc("init", "mine", "--bare", cwd=tmp_path).returncode == 2
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
    assert "handbook" not in (tmp_path / "service.py").read_text("utf-8")
    assert "handbook" not in (tmp_path / "README.md").read_text("utf-8")
    from ragc.project import Project

    project = Project.find(tmp_path)
    splits = project.splits_path(project.task()).relative_to(tmp_path)
    assert f"# Questions are split once, in {splits} (commit it)" in (tmp_path / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--bare"],
        ["--corpus", "policies", "--examples", "questions.csv"],
        ["--task", "a_rather_long_name_of_a_task"],
    ],
)
def test_the_readme_of_a_project_lists_what_exists_in_straight_columns(
    options: list[str], run_ragc: RunRagc, tmp_path: Path
) -> None:
    _own_files(tmp_path)
    assert run_ragc("init", *options, cwd=tmp_path).returncode == 0
    text = (tmp_path / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| `(.+?)` \|", text, re.MULTILINE)
    assert len(listed) >= 6
    for path in listed:
        assert (tmp_path / path).exists(), path
        assert path.endswith("/") == (tmp_path / path).is_dir()
    commands = re.findall(r"^ragc .*$", text, re.MULTILINE)
    assert len(commands) == 5
    assert len({command.index("  # ") for command in commands}) == 1


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


def test_a_second_task_is_added_and_nothing_else_is_touched(run_ragc: RunRagc, tmp_path: Path) -> None:
    from ragc.project import Project

    assert run_ragc("init", cwd=tmp_path).returncode == 0
    (tmp_path / "optimizers" / "bootstrap.py").write_text("# ours\n", encoding="utf-8")
    (tmp_path / "programs" / "grounded.py").unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    _own_files(tmp_path)
    given = ["--task", "rules", "--corpus", "policies", "--examples", "questions.csv"]
    result = run_ragc("init", *given, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "ragc compile rules" in result.stdout
    pyproject = tmp_path / "pyproject.toml"
    text = before.pop(pyproject)
    assert pyproject.read_bytes().startswith(text)
    assert {path: path.read_bytes() for path in before} == before
    assert (tmp_path / "programs" / "grounded.py").is_file(), "the program that the task names"
    settings = Project.find(tmp_path).settings
    assert list(settings.tasks) == ["handbook", "rules"]
    rules = settings.tasks["rules"]
    assert (rules.corpus, rules.examples, rules.optimizer) == ("policies", "questions.csv", "bootstrap")


def test_a_second_task_without_data_gets_a_place_for_it(run_ragc: RunRagc, tmp_path: Path) -> None:
    assert run_ragc("init", cwd=tmp_path).returncode == 0
    result = run_ragc("init", "--task", "faq", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["written"] == [
        "data/faq/corpus/.gitkeep",
        "data/faq/examples.csv",
        "pyproject.toml",
    ]
    again = run_ragc("init", "--task", "faq", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "error: pyproject.toml has a task faq already; choose another name with --task\n"


def test_a_task_that_cannot_be_added_at_the_end_is_one_line(run_ragc: RunRagc, tmp_path: Path) -> None:
    text = "[tool.ragc]\ntasks = { a = { program = 'p', corpus = 'c', examples = 'e.csv' } }\r\n"
    (tmp_path / "pyproject.toml").write_bytes(text.encode())
    result = run_ragc("init", "--task", "faq", cwd=tmp_path)
    assert result.returncode == 2
    assert "[tool.ragc.tasks.faq] cannot be added at its end" in result.stderr
    assert os.listdir(tmp_path) == ["pyproject.toml"]
    assert (tmp_path / "pyproject.toml").read_bytes() == text.encode()


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
