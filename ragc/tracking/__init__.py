"""Tracking: a compile run, or a comparison, as MLflow runs. The only room that imports mlflow."""

from __future__ import annotations

from ragc.tracking._log import LABEL, log_compare, log_compile, log_unsealed
from ragc.tracking._said import Compared, ComparedArm, Unsealed

__all__ = ["Compared", "ComparedArm", "LABEL", "Unsealed", "log_compare", "log_compile", "log_unsealed"]
