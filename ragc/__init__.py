"""ragc compiles RAG programs: declare, label, compile under a budget, import the sealed result.

Names are loaded on first use, so that `import ragc` stays cheap (neither dspy nor mlflow is imported by it).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ragc.errors import (
    ArtifactError,
    BudgetError,
    BudgetExhausted,
    CheckFailed,
    ConfigError,
    DataError,
    ExampleError,
    ModelError,
    RagcError,
    StoreError,
)

if TYPE_CHECKING:
    from ragc.artifact import load
    from ragc.compiler import compile, evaluate
    from ragc.evaluation import Score
    from ragc.project import Project
    from ragc.retrieval import Passage, Passages, Retrieve, index, search

__version__ = "0.1.0"

_HOME = {
    "Passage": "ragc.retrieval",
    "Passages": "ragc.retrieval",
    "Project": "ragc.project",
    "Retrieve": "ragc.retrieval",
    "Score": "ragc.evaluation",
    "compile": "ragc.compiler",
    "evaluate": "ragc.compiler",
    "index": "ragc.retrieval",
    "load": "ragc.artifact",
    "search": "ragc.retrieval",
}

__all__ = [
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
    "compile",
    "evaluate",
    "index",
    "load",
    "search",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'ragc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
