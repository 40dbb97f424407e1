"""A task that is compiled again: the new artifact against the one whose place it takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import ragc
from provider import Provider
from ragc.artifact import verify
from ragc.compiler import Event, Finished


def test_a_new_artifact_is_compared_with_the_one_it_replaces(hosted_project: Path, hosted_model: Provider) -> None:
    first = ragc.compile(project=hosted_project, settings={"demos": 4})
    assert first.replaced is None and first.as_json()["replaced"] is None
    assert ragc.compile(project=hosted_project, settings={"demos": 4}).replaced is None  # the same program again
    told: list[Event] = []
    second = ragc.compile(project=hosted_project, settings={"demos": 2}, on_event=told.append)
    assert second.replaced is not None and second.replaced.id == first.id and second.replaced.why_not is None
    found = second.as_json()["replaced"]
    assert found["n"] == second.as_json()["test"]["compiled"]["n"]
    assert second.comparison is not None and found["verdict"] == "not shown" != second.comparison.verdict
    line = next(one for one in told if isinstance(one, Finished) and one.label == "replaced").lines[0]
    assert line.startswith(f"{(first.id or '')[:8]} on the same questions: ")
    manifest = verify(hosted_project / "compiled" / "allotments")
    assert manifest.built["replaced"]["id"] == first.id
    for file in ("card.md", "report.html"):
        text = (manifest.path / file).read_text("utf-8")
        assert f"Against {(first.id or '')[:8]}, which it replaced, on the same questions: not shown" in text
    asked = len(hosted_model.requests)
    shutil.rmtree(hosted_project / "compiled")
    alone = ragc.compile(project=hosted_project, settings={"demos": 2})
    assert (alone.id, alone.replaced) == (second.id, None)
    assert alone.as_json()["cost"] == second.as_json()["cost"] and len(hosted_model.requests) == asked


def test_where_the_budget_has_no_room_it_says_so_and_seals(hosted_project: Path) -> None:
    first = ragc.compile(project=hosted_project, settings={"demos": 4})
    calls = first.as_json()["cost"]["calls"]
    second = ragc.compile(project=hosted_project, settings={"demos": 2}, budget={"calls": calls}, fresh=True)
    assert second.stopped is None and second.replaced is not None and second.paid is not None
    assert second.paid.calls == calls and second.replaced.id == first.id
    assert second.as_json()["replaced"]["verdict"] == "not tested"
    assert "no room left" in verify(hosted_project / "compiled" / "allotments").built["replaced"]["sentence"]


def test_an_artifact_that_was_touched_is_not_asked(hosted_project: Path) -> None:
    first = ragc.compile(project=hosted_project, settings={"demos": 4})
    place = hosted_project / "compiled" / "allotments"
    (place / "card.md").write_text("touched", "utf-8")
    second = ragc.compile(project=hosted_project, settings={"demos": 2})
    assert second.replaced is None and second.id != first.id and verify(place).id == second.id
