"""`ragc audit`: an answer is given, the world moves on, and what stood behind the answer can still be told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artifacts import hosted_lm, seal_program
from conftest import RunRagc
from provider import Provider, knows

QUESTION = "How much does it cost to join the waiting list?"
TEXT = "Anyone who lives within three miles of Hollin Lane may join the waiting list. Joining costs £5, paid once."


@pytest.fixture
def model() -> Iterator[Provider]:
    with Provider(knows({QUESTION: "£5"})) as provider:
        yield provider


@pytest.fixture
def ask(project: Path, model: Provider, run_ragc: RunRagc, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """One answer of the small project's artifact, which logs its answers; `ragc ask --json`."""
    monkeypatch.setenv("SCRIPTED_KEY", "any")
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace("[tool.ragc]\n", '[tool.ragc]\naudit = "jsonl://.ragc/answers.jsonl"\n'))
    seal_program(project, lm=hosted_lm(model.base_url))
    done = run_ragc("ask", "allotments", QUESTION, "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def audited(run_ragc: RunRagc, project: Path, id_: str) -> tuple[str, dict[str, Any]]:
    """What `ragc audit` prints, and with --json."""
    shown = run_ragc("audit", id_, cwd=project)
    assert (shown.returncode, shown.stderr) == (0, "")
    done = run_ragc("audit", id_, "--json", cwd=project)
    return shown.stdout, json.loads(done.stdout)


def test_the_whole_chain_is_shown(ask: dict[str, Any], run_ragc: RunRagc, project: Path) -> None:
    id_ = ask["provenance"]["answer_id"]
    shown, found = audited(run_ragc, project, id_[:8])
    labels = [line.split(" ")[0] for line in shown.splitlines() if not line.startswith(" ")]
    assert list(dict.fromkeys(labels)) == [
        *("answer", "question", "answered", "cited", "retrieved", "model", "corpus"),
        *("artifact", "verdict", "labels", "nearest", "log"),
    ]
    assert TEXT in shown
    assert shown.count("the document is unchanged") == 3
    assert "not tested" in shown
    assert found["id"] == id_
    assert (found["answer"], found["citations"]) == ("£5", ask["citations"])
    assert [one["text"] for one in found["passages"]] == [one["text"] for one in ask["passages"]]
    (cited,) = [one for one in found["passages"] if one["cited"]]
    assert cited["document_now"] == {"state": "unchanged", "sha256": cited["sha256"], "passage_stands": True}
    assert found["artifact_now"]["path"].endswith("compiled/allotments")
    assert found["corpus_version"] == found["corpus_version_now"] == ask["provenance"]["corpus_version"]
    assert found["nearest"][0]["question"] == QUESTION
    assert found["labels_now"] == {
        "examples": "changed",
        "splits": "changed",
    }  # the tests' artifact was sealed with none


def test_ask_says_under_which_id_it_logged_the_answer(ask: dict[str, Any], run_ragc: RunRagc, project: Path) -> None:
    last = run_ragc("ask", "allotments", QUESTION, cwd=project).stdout.splitlines()[-1]
    id_ = last.split()[1]
    assert last == f"logged     {id_} (ragc audit {id_[:8]})"
    assert audited(run_ragc, project, id_[:8])[1]["id"] == id_ != ask["provenance"]["answer_id"]


def test_after_documents_changed_and_went_the_text_is_still_shown(
    ask: dict[str, Any], run_ragc: RunRagc, project: Path
) -> None:
    id_ = ask["provenance"]["answer_id"]
    corpus = project / "data" / "allotments" / "corpus"
    document = corpus / "waiting-list.md"
    document.write_text(document.read_text() + "\nA new rule.\n")
    shown, found = audited(run_ragc, project, id_)
    assert "this passage still stands in it" in shown
    assert found["passages"][0]["document_now"]["passage_stands"]

    document.write_text(document.read_text().replace("£5", "£7"))
    (corpus / "rent.md").unlink()
    assert run_ragc("index", cwd=project).returncode == 0
    shown, found = audited(run_ragc, project, id_)
    assert TEXT in shown
    assert "this passage no longer stands in it" in shown
    assert "the document is gone" in shown
    states = {one["document"]: one["document_now"]["state"] for one in found["passages"]}
    assert states == {"waiting-list.md": "changed", "rent.md": "gone"}

    shutil.rmtree(project / "data")
    for file in (project / ".ragc").glob("index.db*"):
        file.unlink()
    shown, found = audited(run_ragc, project, id_)
    assert TEXT in shown
    assert {one["document_now"]["state"] for one in found["passages"]} == {"unknown"}


def test_the_artifact_may_be_another_by_now_or_gone_or_touched(
    ask: dict[str, Any], run_ragc: RunRagc, project: Path, model: Provider
) -> None:
    id_ = ask["provenance"]["answer_id"]
    place = project / "compiled" / "allotments"
    other = seal_program(project, lm=hosted_lm(model.base_url), k=2).id
    shown, found = audited(run_ragc, project, id_)
    assert f"no longer in compiled/; there is {other[:8]} by now; version control may have it" in shown
    assert found["artifact_now"] == {"path": None, "instead": other, "verdict": None}
    assert found["sealed"]["verdict"]["word"] == "not tested"
    (place / "card.md").write_text("touched")
    assert "there is one that cannot be read: " in audited(run_ragc, project, id_)[0]
    shutil.rmtree(place)
    assert audited(run_ragc, project, id_)[1]["artifact_now"]["instead"] is None


def test_an_artifact_that_was_renamed_is_found(ask: dict[str, Any], run_ragc: RunRagc, project: Path) -> None:
    (project / "compiled" / "allotments").rename(project / "compiled" / "plots")
    found = audited(run_ragc, project, ask["provenance"]["answer_id"])[1]
    assert found["artifact_now"]["path"].endswith("compiled/plots")


def test_an_error_and_an_answer_without_content_are_shown_as_that(
    ask: dict[str, Any], run_ragc: RunRagc, project: Path, model: Provider
) -> None:
    model.script = lambda asked: "I would rather not say"
    assert run_ragc("ask", "allotments", "What is the rent?", cwd=project).returncode == 2
    (project / "redaction.py").write_text("def hide(text):\n    return text if text == 'word' else 1 / 0\n")
    model.script = knows({QUESTION: "£5"})
    done = run_ragc("ask", "allotments", QUESTION, cwd=project, env={"RAGC_REDACT": "redaction:hide"})
    assert done.returncode == 2
    assert "redact failed on this answer (it raised ZeroDivisionError)" in done.stderr
    lines = [json.loads(line) for line in (project / ".ragc" / "answers.jsonl").read_text().splitlines()]
    shown, _ = audited(run_ragc, project, lines[1]["id"])
    assert "failed     ExampleError: the model did not answer in the expected form" in shown
    assert "What is the rent?" in shown
    shown, _ = audited(run_ragc, project, lines[2]["id"])
    assert "content    not logged: redact: it raised ZeroDivisionError" in shown
    assert "£5" not in shown


def test_damaged_lines_are_named_and_skipped(ask: dict[str, Any], run_ragc: RunRagc, project: Path) -> None:
    log = project / ".ragc" / "answers.jsonl"
    log.write_bytes(b'{"id": "torn\n' + log.read_bytes() + b"\x00\xff\n")
    done = run_ragc("audit", ask["provenance"]["answer_id"], "--json", cwd=project)
    assert done.returncode == 0
    assert json.loads(done.stdout)["log"]["line"] == 2
    assert done.stderr.splitlines() == [
        "warning: .ragc/answers.jsonl line 1 is damaged and skipped",
        "warning: .ragc/answers.jsonl line 3 is damaged and skipped",
    ]


def test_what_cannot_be_audited_is_one_line(ask: dict[str, Any], run_ragc: RunRagc, project: Path) -> None:
    off = {"RAGC_AUDIT": "off"}
    empty = {"RAGC_AUDIT": "jsonl://.ragc/none.jsonl"}
    for arguments, env, said in (
        (("audit", "ffffffff"), {}, "error: no answer ffffffff in .ragc/answers.jsonl; `ragc ask --json`"),
        (("audit", "ff"), {}, "error: 'ff' is too short for an answer's id; give at least 4 digits"),
        (("audit", "ffffffff"), off, 'error: no answers are logged: set audit = "jsonl://.ragc/answers.jsonl" in'),
        (("audit", "ffffffff"), empty, "error: there is no answer log .ragc/none.jsonl yet; the first answer makes it"),
        (("audit",), {}, "error: Missing argument 'ID'."),
    ):
        done = run_ragc(*arguments, "--json", cwd=project, env=env)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('audit = "answers.jsonl"', "must be jsonl://PATH, such as jsonl://.ragc/answers.jsonl, or off"),
        ('audit = "jsonl://"', "must be jsonl://PATH"),
        ("audit = true", "expected text, found true"),
        ('redact = "hide"', "must be module:function"),
        ('redakt = "a:b"', 'unknown key, did you mean "redact"?'),
    ],
)
def test_settings_that_are_none_are_one_line(run_ragc: RunRagc, project: Path, line: str, said: str) -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace("[tool.ragc]\n", f"[tool.ragc]\n{line}\n", 1))
    done = run_ragc("audit", "ffffffff", cwd=project)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
