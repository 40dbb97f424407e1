"""`ragc eval` and `ragc ask` on what a compile sealed."""

from __future__ import annotations

import json
from pathlib import Path

import ragc
from conftest import RunRagc
from provider import Provider, fields
from ragc._files import digest

from .conftest import configure


def test_eval_scores_the_artifact_and_the_uncompiled_program(hosted_project: Path, run_ragc: RunRagc) -> None:
    ragc.compile(project=hosted_project)
    compiled = run_ragc("eval", "allotments", "--json", cwd=hosted_project)
    plain = run_ragc("eval", "allotments", "--uncompiled", "--json", cwd=hosted_project)
    assert compiled.returncode == plain.returncode == 0, compiled.stderr + plain.stderr
    ours, theirs = json.loads(compiled.stdout), json.loads(plain.stdout)
    assert ours["score"] > theirs["score"]
    assert ours["n"] == theirs["n"] == 12
    assert set(ours) >= {"score", "n", "errors", "slices"}
    failed = run_ragc("eval", "./compiled/allotments", "--fail-under", "0.99", cwd=hosted_project)
    assert failed.returncode == 1
    assert "below --fail-under 0.99" in failed.stderr


def test_eval_changes_nothing_but_the_journal_the_index_and_its_own_record(
    hosted_project: Path, run_ragc: RunRagc
) -> None:
    ragc.compile(project=hosted_project)
    configure(hosted_project, 'tracking = "off"', 'tracking = "sqlite:///.ragc/mlflow.db"')
    before = files(hosted_project)
    for args in (("allotments",), ("--uncompiled",), ("./compiled/allotments",), ("--retrieval",)):
        done = run_ragc("eval", *args, "--json", cwd=hosted_project)
        assert done.returncode == 0, done.stderr
    after = files(hosted_project)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    own = (".ragc/journal.", ".ragc/index.db", ".ragc/evaluations")
    assert {name for name in changed if not name.startswith(own)} == set()


def files(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): digest(path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_eval_without_an_artifact_says_what_to_run(hosted_project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("eval", "allotments", cwd=hosted_project)
    assert done.returncode == 2
    assert "ragc compile allotments" in done.stderr


def test_ask_shows_the_answer_and_what_supports_it(
    hosted_project: Path, hosted_model: Provider, run_ragc: RunRagc
) -> None:
    ragc.compile(project=hosted_project)
    hosted_model.script = lambda asked: fields(answer="£5")
    question = "How much does it cost to join the waiting list?"
    done = run_ragc("ask", "allotments", question, "--json", cwd=hosted_project)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["answer"] == "£5"
    assert set(found["citations"]) <= {passage["id"] for passage in found["passages"]}
    assert set(found["passages"][0]) == {"id", "document", "title", "text", "score", "metadata"}
    assert found["provenance"]["artifact"]
    shown = run_ragc("ask", "allotments", question, cwd=hosted_project)
    assert "£5" in shown.stdout and "waiting-list.md" in shown.stdout
    assert run_ragc("ask", "allotments", "  ", cwd=hosted_project).returncode == 2
