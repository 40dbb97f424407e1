"""Tracking: a compile run as an MLflow run. The only room that imports mlflow."""

from __future__ import annotations

from ragc.tracking._log import LABEL, log_compile, log_unsealed
from ragc.tracking._said import Unsealed

__all__ = ["LABEL", "Unsealed", "log_compile", "log_unsealed"]
