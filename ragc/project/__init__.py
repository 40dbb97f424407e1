"""What a project is: its configuration, its programs and its optimizers.

Names are loaded on first use: pydantic with the settings, dspy with the first program.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ragc.project._project import Project

if TYPE_CHECKING:
    from ragc.project._load import load_object, load_optimizer, load_program
    from ragc.project._options import optimizer_settings
    from ragc.project._settings import (
        Budget,
        ChunkSettings,
        EmbedderSettings,
        Limits,
        ModelSettings,
        Price,
        Settings,
        TaskSettings,
    )
    from ragc.project._starter import starter

_HOME = {
    "Budget": "_settings",
    "ChunkSettings": "_settings",
    "EmbedderSettings": "_settings",
    "Limits": "_settings",
    "ModelSettings": "_settings",
    "Price": "_settings",
    "Settings": "_settings",
    "TaskSettings": "_settings",
    "load_object": "_load",
    "load_optimizer": "_load",
    "load_program": "_load",
    "optimizer_settings": "_options",
    "starter": "_starter",
}

__all__ = [
    "Budget",
    "ChunkSettings",
    "EmbedderSettings",
    "Limits",
    "ModelSettings",
    "Price",
    "Project",
    "Settings",
    "TaskSettings",
    "load_object",
    "load_optimizer",
    "load_program",
    "optimizer_settings",
    "starter",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"ragc.project.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'ragc.project' has no attribute {name!r}")
