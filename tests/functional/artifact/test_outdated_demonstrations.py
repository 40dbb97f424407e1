"""Demonstrations quote documents, and documents change: it answers as it was measured, and every command says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import ragc
from artifacts import hosted_lm, seal_program
from conftest import RunRagc
from provider import Provider, knows
from ragc.project import Project
from ragc.retrieval import Index, Passage

CORPUS = Path("data/allotments/corpus")
SHOWN = {"What is the deposit for the key?": "£50", "When is the shop open?": "on Sundays from 10 to noon"}
QUESTION = "How much does it cost to join the waiting list?"
LINE = (
    "2 demonstrations quote documents that changed or are gone (rent.md, shop.md): `ragc compile allotments` takes them"
    " out"
)


@pytest.fixture
def sealed(project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An artifact with two demonstrations, one of rent.md and one of shop.md."""
    monkeypatch.setenv("SCRIPTED_KEY", "any")
    hosted_model.script = knows({QUESTION: "£5"})
    return seal_program(project, lm=hosted_lm(hosted_model.base_url), shown=SHOWN).path


def correct(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


def retract(project: Path) -> None:
    """One document is corrected where a demonstration quotes it, another is deleted."""
    correct(project / CORPUS / "rent.md", "£50 for the key", "£80 for the key")
    (project / CORPUS / "shop.md").unlink()


def test_every_command_says_which_documents_are_still_quoted(run_ragc: RunRagc, project: Path, sealed: Path) -> None:
    for command in ("index", "show", "verify"):
        assert "demonstration" not in run_ragc(command, cwd=project).stderr, command
    retract(project)
    indexed = run_ragc("index", "--json", cwd=project)
    assert indexed.stderr.splitlines()[-1] == f"warning: {LINE}"
    assert json.loads(indexed.stdout)["outdated_demonstrations"] == {
        "demonstrations": 2,
        "documents": ["rent.md", "shop.md"],
    }
    for arguments in (("index",), ("show",), ("verify",), ("ask", QUESTION)):
        done = run_ragc(*arguments, cwd=project)
        assert (done.returncode, done.stderr.count(f"warning: {LINE}\n")) == (0, 1), done.stderr
    checks = json.loads(run_ragc("doctor", "--json", cwd=project).stdout)["checks"]
    (check,) = (check for check in checks if check["name"] == "allotments.artifact")
    assert check["status"] == "note"
    assert LINE in check["found"]


def test_without_an_index_the_documents_themselves_are_read(run_ragc: RunRagc, project: Path, sealed: Path) -> None:
    for file in (project / ".ragc").iterdir():
        file.unlink()
    assert "demonstration" not in run_ragc("verify", cwd=project).stderr
    (project / CORPUS / "shop.md").unlink()
    done = run_ragc("verify", cwd=project)
    assert "1 demonstration quotes a document that changed or is gone (shop.md)" in done.stderr
    assert "takes it out" in done.stderr
    assert not list((project / ".ragc").iterdir())


def test_a_change_elsewhere_in_a_document_is_none(run_ragc: RunRagc, project: Path, sealed: Path) -> None:
    correct(project / CORPUS / "rent.md", "# Rent and deposit\n", "# Rent and deposit\n\nThis page is kept by Ana.\n")
    correct(project / CORPUS / "shop.md", "| Seed potatoes, 2 kg | £4 |", "| Seed potatoes, 2 kg | £5 |")
    done = run_ragc("index", cwd=project)
    assert "1 demonstration quotes a document that changed or is gone (shop.md)" in done.stderr, "its table is quoted"
    correct(project / CORPUS / "shop.md", "£5 |", "£4 |")
    assert "demonstration" not in run_ragc("index", cwd=project).stderr


def test_a_served_artifact_says_so_in_each_answer_and_when_it_is_ready(project: Path, sealed: Path) -> None:
    allotments = ragc.load(sealed)
    assert allotments(question=QUESTION).provenance["outdated"] == []
    assert "demonstration" not in allotments.ready()
    retract(project)
    ragc.index(project=Project.find(project))
    provenance = allotments(question=QUESTION).provenance
    assert provenance["outdated"] == ["rent.md", "shop.md"]
    assert provenance["measured"], "it is the program that was measured, former text and all"
    assert json.dumps(provenance)
    assert allotments.ready().endswith(f" passages; {LINE}")


def test_the_documents_are_looked_up_once_for_each_state_of_theirs(
    project: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []
    original = Index.passages

    def noted(index: Index, documents: Sequence[str]) -> list[Passage]:
        asked.append(documents)
        return original(index, documents)

    monkeypatch.setattr(Index, "passages", noted)
    allotments = ragc.load(sealed)
    allotments(question=QUESTION)
    assert not asked, "these are the documents that were sealed"
    (project / CORPUS / "shop.md").unlink()
    ragc.index(project=Project.find(project))
    for _ in range(3):
        assert allotments(question=QUESTION).provenance["outdated"] == ["shop.md"]
    assert asked == [["rent.md", "shop.md"]]
