"""What the token budget leaves out, and what `expand` adds, from the program to what `ragc ask` prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ragc
from artifacts import hosted_lm, seal_program
from provider import Provider, fields
from ragc.project import Project
from ragc.retrieval import index

Run = Callable[..., Any]
QUESTION = "How much does it cost to join the waiting list?"


@pytest.fixture
def asked(project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Seal the small project's program with these settings of retrieval, and return the artifact's folder."""
    monkeypatch.setenv("SCRIPTED_KEY", "sk-scripted-0123456789abcdef")
    hosted_model.script = lambda asked: fields(answer="£5")
    index(project=Project.find(project))

    def seal(**retrieve: Any) -> Path:
        return seal_program(project, lm=hosted_lm(hosted_model.base_url), retrieve=retrieve).path

    return seal


def test_what_the_budget_drops_is_named_and_not_read(
    asked: Callable[..., Path], hosted_model: Provider, project: Path, run_ragc: Run
) -> None:
    whole = ragc.load(asked(k=8))(question=QUESTION)
    assert whole.provenance["dropped"] == ()
    path = asked(k=8, max_tokens=150)
    cut = ragc.load(path)(question=QUESTION)
    assert 0 < len(cut.passages) < len(whole.passages) == 8
    assert [passage.id for passage in cut.passages] + list(cut.provenance["dropped"]) == [
        passage.id for passage in whole.passages
    ]
    prompt = str(hosted_model.requests[-1])
    assert all(passage.id in prompt for passage in cut.passages)
    assert not any(id_ in prompt for id_ in cut.provenance["dropped"])

    found = json.loads(run_ragc("ask", "allotments", QUESTION, "--json", cwd=project).stdout)
    assert found["provenance"]["dropped"] == list(cut.provenance["dropped"])
    assert [passage["id"] for passage in found["passages"]] == [passage.id for passage in cut.passages]
    shown = run_ragc("ask", "allotments", QUESTION, cwd=project).stdout
    names = ", ".join(cut.provenance["dropped"])
    assert f"dropped    {len(cut.provenance['dropped'])} passages beyond the token budget, not read: {names}" in shown


def test_neighbours_are_read_cited_and_dropped_like_other_passages(asked: Callable[..., Path]) -> None:
    hits = ragc.load(asked(k=1)).program.retrieve
    plain = ragc.load(asked(k=1))(question=QUESTION)
    wide = ragc.load(asked(k=1, expand="document"))(question=QUESTION)
    assert hits.expand == 0
    (hit,) = plain.passages
    assert hit.id in [passage.id for passage in wide.passages]
    assert len(wide.passages) > 1
    assert {passage.document for passage in wide.passages} == {hit.document}
    assert set(wide.citations) <= {passage.id for passage in wide.passages}
    tight = ragc.load(asked(k=1, expand="document", max_tokens=60))(question=QUESTION)
    assert [passage.id for passage in tight.passages] == [hit.id]
    assert {hit.id, *tight.provenance["dropped"]} == {passage.id for passage in wide.passages}


def test_sealed_settings_of_an_artifact_from_before_there_was_expand(asked: Callable[..., Path]) -> None:
    program = ragc.load(asked(k=2)).program
    state = program.retrieve.dump_state()
    del state["expand"]
    program.retrieve.load_state(state)
    assert program.retrieve.expand == 0
