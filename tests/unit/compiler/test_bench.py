"""What a run reads before it begins, and what its programs are bound to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy
import pytest

from ragc.compiler import Event, Working
from ragc.compiler._bench import open_bench, read_labelled
from ragc.models import Gateway
from ragc.project import Project
from ragc.retrieval import Index, Retrieve


def test_a_conversion_is_told_file_by_file_and_once(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("plots", "fees"):
        (project / f"data/allotments/corpus/{name}.csv").write_text(f"{name},size\nnorth,12\n")
    found = Project.find(project)
    told: list[Event] = []
    read_labelled(found, found.task("allotments"), told.append)
    working = [event for event in told if isinstance(event, Working)]
    assert [(one.label, one.done, one.total, one.text) for one in working] == [
        ("corpus", done, 2, "files read") for done in (0, 1, 2)
    ]
    told.clear()
    read_labelled(found, found.task("allotments"), told.append)
    assert not [event for event in told if isinstance(event, Working)]


@pytest.mark.parametrize(("embedder", "searches"), [("local/wordllama-256", 1), ("openai/text-embedding-3-small", 2)])
def test_candidates_search_once_for_the_same_question_unless_that_is_a_call(
    project: Path, monkeypatch: pytest.MonkeyPatch, embedder: str, searches: int
) -> None:
    settings = project / "pyproject.toml"
    model = '{ model = "openai/scripted", base_url = "http://127.0.0.1:9/v1", max_tokens = 100 }'
    settings.write_text(settings.read_text().replace('"local/smollm2-135m-instruct"', model))
    monkeypatch.setenv("OPENAI_API_KEY", "any-key-will-do")
    found = Project.find(project)
    bench = open_bench(
        found,
        found.task("allotments"),
        gateway_for=lambda labelled, program: Gateway(),
        threads=1,
        on_event=lambda event: None,
    )
    settings.write_text(settings.read_text().replace("[tool.ragc]\n", f'[tool.ragc]\nembedder = "{embedder}"\n'))
    bench = replace(bench, project=Project.find(project))  # the index stays, so that nobody is asked for vectors
    asked: list[str] = []
    search = Index.search

    def counted(self: Index, query: str, **given: Any) -> Any:
        asked.append(query)
        return search(self, query, **given)

    monkeypatch.setattr(Index, "search", counted)
    found_by = [_passages(bench.program(), "When does the water stop?") for _ in range(2)]
    bench.close()
    assert len(asked) == searches
    assert found_by[0] == found_by[1] != []


def _passages(program: dspy.Module, question: str) -> list[str]:
    return [passage.id for _, retrieve in program.named_sub_modules(type_=Retrieve) for passage in retrieve(question)]
