"""What a project is: its configuration, its programs and its optimizers.

Names are loaded on first use: pydantic with the settings, dspy with the first program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use
from ragc.project._project import Project, project_name, splits_beside

if TYPE_CHECKING:
    from ragc.project._explain import nearest
    from ragc.project._load import load_object, load_optimizer, load_program
    from ragc.project._options import function_settings, optimizer_settings
    from ragc.project._read import arm_settings, settings_alone
    from ragc.project._settings import (
        ArmSettings,
        Budget,
        ChunkSettings,
        EmbedderSettings,
        EmbeddingPrice,
        ExperimentSettings,
        Limits,
        ModelSettings,
        Price,
        RerankerSettings,
        RerankPrice,
        Settings,
        TaskSettings,
    )
    from ragc.project._starter import starter

_HOME = {
    "ArmSettings": "_settings",
    "Budget": "_settings",
    "ChunkSettings": "_settings",
    "EmbedderSettings": "_settings",
    "EmbeddingPrice": "_settings",
    "ExperimentSettings": "_settings",
    "Limits": "_settings",
    "ModelSettings": "_settings",
    "RerankPrice": "_settings",
    "RerankerSettings": "_settings",
    "Price": "_settings",
    "Settings": "_settings",
    "TaskSettings": "_settings",
    "function_settings": "_options",
    "arm_settings": "_read",
    "load_object": "_load",
    "load_optimizer": "_load",
    "load_program": "_load",
    "nearest": "_explain",
    "optimizer_settings": "_options",
    "settings_alone": "_read",
    "starter": "_starter",
}

__all__ = [
    "ArmSettings",
    "Budget",
    "ChunkSettings",
    "EmbedderSettings",
    "EmbeddingPrice",
    "ExperimentSettings",
    "Limits",
    "ModelSettings",
    "Price",
    "Project",
    "RerankPrice",
    "RerankerSettings",
    "Settings",
    "TaskSettings",
    "arm_settings",
    "function_settings",
    "load_object",
    "load_optimizer",
    "load_program",
    "nearest",
    "optimizer_settings",
    "project_name",
    "settings_alone",
    "splits_beside",
    "starter",
]


__getattr__, __dir__ = on_first_use(__name__, _HOME)
