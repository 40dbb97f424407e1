"""The service that `ragc init` writes: two workers, a project folder that nobody may write, many questions at once."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from artifacts import hosted_lm, seal_program
from provider import Asked, Provider, fields
from ragc.artifact import package
from ragc.project import Project
from ragc.retrieval import index
from teams import QUESTION, WORDS

THREADS = 16
HOST = "127.0.0.1"


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take away the right to write below `folder`, from root too where a mount is permitted. Skips where it is not."""
    if os.geteuid() == 0:
        mount = subprocess.run(
            ["mount", "--bind", "-o", "ro", folder, folder], capture_output=True, text=True, check=False
        )
        if mount.returncode:
            pytest.skip(f"root writes everywhere and may not mount here: {mount.stderr.strip()}")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
        return
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@contextlib.contextmanager
def served(root: Path, environment: dict[str, str]) -> Iterator[int]:
    """Serve the project with two workers; yields the port. They are stopped at the end."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    arguments = ["-m", "uvicorn", "service:app", "--host", HOST, "--port", str(port), "--workers", "2"]
    log = root.parent / "service.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=root,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(port, server, log)
            yield port
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            request(port, "GET", "/health")
            return
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def request(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    sent = {"Content-Type": "application/json", **(headers or {})}
    try:
        connection.request(method, path, json.dumps(body) if body else None, sent)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def echo(asked: Asked) -> str:
    """Answer with the number that the question carries, so that a mixed-up answer is seen."""
    return fields(answer=re.findall(r"number (\d+)", asked.text)[-1])


@pytest.fixture
def service(project: Path, hosted_model: Provider) -> Path:
    """The small project with an artifact, an index and the service."""
    hosted_model.script = echo
    seal_program(project, lm=hosted_lm(hosted_model.base_url))
    index(project=Project.find(project))
    shutil.copy(str(resources.files("ragc") / "_templates" / "service.py"), project / "service.py")
    return project


def test_two_workers_answer_sixteen_threads_from_a_read_only_folder(service: Path, hosted_model: Provider) -> None:
    before = sorted(service.rglob("*"))
    with read_only(service), served(service, {"SCRIPTED_KEY": "any"}) as port:
        with pytest.raises(OSError, match=r"Read-only|Permission"):
            (service / "written").write_text("x")
        assert request(port, "GET", "/health")[0] == 200

        def ask(number: int) -> tuple[int, Any]:
            return request(port, "POST", "/ask", {"question": f"What is the rent of plot number {number}?"})

        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(ask, range(6 * THREADS)))
    assert {status for status, _ in answers} == {200}
    assert [found["answer"] for _, found in answers] == [str(number) for number in range(6 * THREADS)]
    assert all(len(found["passages"]) == 3 for _, found in answers)
    assert len({found["artifact"] for _, found in answers}) == 1
    assert len({found["corpus_version"] for _, found in answers}) == 1
    assert sorted(service.rglob("*")) == before


def test_a_missing_index_in_a_read_only_folder_is_built_once_in_the_users_cache(service: Path) -> None:
    for path in (service / ".ragc").iterdir():
        path.unlink()
    (service / ".ragc").rmdir()
    cache = service.parent / "cache"
    with read_only(service), served(service, {"SCRIPTED_KEY": "any", "XDG_CACHE_HOME": str(cache)}) as port:
        status, found = request(port, "POST", "/ask", {"question": "What is the rent of plot number 7?"})
        assert (status, found["answer"]) == (200, "7")
    assert len(list((cache / "ragc" / "indexes").glob("*.db"))) == 1


def test_what_is_missing_is_said_by_health_and_not_to_whoever_asks(service: Path) -> None:
    with served(service, {"SCRIPTED_KEY": ""}) as port:
        status, found = request(port, "GET", "/health")
        assert status == 503
        assert "SCRIPTED_KEY" in found["detail"]
        status, found = request(port, "POST", "/ask", {"question": "What is the rent of plot number 7?"})
        assert (status, found["detail"]) == (503, "the question cannot be answered now")
        assert request(port, "POST", "/ask", {"question": ""})[0] == 422
        assert request(port, "POST", "/ask", {"question": " \n"})[0] == 422
        assert request(port, "POST", "/ask", {"quest": "?"})[0] == 422
    assert "Traceback" not in (service.parent / "service.log").read_text()


def test_a_malformed_answer_is_one_line_and_the_next_question_is_answered(
    service: Path, hosted_model: Provider
) -> None:
    with served(service, {"SCRIPTED_KEY": "any"}) as port:
        hosted_model.script = lambda asked: "I would rather not say"
        status, found = request(port, "POST", "/ask", {"question": "What is the rent of plot number 7?"})
        assert status == 502
        assert found["detail"].startswith("the model did not answer in the expected form")
        hosted_model.script = echo
        assert request(port, "POST", "/ask", {"question": "What is the rent of plot number 7?"})[0] == 200
    assert "Traceback" not in (service.parent / "service.log").read_text()


def test_every_task_of_a_project_is_served_by_its_name(service: Path) -> None:
    shutil.copytree(service / "compiled" / "allotments", service / "compiled" / "plots")
    with served(service, {"SCRIPTED_KEY": "any"}) as port:
        question = {"question": "What is the rent of plot number 7?"}
        for path in ("/ask/allotments", "/ask/plots"):
            status, found = request(port, "POST", path, question)
            assert (status, found["answer"]) == (200, "7"), path
        for path in ("/ask", "/ask/plot"):
            status, found = request(port, "POST", path, question)
            assert (status, found["detail"]) == (404, "which task? There are: /ask/allotments, /ask/plots")
        status, found = request(port, "GET", "/health")
        assert (status, sorted(found)) == (200, ["allotments", "plots"])
        assert "scripted" in found["plots"]


def test_each_team_sees_its_own_documents_and_every_answer_is_logged(teams: Path) -> None:
    """The example in the service's own docstring, with two workers and many callers of two teams."""
    template = (resources.files("ragc") / "_templates" / "service.py").read_text()
    example = template.partition("found by nobody:\n\n")[2].partition('    """')[0]
    (teams / "service.py").write_text(template.replace('    """\n    return None\n', f'    """\n{dedented(example)}'))
    log = teams.parent / "log" / "answers.jsonl"
    environment = {"SCRIPTED_KEY": "any", "RAGC_AUDIT": f"jsonl://{log}"}
    with served(teams, environment) as port:

        def ask(number: int) -> tuple[int, Any]:
            team = {"X-Team": ("payroll", "legal")[number % 2]}
            return request(port, "POST", "/ask", {"question": QUESTION}, team)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(32)))
        for headers in ({}, {"X-Team": ""}, {"X-Team": " "}):
            status, found = request(port, "POST", "/ask", {"question": QUESTION}, headers)
            assert (status, found["detail"]) == (403, "whose team is not known may ask nothing")
        log.unlink()
        log.mkdir()
        status, found = request(port, "POST", "/ask", {"question": QUESTION}, {"X-Team": "legal"})
        assert (status, found["detail"]) == (503, "the question cannot be answered now")
        status, found = request(port, "GET", "/health")
        assert status == 503
        assert "no answer is given unlogged" in found["detail"]
        log.rmdir()
        assert request(port, "GET", "/health")[0] == 200
    for number, (status, found) in enumerate(answers):
        team = ("payroll", "legal")[number % 2]
        assert (status, found["answer"]) == (200, WORDS[team])
        assert {passage["document"] for passage in found["passages"]} == {f"{team}.md"}
    assert len({found["id"] for _, found in answers}) == 32


def dedented(text: str) -> str:
    """The example's lines as they stand in the function."""
    return "".join(line.removeprefix("    ") + "\n" for line in text.splitlines() if line.strip())


def test_a_project_without_an_artifact_says_so(project: Path) -> None:
    package(project / "compiled")
    shutil.copy(str(resources.files("ragc") / "_templates" / "service.py"), project / "service.py")
    with served(project, {}) as port:
        assert request(port, "GET", "/health") == (
            503,
            {"detail": "nothing is compiled; ragc compile makes an artifact"},
        )
        status, found = request(port, "POST", "/ask", {"question": "What?"})
        assert (status, found["detail"]) == (404, "which task? There are: none; ragc compile makes one")
