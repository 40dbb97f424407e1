"""Fixtures for every room: a small project of its own for each test, the command line, a scripted provider."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provider import Provider, knows

REPOSITORY = Path(__file__).resolve().parent.parent
SMALL_PROJECT = Path(__file__).resolve().parent / "small_project"

RunRagc = Callable[..., "subprocess.CompletedProcess[str]"]
"""run_ragc(*args, cwd=…, env={…}, timeout=…) -> CompletedProcess with returncode, stdout and stderr."""

# What a developer's shell may hold and a test must not see.
_KEPT_OUT = ("RAGC_", "_RAGC", "OPENAI_", "ANTHROPIC_", "MLFLOW_", "NO_COLOR", "FORCE_COLOR")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out the variables that change what ragc does; RAGC_MODELS stays, it only says where weights are."""
    for name in list(os.environ):
        if name.startswith(_KEPT_OUT) and name != "RAGC_MODELS":
            monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The root of a new project: 10 short documents, 40 questions, the starter programs and optimizers, no network."""
    root = tmp_path / "allotments"
    shutil.copytree(SMALL_PROJECT, root)
    for folder in ("programs", "optimizers"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture
def run_ragc() -> RunRagc:
    """Run `ragc …` in a process of its own."""

    def run(
        *args: str | os.PathLike[str],
        cwd: Path,
        env: dict[str, str] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ragc", *args],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def hosted_model() -> Iterator[Provider]:
    """A scripted provider that knows no answer; set `.script` before use, read `.requests` after."""
    with Provider(knows({})) as provider:
        yield provider
