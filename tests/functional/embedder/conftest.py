"""The small project with a scripted provider for its language model and for its embedder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import Launcher
from provider import Provider
from scenes import Scene, configure, stage

PASSAGES = 15
"""Of the small project's corpus."""


def use_embedder(root: Path, provider: Provider, more: str = ", price = { input = 0.1 }", name: str = "words") -> None:
    """Name the scripted embedder in the configuration."""
    table = f'{{ model = "openai/{name}", base_url = "{provider.base_url}", api_key_env = "OUR_KEY"{more} }}'
    configure(root, 'tracking = "off"', f'tracking = "off"\nembedder = {table}')


def embedded(provider: Provider) -> list[list[str]]:
    """The texts of every request for embeddings so far."""
    return [asked.texts for asked in list(provider.requests) if asked.endpoint == "embeddings"]


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


@pytest.fixture
def scene(tmp_path: Path, hosted_model: Provider, launcher: Launcher) -> Scene:
    """The small project, nothing asked yet."""
    scene = stage(tmp_path, hosted_model, launcher)
    use_embedder(scene.root, hosted_model)
    return scene


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, launcher: Launcher) -> Iterator[Scene]:
    """The same for all tests of a module."""
    with Provider() as provider:
        scene = stage(tmp_path_factory.mktemp("shared"), provider, launcher)
        use_embedder(scene.root, provider)
        yield scene
