"""What tracking logs, where the files go, and what it says when it cannot."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from ragc.artifact import Candidate, Content
from ragc.tracking import Unsealed, _log, log_compile, log_unsealed

ADDRESS = "http://me:hunter22-planted@127.0.0.1:9"
URI = "sqlite:///.ragc/mlflow.db"


def side(score: float) -> dict[str, Any]:
    return {"score": score, "n": 3, "errors": 1, "usd_per_question": None, "recall": 0.5, "slices": {}}


def content(**parts: Any) -> Content:
    given: dict[str, Any] = {
        "task": "plain",
        "program": "programs.plain:Plain",
        "state": {},
        "sources": {},
        "model": {"model": "openai/scripted"},
        "lm": {"model": "openai/scripted"},
        "adapter": "RepairingChatAdapter",
        "embedder": {"name": "local/wordllama-256"},
        "embedder_settings": {},
        "chunking": {"size": 500},
        "fingerprints": {"corpus": "c" * 64},
        "optimizer": {"name": "bootstrap", "settings": {"demos": 4, "k": None}, "seed": 7},
        "metric": "answer_f1",
        "scores": {},
        "verdict": {
            "word": "better",
            "sentence": "Better: +11.7.",
            "difference": 0.117,
            "ci_low": 0.07,
            "ci_high": 0.16,
        },
        "sealed": "candidate",
        "cost": {"usd": 0.01, "calls": 640},
        "built": {"seconds": 211.4, "stopped": None},
        "results": {"test": {"baseline": side(0.13), "compiled": side(0.272)}, "validation": {"baseline": side(0.2)}},
        "candidates": (Candidate(label="one", score=0.2), Candidate(label="two", score=0.3)),
    }
    return Content(**{**given, **parts})


def log(root: Path, **parts: Any) -> None:
    folder = root / "compiled" / "plain"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text("{}")
    assert log_compile(uri=URI, root=root, content=content(**parts), path=folder, artifact_id="a" * 64) == []


def asked(root: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(root / ".ragc" / "mlflow.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one logged run; its path has a space."""
    root = tmp_path_factory.mktemp("a project")
    log(root)
    return root


def test_the_headline_stands_first_by_name_and_in_order(logged: Path) -> None:
    keys = [key for (key,) in asked(logged, "SELECT key FROM latest_metrics ORDER BY rowid")]
    assert keys[:3] == ["test.difference", "test.compiled", "test.baseline"]
    assert sorted(keys)[:3] == ["test.baseline", "test.compiled", "test.difference"]
    assert asked(logged, "SELECT step, value FROM metrics WHERE key = 'validation.candidate' ORDER BY step") == [
        (1, 0.2),
        (2, 0.3),
    ]


def test_a_run_is_named_by_model_and_result_and_has_its_real_times(logged: Path) -> None:
    ((name, status, start, end),) = asked(logged, "SELECT name, status, start_time, end_time FROM runs")
    assert (name, status) == ("scripted: 13.0 → 27.2, better", "FINISHED")
    assert end - start == 211_400
    assert abs(time.time() * 1000 - end) < 60_000


def test_nothing_is_logged_as_none(logged: Path) -> None:
    tags = dict(asked(logged, "SELECT key, value FROM tags"))
    params = dict(asked(logged, "SELECT key, value FROM params"))
    assert "None" not in {*tags.values(), *params.values()}
    assert tags["ragc.verdict"] == "better"
    assert "ragc.stopped" not in tags
    assert params["optimizer.demos"] == "4"


def files(root: Path) -> list[str]:
    place = root / ".ragc" / "mlartifacts"
    return sorted(path.relative_to(place).parts[0] for path in place.rglob("manifest.json"))


