"""Tracking: a compile run as an MLflow run. The only room that imports mlflow."""

from __future__ import annotations

from ragc.tracking._log import log_compile

__all__ = ["log_compile"]
