"""A scene for each test, and one for each module whose tests go on where the last one ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import Launcher
from provider import Provider
from scenes import Scene, stage


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


@pytest.fixture
def scene(tmp_path: Path, hosted_model: Provider, launcher: Launcher) -> Scene:
    """The small project, nothing asked yet."""
    return stage(tmp_path, hosted_model, launcher)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Iterator[Scene]:
    """The same for all tests of a module."""
    with Provider() as provider:
        yield stage(tmp_path_factory.mktemp("shared"), provider, launcher)
