"""A scene for each test, and one for each module whose tests go on where the last one ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher import Launcher
from provider import Provider
from scenes import Scene, stage

LABELED = "optimizer=labeled,set={candidates = 2}"


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


@pytest.fixture
def scene(tmp_path: Path, hosted_model: Provider, launcher: Launcher) -> Scene:
    """The small project with half of its questions, nothing asked yet."""
    return stage(tmp_path, hosted_model, launcher)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Iterator[Scene]:
    """The same for all tests of a module."""
    with Provider() as provider:
        yield stage(tmp_path_factory.mktemp("shared"), provider, launcher)


def arms_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was measured of each arm; model times are of the day."""
    times = ("latency_p50", "latency_p95")
    return {arm["name"]: {key: arm[key] for key in arm if key not in times} for arm in found["arms"]}


def forget(scene: Scene) -> None:
    """The project as it was before its first command; the provider as if nothing had been asked."""
    scene.forget()
    (scene.root / "data" / "allotments" / "openings.jsonl").unlink(missing_ok=True)


def questions_of(scene: Scene, split: str) -> dict[str, str]:
    """The questions of one split, by their ids."""
    folder = scene.root / "data" / "allotments"
    splits = json.loads((folder / "splits.json").read_text("utf-8"))
    mine = {id_ for id_, one in splits["splits"].items() if one == split}
    lines = (folder / "examples.jsonl").read_text("utf-8").splitlines()
    return {one["id"]: one["question"] for one in map(json.loads, lines) if one["id"] in mine}
