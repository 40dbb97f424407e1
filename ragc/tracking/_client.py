"""The MLflow client: quiet, one for each logged run, on a database that is made whole and that follows the project."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import socket
import sqlite3
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ragc._files import fsync_folder
from ragc._secrets import redact

CONNECT_SECONDS = 3.0
"""How long a tracking server may take to accept a connection before it counts as down."""
ARTIFACTS = "mlartifacts"
"""The folder beside an SQLite database that holds the files of its runs."""
_SQLITE = "sqlite:///"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}


def unreachable(uri: str) -> str | None:
    """Return why nobody listens at an http address; None for one that does, and for files."""
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
def quiet() -> Iterator[None]:
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


def connect(uri: str, root: Path) -> Any:
    """Return an `MlflowClient` of the server or database at `uri`; a relative SQLite path is below `root`."""
    from mlflow import MlflowClient

    file = database(uri, root)
    if file is None:
        return MlflowClient(tracking_uri=uri)
    _make(file)
    return MlflowClient(tracking_uri=f"{_SQLITE}{file}")


def experiment(client: Any, uri: str, root: Path, name: str) -> str:
    """Return the id of the experiment `name`, which is made where there is none.

    Files of runs in an SQLite database lie beside it. The database has their absolute path: where it was copied or
    moved, the paths in it are made those of here, so that nothing goes to, or is read from, where it came from.
    """
    file = database(uri, root)
    location = None if file is None else (file.parent / ARTIFACTS).as_uri()
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=location))
    former = str(found.artifact_location)
    if file is not None and location is not None and former != location and former.endswith(f"/{ARTIFACTS}"):
        _move(file, former, location)
    return str(found.experiment_id)


def database(uri: str, root: Path) -> Path | None:
    """Return the absolute path of an SQLite database; None for any other address."""
    return (root / uri.removeprefix(_SQLITE)).resolve() if uri.startswith(_SQLITE) else None


def _move(file: Path, former: str, location: str) -> None:
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection, connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (location, former)
        )
        connection.execute(
            "UPDATE runs SET artifact_uri = ?1 || substr(artifact_uri, length(?2) + 1)"
            " WHERE substr(artifact_uri, 1, length(?2) + 1) = ?2 || '/'",
            (location, former),
        )


def _make(file: Path) -> None:
    """Make a new database under another name, without waiting for the disk at each of MLflow's hundreds of steps.

    That takes a second where it took six, and the database is there whole or not at all.
    """
    if file.exists():
        return
    from mlflow import MlflowClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def hurry(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    file.parent.mkdir(parents=True, exist_ok=True)
    made, copied = (file.with_name(f".{file.name}.{secrets.token_hex(6)}.tmp") for _ in range(2))
    event.listen(Engine, "connect", hurry)
    try:
        MlflowClient(tracking_uri=f"{_SQLITE}{made}").search_experiments(max_results=1)
        shutil.copyfile(made, copied)  # another file than the one that MLflow keeps open
        with copied.open("rb") as whole:
            os.fsync(whole.fileno())
        with contextlib.suppress(OSError):  # another process was first; or no links here, and MLflow makes it in place
            os.link(copied, file)
            fsync_folder(file.parent)
    finally:
        event.remove(Engine, "connect", hurry)
        made.unlink(missing_ok=True)
        copied.unlink(missing_ok=True)


def now() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return round(time.time() * 1000)
