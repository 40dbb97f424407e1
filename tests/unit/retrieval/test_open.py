"""From a project and a task to an index, and the index that a server builds for itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contract.stores import bound_by_permissions
from ragc.errors import ConfigError, DataError, StoreError
from ragc.project import ChunkSettings, EmbedderSettings, Project
from ragc.retrieval import Index, ensure_index, index, open_index, search

LOCAL = EmbedderSettings(model="local/wordllama-256")
HOSTED = EmbedderSettings(model="openai/text-embedding-3-small")


def ensure(root: Path, **changes: Any) -> Index:
    settings: dict[str, Any] = {
        "collection": "allotments",
        "corpus": root / "data/allotments/corpus",
        "embedder": LOCAL,
        "chunk": ChunkSettings(),
    }
    return ensure_index(root, **{**settings, **changes})


def test_public_index_and_search(project: Path) -> None:
    found = Project.find(project)
    report = index(project=found)
    assert (report.documents, report.unchanged) == (10, 0)
    assert index("allotments", project=found).unchanged == 10
    (best,) = search("allotments", "When may I light a bonfire?", k=1, alpha=1, project=found)
    assert best.document == "rules/bonfires.md"
    assert search(None, "bonfire", filters={"document": "rent.md"}, alpha=1, project=found)[0].document == "rent.md"


def test_open_index_refuses_what_is_missing_or_other(project: Path) -> None:
    found = Project.find(project)
    task = found.task(None)
    with pytest.raises(StoreError, match="run `ragc index allotments`"):
        open_index(found, task)
    index(project=found)
    assert open_index(found, task, read_only=True).stats().documents == 10
    other = task.model_copy(update={"chunk": ChunkSettings(size=99)})
    with pytest.raises(StoreError, match="not 99 characters"):
        open_index(found, other)
    with pytest.raises(StoreError, match="holds no index"):
        open_index(found, task, store="sqlite://other.db")


def test_unknown_task_store_and_embedder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="nope"):
        search("nope", "x", project=Project.find(project))
    monkeypatch.setenv("RAGC_STORE", "redis://host")
    with pytest.raises(ConfigError, match="unknown store"):
        index(project=Project.find(project))
    monkeypatch.delenv("RAGC_STORE")
    monkeypatch.setenv("RAGC_EMBEDDER", "local/nope")
    with pytest.raises(ConfigError, match="unknown embedder"):
        index(project=Project.find(project))


def test_strict_makes_an_unreadable_file_an_error(project: Path) -> None:
    (project / "data/allotments/corpus/scan.pdf").write_bytes(b"%PDF-1.7")
    found = Project.find(project)
    assert [one.path for one in index(project=found).skipped] == ["scan.pdf"]
    with pytest.raises(DataError, match=r"scan\.pdf"):
        index(project=found, strict=True)


def test_server_builds_a_missing_index_once(project: Path) -> None:
    told: list[tuple[int, int]] = []
    built = ensure(project, progress=lambda done, total: told.append((done, total)))
    assert built.search("bonfire", k=1)[0].document == "rules/bonfires.md"
    assert told[-1] == (10, 10)
    (project / "data/allotments/corpus/new.md").write_text("Kites are allowed.")
    assert ensure(project).stats().documents == 10


def test_server_builds_no_index_that_costs_or_that_is_another(project: Path) -> None:
    with pytest.raises(StoreError, match="holds no index of allotments; run `ragc index allotments`"):
        ensure(project, embedder=HOSTED)
    assert not (project / ".ragc").exists()
    ensure(project)
    with pytest.raises(StoreError, match=r"local/wordllama-256, not openai/text-embedding-3-small; run `ragc index"):
        ensure(project, embedder=HOSTED)
    with pytest.raises(StoreError, match="run `ragc index allotments`"):
        ensure(project, chunk=ChunkSettings(size=99))
    with pytest.raises(DataError, match="no corpus"):
        ensure(project, collection="other", corpus=project / "nowhere")


ENSURE = """
import json, sys
from pathlib import Path
from ragc.project import ChunkSettings, EmbedderSettings
from ragc.retrieval import ensure_index

root = Path(sys.argv[1])
index = ensure_index(
    root, collection="allotments", corpus=root / "data/allotments/corpus",
    embedder=EmbedderSettings(model="local/wordllama-256"), chunk=ChunkSettings(),
)
print(json.dumps([index.search("bonfire", k=1)[0].document, index.location, index.stats().documents]))
"""


def run(root: Path, cache: Path, *, prefix: list[str] | None = None) -> subprocess.Popen[str]:
    command = [*(prefix or []), sys.executable, "-c", ENSURE, str(root)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def result(process: subprocess.Popen[str]) -> tuple[str, str, int]:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    document, location, documents = json.loads(output)
    return document, location, documents


def test_processes_that_start_at_once_share_one_index(project: Path, tmp_path: Path) -> None:
    workers = [run(project, tmp_path) for _ in range(3)]
    expected = ("rules/bonfires.md", str(project / ".ragc/index.db"), 10)
    assert [result(worker) for worker in workers] == [expected] * 3


def test_read_only_project_is_served_from_the_users_cache_and_followed(project: Path, tmp_path: Path) -> None:
    prefix, cache = bound_by_permissions(), tmp_path / "cache"
    cache.mkdir()
    project.chmod(0o555)
    document, location, documents = result(run(project, cache, prefix=prefix))
    assert (document, documents) == ("rules/bonfires.md", 10)
    assert Path(location).is_relative_to(cache / "ragc" / "indexes")
    assert not (project / ".ragc").exists()
    (project / "data/allotments/corpus/new.md").write_text("Kites are allowed.")
    assert result(run(project, cache, prefix=prefix))[1:] == (location, 11)
    project.chmod(0o755)


def test_nowhere_to_write_is_one_line(project: Path, tmp_path: Path) -> None:
    prefix, cache = bound_by_permissions(), tmp_path / "cache"
    cache.mkdir(mode=0o555)
    project.chmod(0o555)
    process = run(project, cache, prefix=prefix)
    _, errors = process.communicate(timeout=60)
    project.chmod(0o755)
    assert "run `ragc index` before serving" in errors.splitlines()[-1]
