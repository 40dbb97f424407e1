"""`ragc check`: the health of labels and corpus, and stale labels with the nearest text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
DATA = Path("data/allotments")


def test_sound_data(project: Path, run_ragc: Run) -> None:
    done = run_ragc("check", cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("allotments 40 labels, 3 unanswerable, 0 without evidence; 10 documents\n")
    assert done.stdout.endswith("nothing to mend\n")
    found = json.loads(run_ragc("check", "allotments", "--json", cwd=project).stdout)
    assert (found["labels"], found["splits"]["unassigned"], found["refused"]) == (40, 40, [])
    assert found["slices"]["table"] == 5
    assert not (project / DATA / "splits.json").exists()
    done = run_ragc("check", "--stale", cwd=project)
    assert done.returncode == 0
    assert done.stdout == "allotments all 40 labels hold: every document and quote is in the corpus\n"


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
