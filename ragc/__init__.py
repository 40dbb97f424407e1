"""ragc compiles RAG programs: declare, label, compile under a budget, import the sealed result.

Names are loaded on first use, so that `import ragc` stays cheap (neither dspy nor mlflow is imported by it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use
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
    from ragc.comparison import compare
    from ragc.compiler import compile, evaluate
    from ragc.evaluation import Score
    from ragc.project import Project
    from ragc.retrieval import Passage, Passages, Retrieve, index, search

__version__ = "0.1.0"

_HOME = {
    "Passage": "retrieval",
    "Passages": "retrieval",
    "Project": "project",
    "Retrieve": "retrieval",
    "Score": "evaluation",
    "compare": "comparison",
    "compile": "compiler",
    "evaluate": "compiler",
    "index": "retrieval",
    "load": "artifact",
    "search": "retrieval",
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
    "compare",
    "compile",
    "evaluate",
    "index",
    "load",
    "search",
]


__getattr__, __dir__ = on_first_use(__name__, _HOME)
