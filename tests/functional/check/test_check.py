"""`ragc check`: the health of labels and corpus, and stale labels with the nearest text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ragc.data import assign_splits, open_test, openings_beside, read_examples
from ragc.project import Project
from ragc.retrieval import index

Run = Callable[..., Any]
DATA = Path("data/allotments")


def test_sound_data(project: Path, run_ragc: Run) -> None:
    done = run_ragc("check", cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("allotments 40 labels, 3 unanswerable, 0 without evidence; 10 documents\n")
    assert "no index of these documents" in done.stdout
    assert done.stdout.endswith("nothing to mend\n")
    found = json.loads(run_ragc("check", "allotments", "--json", cwd=project).stdout)
    assert (found["labels"], found["splits"]["unassigned"], found["refused"]) == (40, 40, [])
    assert found["slices"]["table"] == 5
    assert not (project / DATA / "splits.json").exists()
    done = run_ragc("check", "--stale", cwd=project)
    assert done.returncode == 0
    assert done.stdout == "allotments all 37 labels with evidence hold: every document and quote is in the corpus\n"


def test_stale_labels_are_listed_with_the_nearest_text(project: Path, run_ragc: Run) -> None:
    file = project / DATA / "corpus" / "waiting-list.md"
    file.write_text(file.read_text().replace("Joining costs £5, paid once", "Joining now costs £7, paid once"))
    (project / DATA / "corpus" / "rent.md").rename(project / DATA / "corpus" / "rents.md")
    done = run_ragc("check", "allotments", "--stale", cwd=project)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith('data/allotments/examples.jsonl:1 list-1: quote "Joining costs £5, paid once" does not')
    assert lines[1].startswith("nearest    waiting-list.md line 3, ")
    assert lines[2].strip() == "Joining now costs £7, paid once."
    assert done.stderr.startswith("error: 6 stale labels of 40 in data/allotments/examples.jsonl")

    done = run_ragc("check", "--stale", "--json", cwd=project)
    assert done.returncode == 1
    first, second, *_ = json.loads(done.stdout)["stale"]
    assert (first["file"], first["line"], first["id"]) == ("data/allotments/examples.jsonl", 1, "list-1")
    assert first["nearest"]["document"] == "waiting-list.md"
    assert (second["renamed"], second["nearest"]["similarity"]) == ("rents.md", 1.0)


def test_data_that_a_compile_refuses_exits_1(project: Path, run_ragc: Run) -> None:
    file = project / DATA / "examples.jsonl"
    with file.open("a") as lines:
        for split, id_ in (("train", "twice-1"), ("test", "twice-2")):
            question = "May I keep bees on my plot over the winter?"
            lines.write(json.dumps({"id": id_, "question": question, "answers": [], "split": split}) + "\n")
    done = run_ragc("check", cwd=project)
    assert done.returncode == 1
    assert '"twice-1" (line 41) and "twice-2" (line 42): in two splits' in done.stdout
    assert done.stderr.startswith("error: 1 question in two splits, such as ")
    assert done.stderr.count("\n") == 1


def test_data_that_cannot_be_read_is_one_line(project: Path, run_ragc: Run) -> None:
    (project / DATA / "examples.jsonl").write_text('{"id": "a"}\n')
    done = run_ragc("check", cwd=project)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "examples.jsonl line 1" in done.stderr


def test_a_test_split_that_was_opened_often_is_warned_of_and_renewed(project: Path, run_ragc: Run) -> None:
    found = Project.find(project)
    task = found.task()
    path, file = found.splits_path(task), project / DATA / "examples.jsonl"
    splits = assign_splits(read_examples(file), path)
    for program in "abc":
        open_test(splits, openings_beside(path), by="compile", programs={"baseline": program}, corpus="c")
    done = run_ragc("check", cwd=project)
    assert "test       the test split was opened 3 times" in done.stdout
    done = run_ragc("check", "--renew-test", cwd=project)
    assert done.returncode == 2
    assert done.stderr == (
        "error: a fresh test split needs 20 new examples, and 0 stand in no split yet: label 20 more, before they are"
        " used in a compile\n"
    )
    with file.open("a") as lines:
        for number in range(20):
            word = ("pump", "shed", "hedge", "gate", "path")[number % 5]
            question = f"Who looks after the {'xyzw'[number // 5]}{word}?"
            lines.write(json.dumps({"id": f"new-{number}", "question": question, "answers": [f"Ann {number}"]}) + "\n")
    done = run_ragc("check", "--renew-test", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    renewed = json.loads(done.stdout)
    assert renewed["splits"]["test"] == 20
    assert all(id_.startswith("new-") for id_ in renewed["test"])
    assert (renewed["opened"], len(renewed["moved"])) == (3, 20)
    assert json.loads(run_ragc("check", "--json", cwd=project).stdout)["openings"] == 0


def test_evidence_that_no_search_finds_is_named(project: Path, run_ragc: Run) -> None:
    corpus = project / DATA / "corpus"
    for number in range(20):
        (corpus / f"more-{number}.md").write_text(f"The shears, the spade and the barrow, {number}.\n")
    (corpus / "odd.md").write_text("# Odd\n\nQuinces.\n")
    index(project=Project.find(project))
    lost = {"id": "lost", "question": "the shears, the spade and the barrow", "answers": ["x"], "evidence": ["odd.md"]}
    with (project / DATA / "examples.jsonl").open("a") as lines:
        lines.write(json.dumps(lost) + "\n")
    found = json.loads(run_ragc("check", "--json", cwd=project).stdout)
    assert {"id": "lost", "line": 41, "documents": ["odd.md"]} in found["unreached"]
    assert found["notes"] == []
