"""`ragc journal` on a temporary project."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from conftest import RunRagc
from journals import entry, key, run
from ragc.models.gateway import Journal, Use

OLD = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def path(project: Path) -> Path:
    """The journal of a project: two responses that an artifact needs, three that nobody needs, one without a price."""
    path = project / ".ragc" / "journal.db"
    with Journal.open(path) as journal:
        journal.begin_run(run("0123456789abcdef", task="allotments"))
        for number in range(5):
            journal.settle(key(number), entry(number, task="allotments", run="0123456789abcdef" if number < 2 else "x"))
        journal.settle(key(5), entry(5, task="faq", run="x", model="local/small", usd=None))
        journal.record_step("0123456789abcdef", 0, "baseline", [Use("q1", 0, key(0)), Use("q2", 0, key(1))])
        journal.update_run("0123456789abcdef", state="sealed", artifact="a1b2c3d4e5f60718")
    return path


def test_journal_shows_what_was_paid_for_what(project: Path, path: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("journal", cwd=project)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][:2] == ["journal", ".ragc/journal.db,"]
    assert done.stdout.splitlines()[1] == "responses  6 for $0.005"
    assert lines[2] == ["1", "of", "them", "without", "a", "known", "price"]
    assert ["task", "responses", "tokens", "in", "tokens", "out", "USD"] in lines
    assert ["allotments", "5", "500", "50", "$0.005"] in lines
    assert ["local/small", "1", "100", "10", "–"] in lines
    (sealed,) = (line for line in lines if line[:1] == ["0123456789ab"])
    assert sealed[1:7] == ["2", "200", "20", "$0.002", "allotments", "sealed"]
    assert sealed[-1] == "a1b2c3d4e5f6"
    assert done.stderr == ""


def test_journal_prints_one_json_object(project: Path, path: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("journal", "--json", cwd=project)
    found = json.loads(done.stdout)
    assert found["path"] == str(path)
    assert found["bytes"] > 0
    assert (found["responses"], found["usd"], found["without_price"], found["unanswered"]) == (6, 0.005, 1, 0)
    assert found["tasks"][0] == {
        "task": "allotments",
        **{"responses": 5, "input_tokens": 500, "output_tokens": 50, "usd": 0.005, "without_price": 0},
    }
    assert [model["model"] for model in found["models"]] == ["openai/gpt-5-mini", "local/small"]
    assert [(one["run"], one["task"], one["state"], one["artifact"]) for one in found["runs"]] == [
        ("x", None, None, None),
        ("0123456789abcdef", "allotments", "sealed", "a1b2c3d4e5f60718"),
    ]


def test_without_a_journal_it_says_that_nothing_was_asked(project: Path, run_ragc: RunRagc) -> None:
    done = run_ragc("journal", cwd=project)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "nothing was asked yet: there is no journal .ragc/journal.db\n"
    done = run_ragc("journal", "--json", cwd=project)
    assert json.loads(done.stdout)["responses"] == 0
    for words in (["export"], ["prune", "--older-than", "90d"]):
        done = run_ragc("journal", *words, cwd=project)
        assert done.returncode == 2
        assert done.stderr == "error: there is no journal .ragc/journal.db yet; `ragc compile` writes one\n"
    assert not (project / ".ragc").exists()


def test_prune_takes_out_what_is_old_and_not_needed(project: Path, run_ragc: RunRagc) -> None:
    path = project / ".ragc" / "journal.db"
    with Journal.open(path) as journal:
        journal.begin_run(run("r1", task="allotments"))
        for number in range(4):
            journal.settle(
                key(number), entry(number, run="r1" if number == 0 else "x", created=OLD, usd=Fraction(1, 8))
            )
        journal.record_step("r1", 0, "baseline", [Use("q1", 0, key(0)), Use("q2", 0, key(1))])
        journal.update_run("r1", state="sealed", artifact="a1")
    done = run_ragc("journal", "prune", "--older-than", "24h", cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "pruned     2 responses that had cost $0.25, 0 runs"
    done = run_ragc("journal", "prune", "--older-than", "1d", "--json", cwd=project)
    assert json.loads(done.stdout) == {"entries": 0, "usd": 0.0, "runs": 0, "bytes": 0}
    done = run_ragc("journal", "--json", "prune", "--older-than", "1w", "--project", str(project), cwd=project.parent)
    assert json.loads(done.stdout)["entries"] == 0
    with Journal.open(path, read_only=True) as journal:
        assert [number for number in range(4) if journal.find(key(number))] == [0, 1]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["prune"], "error: Missing option '--older-than'. (see ragc journal prune --help)"),
        (
            ["prune", "--older-than", "soon"],
            "error: Invalid value for '--older-than': 'soon' is no age; write a number and h, d or w, such as 90d",
        ),
        (["export", "--json"], "error: --json says what was written: name a FILE to write to"),
        (
            ["export", "--artifact", "ffff", "out.jsonl"],
            'error: no artifact "ffff": it was not sealed with this journal',
        ),
        (["exprt"], "error: No such command 'exprt'."),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str], line: str, project: Path, path: Path, run_ragc: RunRagc
) -> None:
    done = run_ragc("journal", *words, cwd=project)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert not (project / "out.jsonl").exists()


def test_export_goes_to_stdout_or_to_a_file_and_can_be_read_again(
    project: Path, path: Path, run_ragc: RunRagc, tmp_path: Path
) -> None:
    printed = run_ragc("journal", "export", cwd=project)
    assert printed.returncode == 0, printed.stderr
    done = run_ragc("journal", "export", "all.jsonl", cwd=project)
    assert done.stdout == f"exported   all.jsonl, {len(printed.stdout.splitlines())} lines\n"
    assert (project / "all.jsonl").read_text("utf-8") == printed.stdout
    with Journal.load(project / "all.jsonl") as loaded:
        assert loaded.summary().total.entries == 6

    done = run_ragc("journal", "export", "--artifact", "a1b2", "one.jsonl", "--json", cwd=project)
    assert json.loads(done.stdout) == {"file": "one.jsonl", "lines": 7}
    with Journal.load(project / "one.jsonl") as loaded:
        assert [number for number in range(6) if loaded.find(key(number))] == [0, 1]


def test_a_damaged_journal_is_said_by_whoever_opens_it_to_write(project: Path, path: Path, run_ragc: RunRagc) -> None:
    data = bytearray(path.read_bytes())
    data[:16] = bytes(16)
    path.write_bytes(data)
    done = run_ragc("journal", cwd=project)
    assert done.returncode == 2
    assert done.stderr.startswith("error: .ragc/journal.db is damaged")
    done = run_ragc("journal", "prune", "--older-than", "90d", cwd=project)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: .ragc/journal.db was damaged (")
    assert len(list(path.parent.glob("journal.db.damaged-*"))) == 1


@pytest.mark.parametrize("command", [["journal"], ["journal", "prune", "--older-than", "1d"], ["journal", "export"]])
def test_reading_the_journal_loads_no_dspy(project: Path, path: Path, command: list[str]) -> None:
    code = (
        "import sys; from ragc.cli import group; group.main(sys.argv[1:], standalone_mode=False);"
        "print('HEAVY', *sorted({'dspy', 'numpy', 'litellm', 'mlflow', 'openai'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout and done.stderr.splitlines()[-1].strip() == "HEAVY"
