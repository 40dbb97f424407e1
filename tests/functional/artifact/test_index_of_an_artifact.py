"""An artifact and its index: built where it is missing, followed where it moves, refused where it is another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ragc
from artifacts import hosted_lm, seal_program
from conftest import RunRagc
from provider import Provider, knows
from ragc.errors import ArtifactError, ConfigError
from ragc.project import Project

QUESTION = "How much does it cost to join the waiting list?"


@pytest.fixture
def sealed(project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The artifact of the small project, its model behind an endpoint on loopback."""
    monkeypatch.setenv("SCRIPTED_KEY", "any")
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.parent / "cache"))
    hosted_model.script = knows({QUESTION: "£5"})
    return seal_program(project, lm=hosted_lm(hosted_model.base_url)).path


def test_a_missing_index_is_built_and_says_so(sealed: Path, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    allotments = ragc.load(sealed)
    assert not (project / ".ragc").exists()
    prediction = allotments(question=QUESTION)
    assert prediction.answer == "£5"
    assert (project / ".ragc" / "index.db").is_file()
    assert "allotments: building the missing index, 10 of 10 documents" in capfd.readouterr().err


def test_an_answer_has_passages_checked_citations_and_provenance(sealed: Path, project: Path) -> None:
    report = ragc.index(project=Project.find(project))
    allotments = ragc.load(sealed)
    prediction = allotments(question=QUESTION)
    assert len(prediction.passages) == 3
    cited = [passage for passage in prediction.passages if passage.id in prediction.citations]
    assert cited
    assert all("£5" in passage.text for passage in cited)
    provenance = prediction.provenance
    assert provenance["artifact"] == allotments.id
    assert provenance["citation_method"] == "string-match"
    assert provenance["measured"]
    assert provenance["corpus_version"]
    assert json.dumps(provenance)
    assert allotments.ready() == f"allotments {allotments.id[:8]} is ready: openai/scripted, {report.passages} passages"


def test_a_corpus_that_moved_is_followed_and_never_refused(sealed: Path, project: Path) -> None:
    allotments = ragc.load(sealed)
    before = allotments(question=QUESTION).provenance
    (project / "data/allotments/corpus/bees.md").write_text("# Bees\n\nA beehive costs £30 a year on any plot.\n")
    ragc.index(project=Project.find(project))
    prediction = allotments(question="What does a beehive cost a year on a plot?")
    assert "bees.md" in [passage.document for passage in prediction.passages]
    assert prediction.provenance["corpus_version"] != before["corpus_version"]
    assert prediction.provenance["artifact"] == before["artifact"]
    assert prediction.provenance["measured"]


def test_an_index_with_another_chunking_is_refused_and_says_how_to_go_on(sealed: Path, project: Path) -> None:
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + "chunk = { size = 200 }\n")
    ragc.index(project=Project.find(project))
    with pytest.raises(ArtifactError, match=r"cannot be served: the index of allotments was made with .*200") as caught:
        ragc.load(sealed)(question=QUESTION)
    assert "\n" not in str(caught.value)
    with pytest.raises(ArtifactError):
        ragc.load(sealed).ready()


def test_the_store_can_be_chosen(sealed: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = project.parent / "elsewhere.db"
    assert ragc.load(sealed, store=f"sqlite:///{elsewhere}")(question=QUESTION).answer == "£5"
    assert elsewhere.is_file()
    variable = project.parent / "variable.db"
    monkeypatch.setenv("RAGC_STORE", f"sqlite:///{variable}")
    assert ragc.load(sealed)(question=QUESTION).answer == "£5"
    assert variable.is_file()
    assert not (project / ".ragc").exists()


def test_filters_hold_for_every_question_and_are_said_not_to_be_measured(sealed: Path) -> None:
    filtered = ragc.load(sealed, filters={"document": "no such document"})
    prediction = filtered(question=QUESTION)
    assert list(prediction.passages) == []
    assert prediction.citations == ()
    assert prediction.provenance["differs"] == ["filters"]
    with pytest.raises(ConfigError):
        ragc.load(sealed, filters={"document": {"roughly": 3}})


def test_other_retrieval_settings_are_said_not_to_be_measured(sealed: Path) -> None:
    allotments = ragc.load(sealed)
    allotments.program.retrieve.k = 1
    prediction = allotments(question=QUESTION)
    assert len(prediction.passages) == 1
    assert prediction.provenance["differs"] == ["retrieval"]


def test_serving_imports_no_tracking_no_statistics_no_journal_and_none_of_the_projects_programs(
    sealed: Path, project: Path
) -> None:
    (project / "programs" / "grounded.py").unlink()
    code = (
        "import sys; from compiled import allotments\n"
        f"print(allotments(question={QUESTION!r}).answer)\n"
        "print([n for n in ('mlflow', 'scipy', 'ragc.tracking', 'ragc.compiler', 'programs.grounded', 'litellm',"
        " 'ragc.models.gateway._gateway', 'ragc.models.gateway._journal') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["£5", "[]"]
    assert all(path.name.startswith("index.db") for path in (project / ".ragc").iterdir())


def test_forked_workers_answer(sealed: Path) -> None:
    allotments = ragc.load(sealed)
    allotments(question=QUESTION)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if allotments(question=QUESTION).answer == "£5" else 2
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]


def test_ask_answers_with_an_artifact_by_name_and_by_path(run_ragc: RunRagc, sealed: Path, project: Path) -> None:
    for target in ("allotments", "./compiled/allotments"):
        done = run_ragc("ask", target, QUESTION, "--json", cwd=project)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["answer"] == "£5"
