"""The names others may rely on, and what it costs to import them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import ragc

PACKAGE = Path(ragc.__file__).resolve().parent
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("[!_]*/__init__.py"))
HEAVY = {
    "anthropic",
    "apsw",
    "dspy",
    "litellm",
    "mlflow",
    "numpy",
    "openai",
    "pandas",
    "pydantic",
    "rich",
    "scipy",
    "semantic_text_splitter",
    "statsmodels",
    "weaviate",
    "wordllama",
    "xllamacpp",
}


def test_public_names_are_these() -> None:
    assert ragc.__all__ == [
        "ArtifactError",
        "BudgetError",
        "BudgetExhausted",
        "CheckFailed",
        "ConfigError",
        "DataError",
        "ExampleError",
        "ModelError",
        "Passage",
        "Passages",
        "Project",
        "RagcError",
        "Retrieve",
        "Score",
        "StoreError",
        "compare",
        "compile",
        "evaluate",
        "index",
        "load",
        "search",
    ]


@pytest.mark.parametrize("name", ["ragc", *(f"ragc.{room}" for room in ROOMS)])
def test_all_is_sorted_and_every_name_resolves(name: str) -> None:
    module = importlib.import_module(name)
    public = module.__all__
    assert list(public) == sorted(public)
    for attribute in public:
        assert getattr(module, attribute) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = ragc.nonsense


def test_the_version_is_the_one_in_pyproject() -> None:
    import tomllib

    document = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))
    assert document["project"]["version"] == ragc.__version__


def _imported_by(code: str) -> set[str]:
    """The heavy packages in sys.modules of a new process that ran `code`."""
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('MODULES', *sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = result.stdout.rpartition("MODULES")[2].split()
    return HEAVY & {module.split(".")[0] for module in modules}


@pytest.mark.parametrize(
    "code",
    [
        "import ragc",
        "import ragc.project",
        "from ragc import ConfigError",
        "from ragc.cli import group; group.main(['--help'], standalone_mode=False)",
        "from ragc.cli import COMMANDS, group; import click\n"
        "for name in COMMANDS: group.main([name, '--help'], standalone_mode=False)",
    ],
)
def test_importing_and_asking_for_help_loads_nothing_heavy(code: str) -> None:
    assert _imported_by(code) == set()
