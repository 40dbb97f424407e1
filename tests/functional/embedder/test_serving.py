"""An artifact whose questions are embedded behind an endpoint: retries, no journal, an index that was paid before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import ragc
from artifacts import hosted_lm, seal_program
from functional.embedder.conftest import PASSAGES, embedded, use_embedder
from provider import Provider, always, first_times, knows
from ragc.artifact import Artifact
from ragc.errors import ArtifactError, ExampleError, ModelError
from ragc.project import Project
from scenes import KEY, configure

QUESTION = "How much does it cost to join the waiting list?"
USES: list[Callable[[Artifact], object]] = [lambda one: one.ready(), lambda one: one(question=QUESTION)]


@pytest.fixture
def sealed(project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An artifact, its language model and its embedder behind an endpoint on loopback; there is no index."""
    monkeypatch.setenv("SCRIPTED_KEY", "any")
    monkeypatch.setenv("OUR_KEY", KEY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.parent / "cache"))
    hosted_model.script = knows({QUESTION: "£5"})
    use_embedder(project, hosted_model, ", dimensions = 64, price = { input = 0.1 }")
    return seal_program(project, lm=hosted_lm(hosted_model.base_url)).path


def test_a_missing_index_that_would_cost_is_one_error_that_names_the_command(
    sealed: Path, project: Path, hosted_model: Provider
) -> None:
    for use in USES:
        with pytest.raises(ArtifactError, match="holds no index of allotments; run `ragc index allotments`"):
            use(ragc.load(sealed))
    assert not hosted_model.requests
    assert not (project / ".ragc").exists()


def test_a_question_is_embedded_and_leaves_no_trace(sealed: Path, project: Path, hosted_model: Provider) -> None:
    ragc.index(project=Project.find(project))
    before = {file: file.stat().st_mtime_ns for file in (project / ".ragc").iterdir() if "journal" in file.name}
    hosted_model.reset()
    hosted_model.faults = first_times(1, "500")
    allotments = ragc.load(sealed)
    assert allotments.ready().endswith(f"is ready: openai/scripted, {PASSAGES} passages")
    assert not hosted_model.requests
    assert allotments(question=QUESTION).answer == "£5"
    assert embedded(hosted_model) == [[QUESTION]] * 2
    assert before == {file: file.stat().st_mtime_ns for file in before}


def test_ready_looks_for_the_embedders_key(
    sealed: Path, project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ragc.index(project=Project.find(project))
    monkeypatch.delenv("OUR_KEY")
    for use in USES:
        with pytest.raises(ModelError, match="openai/words: no key: set OUR_KEY in the environment"):
            use(ragc.load(sealed))


def test_an_endpoint_that_moved_is_found_where_the_project_says(
    sealed: Path, project: Path, hosted_model: Provider
) -> None:
    ragc.index(project=Project.find(project))
    with Provider() as moved:
        configure(project, hosted_model.base_url, moved.base_url)
        assert ragc.load(sealed)(question=QUESTION).answer == "£5"
        assert embedded(moved) == [[QUESTION]]


def test_an_index_made_with_another_embedder_is_refused(sealed: Path, project: Path, hosted_model: Provider) -> None:
    configure(project, "openai/words", "openai/others")
    ragc.index(project=Project.find(project))
    with pytest.raises(ArtifactError, match="made with the embedder openai/others, not openai/words"):
        ragc.load(sealed)(question=QUESTION)


@pytest.mark.parametrize(("fault", "error"), [("401", ModelError), ("context exceeded", ExampleError)])
def test_a_refusal_is_an_error_of_ragcs_own(
    sealed: Path, project: Path, hosted_model: Provider, fault: str, error: type[Exception]
) -> None:
    ragc.index(project=Project.find(project))
    hosted_model.faults = always(fault)
    with pytest.raises(error, match="openai/words: ") as raised:
        ragc.load(sealed)(question=QUESTION)
    assert KEY not in str(raised.value)
