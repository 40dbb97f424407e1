"""What a person may type that retrieval cannot use, or must take as plain words: one line each, by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragc.project import Project
from ragc.retrieval import index

Run = Callable[..., Any]


@pytest.fixture
def indexed(project: Path) -> Path:
    index(project=Project.find(project))
    return project


def refused(run_ragc: Run, project: Path, *arguments: str) -> str:
    done = run_ragc(*arguments, cwd=project)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    error: str = done.stderr.removeprefix("error: ").rstrip()
    return error


@pytest.mark.parametrize("query", ["", "   ", "\t\n"])
def test_empty_query(indexed: Path, run_ragc: Run, query: str) -> None:
    assert refused(run_ragc, indexed, "search", "allotments", query) == "the query is empty: type one, in quotes"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--k", "0"], "k is a whole number from 1, not 0"),
        (["--k", "-3"], "k is a whole number from 1, not -3"),
        (["--k", str(2**40)], "k is a whole number from 1, not 1099511627776"),
        (["--alpha", "1.5"], "alpha is a number from 0 (text) to 1 (vectors), not 1.5"),
        (["--alpha", "nan"], "alpha is a number from 0 (text) to 1 (vectors), not nan"),
        (["--filter", "owner=finance"], "filters: no document of allotments has a field 'owner'"),
        (["--filter", '{"year": {"like": 3}}'], "filters: unknown operator 'like' for 'year'"),
        (["--filter", '{"year"'], '--filter {"year": not JSON'),
        (["--filter", "year"], "--filter year: write FIELD=VALUE"),
    ],
)
def test_settings_of_a_search(indexed: Path, run_ragc: Run, options: list[str], line: str) -> None:
    assert line in refused(run_ragc, indexed, "search", "allotments", "rent", *options)


@pytest.mark.parametrize(
    "query",
    [
        'rent" OR "deposit',
        "rent AND NOT deposit",
        "NEAR(rent deposit, 2)",
        "body:rent*",
        "^rent - deposit + (",
        "'; DROP TABLE passages_1; --",
        "rent " * 20_000,
    ],
)
def test_operators_quotes_and_100_kb_are_words(indexed: Path, run_ragc: Run, query: str) -> None:
    done = run_ragc("search", "allotments", query, "--json", "--alpha", "0", cwd=indexed)
    assert done.returncode == 0, done.stderr
    assert any(passage["document"] == "rent.md" for passage in json.loads(done.stdout)["passages"])


def test_a_filter_narrows_and_an_empty_result_says_so(indexed: Path, run_ragc: Run) -> None:
    done = run_ragc("search", "allotments", "rent", "--filter", "document=rent.md", "--json", cwd=indexed)
    assert {passage["document"] for passage in json.loads(done.stdout)["passages"]} == {"rent.md"}
    done = run_ragc("search", "allotments", "rent", "--filter", "document=no.md", cwd=indexed)
    assert (done.returncode, done.stdout) == (
        0,
        "nothing found: no word of the query is in what the filter allows\n",
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--k", "0"], "k is a whole number from 1, not 0"),
        (["--k", "101"], "k is at most 100 here, not 101: deeper searches rank otherwise"),
        (["--k", "1,two"], "'1,two': numbers with commas between them, such as 1,3,5,10"),
        (["--alpha", "0,2"], "alpha is a number from 0 (text) to 1 (vectors), not 2.0"),
        (["--alpha", ""], "numbers with commas between them, such as 0,0.25,0.5"),
        (["--lm", "openai/gpt"], "--lm says nothing about --retrieval"),
        (["--uncompiled"], "--uncompiled says nothing about --retrieval"),
    ],
)
def test_settings_of_an_evaluation(indexed: Path, run_ragc: Run, options: list[str], line: str) -> None:
    assert line in refused(run_ragc, indexed, "eval", "allotments", "--retrieval", *options)


def test_k_without_retrieval(indexed: Path, run_ragc: Run) -> None:
    assert "--k, --alpha and --reranker go with --retrieval" in refused(run_ragc, indexed, "eval", "--k", "3")


def test_labels_without_evidence(indexed: Path, run_ragc: Run) -> None:
    file = indexed / "data" / "allotments" / "examples.jsonl"
    labels = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps({**label, "evidence": []}) + "\n" for label in labels))
    error = refused(run_ragc, indexed, "eval", "allotments", "--retrieval")
    assert error.startswith("data/allotments/examples.jsonl: none of the ")
    assert 'add "evidence" to the labels' in error
