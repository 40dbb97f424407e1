"""What tracking says when it cannot: an address without its password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ragc.tracking import _log

ADDRESS = "http://me:hunter22-planted@127.0.0.1:9"


def warnings_of(uri: str, tmp_path: Path) -> str:
    (warning,) = _log.log_compile(
        uri=uri, root=tmp_path, content=Any, path=tmp_path, artifact_id="0" * 64  # type: ignore[arg-type]
    )  # fmt: skip
    return warning


def test_a_server_that_is_down_is_named_without_its_password(tmp_path: Path) -> None:
    warning = warnings_of(ADDRESS, tmp_path)
    assert "hunter22" not in warning
    assert warning.startswith("not tracked: the tracking server at http://***@127.0.0.1:9 cannot be reached")


def test_what_mlflow_says_is_told_without_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*given: object) -> None:
        raise ConnectionError(f"while asking {ADDRESS} with hunter22-planted")

    monkeypatch.setattr(_log, "_unreachable", lambda uri: None)
    monkeypatch.setattr(_log, "_log", failing)
    warning = warnings_of(ADDRESS, tmp_path)
    assert warning == (
        "not tracked at http://***@127.0.0.1:9: ConnectionError: while asking http://***@127.0.0.1:9 with ***"
    )
