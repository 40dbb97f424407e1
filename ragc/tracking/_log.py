"""Logs a sealed compile run to MLflow: parameters, candidates as steps, test metrics, artifact, fingerprints."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ragc._secrets import hide_password, redact, redact_json

if TYPE_CHECKING:
    from ragc.artifact import Content

OFF = "off"
CONNECT_SECONDS = 3.0
"""How long a tracking server may take to accept a connection before it counts as down."""
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}


def log_compile(*, uri: str, root: Path, content: Content, path: Path, artifact_id: str) -> list[str]:
    """Logs one run to the tracking server at `uri`; `off` logs nothing. Returns warnings.

    A relative `sqlite:///` path is below `root`, and so are the files of its artifacts. A server that is down or
    refuses costs a warning: the artifact is sealed already.
    """
    if uri == OFF:
        return []
    hide_password(uri)
    down = _unreachable(uri)
    if down is not None:
        return [f"not tracked: {down}; the artifact is sealed all the same"]
    try:
        with _quiet():
            _log(_resolved(uri, root), root, content, path, artifact_id)
    except Exception as error:  # noqa: BLE001  whatever MLflow raises, the run is sealed and must not fail for it
        text = redact(" ".join(str(error).split()))[:200]
        return [f"not tracked at {redact(uri)}: {type(error).__name__}: {text}"]
    return []


def _log(uri: str, root: Path, content: Content, path: Path, artifact_id: str) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    client = MlflowClient(tracking_uri=uri)
    name = f"ragc/{content.task}"
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        experiment_id = experiment.experiment_id
    else:
        location = (root / ".ragc" / "mlartifacts").resolve().as_uri() if uri.startswith("sqlite:") else None
        experiment_id = client.create_experiment(name, artifact_location=location)
    run = client.create_run(experiment_id, run_name=f"{content.task} {artifact_id[:8]}")
    run_id = run.info.run_id
    try:
        now = run.info.start_time
        metrics = [Metric(key, value, now, step) for key, value, step in _metrics(content)]
        params = [Param(key, value[:6000]) for key, value in _params(content).items()]
        tags = [RunTag(key, value) for key, value in _tags(content, artifact_id).items()]
        client.log_batch(run_id, metrics=metrics[:1000], params=params[:100], tags=tags[:100])
        client.log_inputs(
            run_id,
            datasets=[
                DatasetInput(
                    Dataset(kind, fingerprint[:32], "ragc", content.task),
                    [InputTag("mlflow.data.context", kind)],
                )
                for kind, fingerprint in sorted(content.fingerprints.items())
            ],
        )
        client.log_artifacts(run_id, str(path), artifact_path=f"compiled/{content.task}")
    except BaseException:
        client.set_terminated(run_id, status="FAILED")
        raise
    client.set_terminated(run_id)


def _metrics(content: Content) -> Iterator[tuple[str, float, int]]:
    for step, candidate in enumerate(content.candidates, start=1):
        if candidate.score is not None:
            yield "validation.candidate", candidate.score, step
        if candidate.usd_per_question is not None:
            yield "validation.candidate_usd_per_question", candidate.usd_per_question, step
    for split in ("validation", "test"):
        for program, details in (content.results.get(split) or {}).items():
            for key, value in (details or {}).items():
                if isinstance(value, int | float):
                    yield f"{split}.{program}.{key}", float(value), 0
    for key in ("difference", "ci_low", "ci_high", "p_value"):
        value = content.verdict.get(key)
        if value is not None:
            yield f"test.{key}", float(value), 0
    for key, value in content.cost.items():
        if value is not None:
            yield f"cost.{key}", float(value), 0


def _params(content: Content) -> dict[str, str]:
    optimizer = content.optimizer or {}
    params: dict[str, Any] = {
        "program": content.program,
        "model": content.model.get("model", content.lm.get("model")),
        "embedder": content.embedder.get("name"),
        "adapter": content.adapter,
        "metric": content.metric,
        "optimizer": optimizer.get("name"),
        "seed": optimizer.get("seed"),
        **{f"optimizer.{key}": value for key, value in (optimizer.get("settings") or {}).items()},
        **{f"chunk.{key}": value for key, value in content.chunking.items()},
    }
    return {key: str(redact_json(str(value))) for key, value in params.items() if value is not None}


def _tags(content: Content, artifact_id: str) -> dict[str, str]:
    return {
        "ragc.task": content.task,
        "ragc.artifact": artifact_id,
        "ragc.verdict": str(content.verdict.get("word")),
        "ragc.sealed": content.sealed,
        "ragc.stopped": str(content.built.get("stopped")),
        "mlflow.note.content": redact(str(content.verdict.get("sentence", ""))),
        **{f"ragc.fingerprint.{key}": value for key, value in content.fingerprints.items()},
    }


def _resolved(uri: str, root: Path) -> str:
    """The address with a relative SQLite path made absolute, its folder made."""
    prefix = "sqlite:///"
    if not uri.startswith(prefix) or uri.startswith(prefix + "/"):
        return uri
    file = root / uri.removeprefix(prefix)
    file.parent.mkdir(parents=True, exist_ok=True)
    return f"{prefix}{file.resolve()}"


def _unreachable(uri: str) -> str | None:
    """Why nobody listens at an http address; None for one that does, and for files."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=CONNECT_SECONDS):
            return None
    except OSError as error:
        return f"the tracking server at {redact(uri)} cannot be reached ({error.strerror or error})"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No telemetry, no version check, no talk on the terminal; the environment is put back afterwards."""
    before = {key: os.environ.get(key) for key in _QUIET}
    os.environ.update(_QUIET)
    levels = {name: logging.getLogger(name).level for name in ("mlflow", "alembic")}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's advice to its own callers is not for the user of ragc
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
