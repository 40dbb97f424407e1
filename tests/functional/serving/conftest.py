from __future__ import annotations

from pathlib import Path

import pytest

from provider import Provider
from teams import make_project, tells_all


@pytest.fixture
def teams(tmp_path: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of the project of several teams, whose model says every code word that it is shown."""
    monkeypatch.setenv("SCRIPTED_KEY", "any")
    hosted_model.script = tells_all
    make_project(tmp_path / "teams", hosted_model.base_url)
    return tmp_path / "teams"
