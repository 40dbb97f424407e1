"""What a run reads before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragc.compiler import Event, Working
from ragc.compiler._bench import read_labelled
from ragc.project import Project


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
