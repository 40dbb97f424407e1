from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from artifacts import hosted_lm, seal_program
from conftest import REPOSITORY, RunRagc
from provider import Provider

SECRET = "sk-never-shown"


def _checks(stdout: str) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(stdout)["checks"]}


def _configure(project: Path, old: str, new: str) -> None:
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text("utf-8")
    assert old in text
    pyproject.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def hosted_project(project: Path, hosted_model: Provider) -> Path:
    """The small project with its model behind the scripted endpoint."""
    table = f'{{ model = "openai/scripted", base_url = "{hosted_model.base_url}", api_key_env = "OUR_KEY" }}'
    _configure(project, '"local/smollm2-135m-instruct"', table)
    return project


def test_without_a_project_the_installation_is_looked_at(run_ragc: RunRagc, tmp_path: Path) -> None:
    result = run_ragc("doctor", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "dspy 3." in result.stdout
    assert result.stdout.endswith("\nno project here: ragc init makes one\n")
    assert "works" not in result.stdout


def test_extras_are_named_with_what_installs_them(run_ragc: RunRagc, tmp_path: Path) -> None:
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    result = run_ragc("doctor", "--json", cwd=tmp_path)
    extras = {name.removeprefix("extra."): check for name, check in _checks(result.stdout).items() if "extra." in name}
    assert set(extras) == set(declared) - {"dev"}
    assert extras["documents"]["status"] == "ok"
    assert "(experimental)" in extras["pinecone"]["found"]
    assert [name for name, check in extras.items() if "experimental" in check["found"]] == ["pinecone"]
    for name, check in extras.items():
        there = check["found"].startswith(f"{name}: installed; ")
        assert there == (check["status"] == "ok") != (f"pip install 'ragc[{name}]' for " in check["found"])


def test_a_project_that_works_exits_0(run_ragc: RunRagc, hosted_project: Path) -> None:
    result = run_ragc("doctor", "--json", cwd=hosted_project, env={"OUR_KEY": SECRET})
    assert result.returncode == 0, result.stdout + result.stderr
    checks = _checks(result.stdout)
    assert json.loads(result.stdout)["ok"] is True
    assert "answers" in checks["lm"]["found"]
    assert "256 dimensions" in checks["embedder"]["found"]
    assert "40 questions, 10 documents" in checks["allotments"]["found"]
    assert "ragc index allotments" in checks["allotments.index"]["found"]
    assert "ragc compile allotments" in checks["allotments.artifact"]["found"]
    assert SECRET not in result.stdout + result.stderr


def test_it_writes_nothing(run_ragc: RunRagc, hosted_project: Path) -> None:
    before = sorted(hosted_project.rglob("*"))
    assert run_ragc("doctor", cwd=hosted_project, env={"OUR_KEY": "k", "PYTHONDONTWRITEBYTECODE": "1"}).returncode == 0
    assert sorted(hosted_project.rglob("*")) == before


def test_a_missing_key_is_named_and_does_not_hide_the_rest(run_ragc: RunRagc, hosted_project: Path) -> None:
    result = run_ragc("doctor", "--json", cwd=hosted_project)
    assert result.returncode == 1
    checks = _checks(result.stdout)
    assert checks["lm"]["status"] == "problem"
    assert "OUR_KEY" in checks["lm"]["found"]
    assert checks["allotments"]["status"] == "ok"


def test_weights_that_are_still_to_be_fetched_are_no_problem(run_ragc: RunRagc, project: Path, tmp_path: Path) -> None:
    environment = {"RAGC_MODELS": str(tmp_path / "models"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    result = run_ragc("doctor", "--json", cwd=project, env=environment)
    check = _checks(result.stdout)["lm"]
    assert check["status"] == "note", check
    assert "fetched once" in check["found"]
    assert not (tmp_path / "models").exists()
    assert not (tmp_path / "cache").exists()


def test_an_unknown_local_model_is_a_problem(run_ragc: RunRagc, project: Path) -> None:
    result = run_ragc("doctor", "--json", cwd=project, env={"RAGC_LM": "local/smollm3"})
    assert result.returncode == 1
    assert "smollm3" in _checks(result.stdout)["lm"]["found"]


def test_an_endpoint_that_does_not_answer(run_ragc: RunRagc, hosted_project: Path, hosted_model: Provider) -> None:
    _configure(hosted_project, hosted_model.base_url, "http://127.0.0.1:9/v1")
    result = run_ragc("doctor", "--json", cwd=hosted_project, env={"OUR_KEY": SECRET})
    assert result.returncode == 1
    assert "http://127.0.0.1:9/v1 does not answer" in _checks(result.stdout)["lm"]["found"]


def test_a_tracking_server_that_does_not_answer(run_ragc: RunRagc, hosted_project: Path) -> None:
    environment = {"OUR_KEY": "k", "RAGC_TRACKING": "http://127.0.0.1:9"}
    result = run_ragc("doctor", "--json", cwd=hosted_project, env=environment)
    assert result.returncode == 1
    checks = _checks(result.stdout)
    assert "http://127.0.0.1:9 does not answer" in checks["tracking"]["found"]
    assert "RAGC_TRACKING" in checks["project"]["found"]


def test_the_answer_log_is_looked_at_and_not_made(run_ragc: RunRagc, hosted_project: Path) -> None:
    (hosted_project / "redaction.py").write_text("def hide(text):\n    return text\n")
    (hosted_project / "file").write_text("")
    (hosted_project / "folder").mkdir()
    for address, redact, status, said in (
        ("off", "", "note", "answers are not logged"),
        ("jsonl://logs/answers.jsonl", "", "ok", "jsonl://logs/answers.jsonl"),
        ("jsonl://logs/answers.jsonl", "redaction:hide", "ok", "redaction:hide"),
        ("jsonl://logs/answers.jsonl", "redaction:show", "problem", "redact"),
        ("jsonl://file/answers.jsonl", "", "problem", "cannot be written, so that nothing is answered"),
        ("jsonl://folder", "", "problem", "cannot be written"),
    ):
        environment = {"OUR_KEY": "k", "RAGC_AUDIT": address, "RAGC_REDACT": redact}
        check = _checks(run_ragc("doctor", "--json", cwd=hosted_project, env=environment).stdout)["audit"]
        assert (check["status"], said in check["found"]) == (status, True), check
    assert not (hosted_project / "logs").exists()


def test_documents_that_changed_since_they_were_indexed(run_ragc: RunRagc, hosted_project: Path) -> None:
    environment = {"OUR_KEY": "k"}
    for store in ("sqlite://.ragc/index.db", "sqlite:///.ragc/index.db"):
        environment["RAGC_STORE"] = store
        assert run_ragc("index", cwd=hosted_project, env=environment).returncode == 0
        checks = _checks(run_ragc("doctor", "--json", cwd=hosted_project, env=environment).stdout)
        assert checks["allotments.index"]["status"] == "ok"
        assert checks["allotments.index"]["found"].startswith("10 documents, ")
    rent = hosted_project / "data/allotments/corpus/rent.md"
    rent.write_text(rent.read_text("utf-8") + "\nNo dogs.\n", encoding="utf-8")
    result = run_ragc("doctor", "--json", cwd=hosted_project, env=environment)
    assert result.returncode == 1
    check = _checks(result.stdout)["allotments.index"]
    assert check["status"] == "problem"
    assert check["found"] == "the documents changed since they were indexed; run ragc index allotments"


def test_what_moved_on_around_an_artifact_is_noted(
    run_ragc: RunRagc, hosted_project: Path, hosted_model: Provider
) -> None:
    seal_program(hosted_project, lm=hosted_lm(hosted_model.base_url) | {"model": "openai/older"})
    program = hosted_project / "programs" / "grounded.py"
    program.write_text(program.read_text("utf-8") + "\n# mended\n", encoding="utf-8")
    result = run_ragc("doctor", "--json", cwd=hosted_project, env={"OUR_KEY": "k"})
    assert result.returncode == 0, result.stdout
    check = _checks(result.stdout)["allotments.artifact"]
    assert check["status"] == "note"
    assert "programs/grounded.py changed since" in check["found"]
    assert "sealed openai/older; pyproject.toml names openai/scripted" in check["found"]
    assert "its documents changed since it was measured" in check["found"]


def test_a_column_that_is_no_input_is_a_problem(run_ragc: RunRagc, hosted_project: Path) -> None:
    examples = hosted_project / "data/allotments/examples.jsonl"
    examples.write_text(examples.read_text("utf-8").replace('{"id"', '{"topic": "x", "id"', 1), encoding="utf-8")
    result = run_ragc("doctor", "--json", cwd=hosted_project, env={"OUR_KEY": "k"})
    assert _checks(result.stdout)["allotments"] == {
        "name": "allotments",
        "status": "problem",
        "found": 'data/allotments/examples.jsonl: key "topic" is no input of GroundedAnswer (it takes question):'
        " remove the key, or add it to forward",
    }


def test_broken_data_and_programs_are_problems(run_ragc: RunRagc, hosted_project: Path) -> None:
    _configure(hosted_project, "programs.grounded:GroundedAnswer", "programs.grounded:Nothing")
    result = run_ragc("doctor", cwd=hosted_project, env={"OUR_KEY": "k"})
    assert result.returncode == 1
    assert "problem: " in result.stdout
    assert "Nothing" in result.stdout
    assert "1 to mend" in result.stdout


def test_a_broken_pyproject_is_a_problem(run_ragc: RunRagc, project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.ragc]\nlmm = 3\n", encoding="utf-8")
    result = run_ragc("doctor", "--json", cwd=project)
    assert result.returncode == 1
    assert _checks(result.stdout)["project"]["status"] == "problem"


def test_every_label_that_the_documents_no_longer_support_is_listed(run_ragc: RunRagc, hosted_project: Path) -> None:
    rent = hosted_project / "data/allotments/corpus/rent.md"
    rent.write_text(rent.read_text("utf-8").replace("£62 a year", "£70 a year"), encoding="utf-8")
    examples = hosted_project / "data/allotments/examples.jsonl"
    more = '{"id": "plain", "question": "Who digs the pond?", "answers": ["a firm of moles"]}\n'
    examples.write_text(examples.read_text("utf-8") + more, encoding="utf-8")
    check = _checks(run_ragc("doctor", "--json", cwd=hosted_project, env={"OUR_KEY": "k"}).stdout)["allotments"]
    assert check["status"] == "note"
    assert "1 stale label set aside, 1 answer in no document" in check["found"]
    stale, unsupported = check["labels"]
    assert stale == {
        "file": "data/allotments/examples.jsonl",
        **{"line": 5, "id": "rent-1", "kind": "stale"},
        "why": 'quote "A full plot costs £62 a year" does not occur in rent.md',
    }
    assert (unsupported["line"], unsupported["kind"]) == (41, "unsupported")
    shown = run_ragc("doctor", cwd=hosted_project, env={"OUR_KEY": "k"}).stdout
    assert f"\n           {stale['file']}:5: stale: {stale['why']}\n" in shown
    assert f'\n           {stale["file"]}:41: unsupported: "a firm of moles" stands in no document\n' in shown


def test_too_many_stale_labels_are_a_problem_and_listed_all_the_same(run_ragc: RunRagc, hosted_project: Path) -> None:
    corpus = hosted_project / "data/allotments/corpus"
    for name in ("rent.md", "shop.md", "waiting-list.md", "water.md"):
        (corpus / name).unlink()
    result = run_ragc("doctor", "--json", cwd=hosted_project, env={"OUR_KEY": "k"})
    assert result.returncode == 1
    check = _checks(result.stdout)["allotments"]
    assert check["status"] == "problem"
    assert "labels are stale, at most 20% may be" in check["found"]
    assert len(check["labels"]) > 8
