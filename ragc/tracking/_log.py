"""Logs a compile run to MLflow: parameters, metrics, candidates as steps, fingerprints, and the artifact it sealed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ragc._secrets import hide_password, redact
from ragc.tracking._client import connect, experiment, now, quiet, unreachable
from ragc.tracking._said import Compared, Said, Unsealed, of_comparison, of_compile, of_unsealed

if TYPE_CHECKING:
    from ragc.artifact import Content

LABEL = "logging"
"""What a progress line calls it: importing MLflow and making its database take some seconds."""
OFF = "off"


def log_compile(*, uri: str, root: Path, content: Content, path: Path, artifact_id: str) -> list[str]:
    """Logs one run to the tracking server at `uri`; `off` logs nothing. Returns warnings.

    A relative `sqlite:///` path is below `root`, and the files of its runs lie beside it. A run that was stopped has
    the status KILLED (budget, time, interrupted) or FAILED (errors). A server that is down or refuses costs a warning:
    the artifact is sealed already.
    """
    return _tell(uri, root, lambda: of_compile(content, path, artifact_id), "; the artifact is sealed all the same")


def log_unsealed(*, uri: str, root: Path, run: Unsealed) -> list[str]:
    """Logs a run that sealed nothing, as KILLED or FAILED with its reason. Otherwise like `log_compile`."""
    return _tell(uri, root, lambda: of_unsealed(run), "")


def log_compare(*, uri: str, root: Path, study: Compared) -> list[str]:
    """Logs a comparison: a run of its own, and below it one an arm. Otherwise like `log_compile`."""

    def log() -> None:
        parent, arms = of_comparison(study)
        run = _log(uri, root, parent)
        for arm in arms:
            _log(uri, root, arm, parent=run)

    return _told(uri, log, "; the arms are sealed all the same")


def _tell(uri: str, root: Path, said: Callable[[], Said], consolation: str) -> list[str]:
    return _told(uri, lambda: _log(uri, root, said()), consolation)


def _told(uri: str, log: Callable[[], object], consolation: str) -> list[str]:
    if uri == OFF:
        return []
    hide_password(uri)
    down = unreachable(uri)
    if down is not None:
        return [f"not tracked: {down}{consolation}"]
    try:
        with quiet():
            log()
    except Exception as error:  # noqa: BLE001  whatever MLflow raises, the run is sealed and must not fail for it
        text = redact(" ".join(str(error).split()))[:200]
        return [f"not tracked at {redact(uri)}: {type(error).__name__}: {text}"]
    return []


def _log(uri: str, root: Path, said: Said, *, parent: str | None = None) -> str:
    """Logs one run, below `parent` where it has one, and returns its id."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    client = connect(uri, root)
    end = now()
    run = client.create_run(
        experiment(client, uri, root, f"ragc/{said.task}"),
        start_time=end - round(1000 * said.seconds),
        run_name=said.name,
    )
    run_id, status = str(run.info.run_id), "FAILED"
    tags = {**said.tags, **({} if parent is None else {MLFLOW_PARENT_RUN_ID: parent})}
    try:
        client.log_batch(
            run_id,
            metrics=[Metric(key, value, end, step) for key, value, step in said.metrics][:1000],
            params=[Param(key, value[:6000]) for key, value in said.params.items()][:100],
            tags=[RunTag(key, value) for key, value in tags.items()][:100],
        )
        if said.fingerprints:
            client.log_inputs(
                run_id,
                datasets=[
                    DatasetInput(
                        Dataset(kind, fingerprint[:32], "ragc", said.task),
                        [InputTag("mlflow.data.context", kind)],
                    )
                    for kind, fingerprint in sorted(said.fingerprints.items())
                ],
            )
        if said.folder is not None:
            client.log_artifacts(run_id, str(said.folder), artifact_path=f"compiled/{said.task}")
        status = said.status
    finally:
        client.set_terminated(run_id, status=status, end_time=end)
    return run_id
