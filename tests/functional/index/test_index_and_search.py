"""`ragc index` and `ragc search` on a temporary project."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
CORPUS = Path("data/allotments/corpus")


def searched(run_ragc: Run, project: Path, query: str, *options: str) -> list[dict[str, Any]]:
    done = run_ragc("search", "allotments", query, "--json", *options, cwd=project)
    assert done.returncode == 0, done.stderr
    passages: list[dict[str, Any]] = json.loads(done.stdout)["passages"]
    return passages


def test_index_then_search(project: Path, run_ragc: Run) -> None:
    done = run_ragc("index", cwd=project)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "allotments 10 documents, 15 passages"
    assert second.startswith("documents  10 added; 15 passages embedded")

    done = run_ragc("search", "allotments", "deposit for the key", "--k", "2", cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1.  1.000  Rent and deposit > Deposit   rent.md\n           fused 1.000   text ")
    assert "New members pay a deposit of £50 for the key." in done.stdout

    best = searched(run_ragc, project, "deposit for the key", "--k", "1")[0]
    assert set(best) == {
        *("id", "document", "title", "heading", "text", "score"),
        *("text_score", "vector_score", "rerank_score", "start", "end", "metadata"),
    }
    assert searched(run_ragc, project, "deposit", "--alpha", "0")[0]["vector_score"] is None
    assert searched(run_ragc, project, "deposit", "--alpha", "1")[0]["text_score"] is None


def test_index_prints_one_json_object(project: Path, run_ragc: Run) -> None:
    (project / CORPUS / "scan.pdf").write_bytes(b"%PDF-1.7")
    done = run_ragc("index", "allotments", "--json", cwd=project)
    report = json.loads(done.stdout)
    assert report.pop("seconds") > 0
    (skipped,) = report.pop("skipped")
    assert skipped["path"] == "scan.pdf"
    assert report == {
        "task": "allotments",
        **{"documents": 10, "passages": 15, "embedded": 15},
        **{"added": 10, "changed": 0, "removed": 0, "unchanged": 0},
        **{"labels": [], "noted": [], "outdated_demonstrations": None, "paid": None},
    }


def test_change_is_found_and_the_old_is_gone_within_a_second_of_the_return(project: Path, run_ragc: Run) -> None:
    from ragc.project import Project
    from ragc.retrieval import open_index

    run_ragc("index", cwd=project)
    found = Project.find(project)
    serving = open_index(found, found.task(None))
    assert "Tuesday" not in serving.search("bonfires", k=1)[0].text
    (project / CORPUS / "rules/bonfires.md").write_text("# Bonfires\n\nBonfires are for Tuesday.\n")
    (project / CORPUS / "rent.md").unlink()
    done = run_ragc("index", cwd=project)
    returned = time.monotonic()
    assert "1 changed, 1 removed, 8 unchanged; 1 passage embedded" in done.stdout
    assert serving.search("bonfires tyres painted wood", k=1)[0].text == "Bonfires are for Tuesday."
    everything = serving.search("deposit bonfires rent", k=100)
    assert time.monotonic() - returned < 1
    assert not any("tyres" in passage.text or passage.document == "rent.md" for passage in everything)
    serving.close()


def test_skipped_files_are_named_and_strict_refuses_them(project: Path, run_ragc: Run) -> None:
    (project / CORPUS / "scan.pdf").write_bytes(b"%PDF-1.7")
    (project / CORPUS / "old.md").write_bytes("Gebühren".encode("latin-1"))
    done = run_ragc("index", cwd=project)
    assert done.returncode == 0
    assert "2 files that cannot be read" in done.stdout
    assert "old.md: not UTF-8" in done.stdout
    assert "scan.pdf: " in done.stdout
    done = run_ragc("index", "--strict", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert "scan.pdf" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "allotments", "x"], "run `ragc index allotments`"),
        (["search", "nope", "x"], 'unknown task "nope"'),
        (["index", "nope"], 'unknown task "nope"'),
        (["search", "allotments", "x", "--k", "0"], "k is a whole number from 1"),
        (["search", "allotments", "x", "--alpha", "1.5"], "alpha is a number from 0"),
    ],
)
def test_bad_input_is_one_line(project: Path, run_ragc: Run, arguments: list[str], message: str) -> None:
    done = run_ragc(*arguments, cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("RAGC_STORE", "redis://host", "unknown store redis://…"),
        ("RAGC_STORE", "sqlite:////proc/index.db", "/proc/index.db"),
        ("RAGC_EMBEDDER", "local/nope", "unknown embedder"),
    ],
)
def test_store_or_embedder_that_cannot_be_used(
    project: Path, run_ragc: Run, variable: str, value: str, message: str
) -> None:
    done = run_ragc("index", cwd=project, env={variable: value})
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("query", ['" OR NEAR(', "NOT AND", "bonfire*; DROP TABLE", "é🙂"])
def test_any_question_is_data(project: Path, run_ragc: Run, query: str) -> None:
    run_ragc("index", cwd=project)
    assert run_ragc("search", "allotments", query, cwd=project).returncode == 0


def test_query_without_words_finds_nothing(project: Path, run_ragc: Run) -> None:
    run_ragc("index", cwd=project)
    done = run_ragc("search", "allotments", "?! …", "--alpha", "0", cwd=project)
    assert (done.returncode, done.stdout) == (0, "nothing found: no word of the query is in the corpus\n")
    assert searched(run_ragc, project, "?!", "--alpha", "0") == []


def test_index_made_with_other_chunks_is_refused_until_it_is_made_anew(project: Path, run_ragc: Run) -> None:
    run_ragc("index", cwd=project)
    file = project / "pyproject.toml"
    file.write_text(file.read_text() + "chunk = { size = 100 }\n")
    done = run_ragc("search", "allotments", "rent", cwd=project)
    assert done.returncode == 2
    assert "made with chunks of 500 characters" in done.stderr
    assert run_ragc("index", cwd=project).returncode == 0
    assert searched(run_ragc, project, "rent")


def test_search_imports_no_dspy(project: Path, run_ragc: Run) -> None:
    run_ragc("index", cwd=project)
    script = (
        "import sys; from ragc.project import Project; from ragc.retrieval import search;"
        f"search(None, 'rent', project=Project.find({str(project)!r}));"
        "heavy = {'dspy', 'mlflow', 'wordllama', 'requests', 'scipy', 'semantic_text_splitter'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_labels_that_the_documents_no_longer_support_are_told(project: Path, run_ragc: Run) -> None:
    done = run_ragc("index", cwd=project)
    assert "warning" not in done.stderr
    lines = "question,answers\nWhat is the deposit for the key?,£50\nWho digs?,the moles of the committee\n"
    (project / "data/allotments/questions.csv").write_text(lines, encoding="utf-8")
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text("utf-8").replace("allotments/examples.jsonl", "allotments/questions.csv")
    pyproject.write_text(text, encoding="utf-8")
    rent = project / CORPUS / "rent.md"
    rent.write_text(rent.read_text("utf-8").replace("£50", "£55"), encoding="utf-8")
    done = run_ragc("index", "--json", cwd=project)
    assert (done.returncode, json.loads(done.stdout)["changed"]) == (0, 1)
    assert done.stderr.splitlines()[-1] == (
        'warning: 2 of 2 labels have an answer that stands in no document, such as "£50" to "What is the deposit for'
        ' the key?" (line 2): mend the labels whose documents changed (ragc doctor lists them)'
    )
    first, second = json.loads(done.stdout)["labels"]
    assert first == {
        "file": "data/allotments/questions.csv",
        **{"line": 2, "id": first["id"], "kind": "unsupported"},
        "why": '"£50" stands in no document',
    }
    assert (second["line"], second["why"]) == (3, '"the moles of the committee" stands in no document')
    assert "warning" not in run_ragc("index", cwd=project).stderr, "nothing changed"