def test_files_follow_a_project_that_was_copied_and_one_that_was_moved(logged: Path, tmp_path: Path) -> None:
    before = files(logged)
    copied = tmp_path / "copied"
    shutil.copytree(logged, copied)
    log(copied)
    assert files(logged) == before, "nothing goes to where it came from"
    assert len(files(copied)) == 2
    moved = tmp_path / "moved"
    copied.rename(moved)
    log(moved, task="other")
    log(moved)
    assert not copied.exists()
    assert len(files(moved)) == 4
    here = (moved / ".ragc" / "mlartifacts").as_uri()
    places = asked(moved, "SELECT artifact_location FROM experiments WHERE name LIKE 'ragc/%'")
    places += asked(moved, "SELECT artifact_uri FROM runs")
    assert len(places) == 6
    assert all(place.startswith(here) for (place,) in places), places


def test_an_experiment_whose_files_somebody_put_elsewhere_is_left_alone(logged: Path, tmp_path: Path) -> None:
    root = tmp_path / "copied"
    shutil.copytree(logged, root)
    chosen = (tmp_path / "chosen").as_uri()
    connection = sqlite3.connect(root / ".ragc" / "mlflow.db")
    with connection:
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE name = 'ragc/plain'", (chosen,))
    connection.close()
    log(root)
    assert list((tmp_path / "chosen").rglob("manifest.json"))


def test_what_was_stopped_does_not_stand_as_finished(logged: Path, tmp_path: Path) -> None:
    root = tmp_path / "stopped"
    shutil.copytree(logged, root)
    log(root, task="over", built={"seconds": 3, "stopped": "budget"})
    log(root, task="bad", built={"seconds": 3, "stopped": "errors"})
    for failed, reason in ((False, "interrupted before a candidate was evaluated"), (True, "no such model")):
        run = Unsealed(
            task="unsealed",
            reason=reason,
            failed=failed,
            seconds=2.5,
            model="openai/scripted",
            results={"validation": {"baseline": side(0.2)}},
            cost={"usd": None, "calls": 40},
        )
        assert log_unsealed(uri=URI, root=root, run=run) == []
    runs = asked(
        root,
        "SELECT e.name, r.status, r.name, t.value FROM runs r JOIN experiments e USING (experiment_id)"
        " JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'ragc.stopped' ORDER BY r.start_time, r.status",
    )
    result = "scripted: 13.0 → 27.2, better"
    assert sorted(runs) == [
        ("ragc/bad", "FAILED", result, "errors"),
        ("ragc/over", "KILLED", result, "budget"),
        ("ragc/unsealed", "FAILED", "scripted: nothing sealed", "no such model"),
        ("ragc/unsealed", "KILLED", "scripted: nothing sealed", "interrupted before a candidate was evaluated"),
    ]
    assert ("validation.baseline",) in asked(root, "SELECT key FROM latest_metrics WHERE value = 0.2")


def test_a_new_database_is_there_whole_and_nothing_beside_it(logged: Path) -> None:
    assert sorted(path.name for path in (logged / ".ragc").iterdir()) == ["mlartifacts", "mlflow.db"]
    assert asked(logged, "PRAGMA integrity_check") == [("ok",)]


def warnings_of(uri: str, tmp_path: Path) -> str:
    (warning,) = log_compile(uri=uri, root=tmp_path, content=content(), path=tmp_path, artifact_id="0" * 64)
    return warning


def test_a_server_that_is_down_is_named_without_its_password(tmp_path: Path) -> None:
    warning = warnings_of(ADDRESS, tmp_path)
    assert "hunter22" not in warning
    assert warning.startswith("not tracked: the tracking server at http://***@127.0.0.1:9 cannot be reached")


def test_what_mlflow_says_is_told_without_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*given: object) -> None:
        raise ConnectionError(f"while asking {ADDRESS} with hunter22-planted")

    monkeypatch.setattr(_log, "unreachable", lambda uri: None)
    monkeypatch.setattr(_log, "_log", failing)
    warning = warnings_of(ADDRESS, tmp_path)
    assert warning == (
        "not tracked at http://***@127.0.0.1:9: ConnectionError: while asking http://***@127.0.0.1:9 with ***"
    )
