"""Planted keys: whatever echoes one, no file that a run writes and nothing that it prints holds it."""

from __future__ import annotations

import base64
import html
import json
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import ragc
from conftest import RunRagc
from provider import Answer, Asked, Provider, Script, at_rates
from ragc.errors import ArtifactError

from .conftest import configure

PLANTED = {
    "OUR_KEY": "sk-planted-0123456789abcdef",  # the model's own
    "ODD_LOGIN": "s3same",  # named by a model's api_key_env, short, and like no key
    "ANTHROPIC_API_KEY": "sk-ant-planted/with+odd=signs&9876543210",
    "SOME_SERVICE_TOKEN": 'quoted"and\\escaped 0123456789',
    "DATABASE_URL": "postgresql://me:hunter22-planted-77@db.example/x",
}
SECRETS = [*list(PLANTED.values())[:4], "hunter22-planted-77"]


def forms(secret: str) -> set[bytes]:
    """A secret as it stands, and as it is written in JSON, addresses, HTML and headers."""
    once = json.dumps(secret)[1:-1]
    written = {secret, once, json.dumps(once)[1:-1], quote(secret), quote(secret, safe=""), html.escape(secret)}
    return {form.encode() for form in written} | {base64.b64encode(secret.encode())}


def everything_in(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below `root`, and every value of every database in it, unpacked where it is packed."""
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield str(path.relative_to(root)), data
        if data.startswith(b"SQLite format 3\0"):
            yield from _values(path, root)


def _values(path: Path, root: Path) -> Iterator[tuple[str, bytes]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            try:
                rows = connection.execute(f'select * from "{table}"').fetchall()
            except sqlite3.OperationalError:  # a virtual table of an extension that is not loaded; its parts are tables
                continue
            for value in (value for row in rows for value in row):
                if isinstance(value, bytes):
                    yield f"{path.relative_to(root)}:{table}", value
                    for wbits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
                        try:
                            yield f"{path.relative_to(root)}:{table}", zlib.decompress(value, wbits)
                        except zlib.error:
                            continue
                elif isinstance(value, str):
                    yield f"{path.relative_to(root)}:{table}", value.encode()
    finally:
        connection.close()


def leaks(found: dict[str, bytes] | Iterator[tuple[str, bytes]]) -> list[str]:
    """Where a planted secret stands."""
    items = found.items() if isinstance(found, dict) else found
    return [
        f"{place}: {secret}" for place, data in items for secret in SECRETS if any(f in data for f in forms(secret))
    ]


def careless(script: Script) -> Script:
    """A provider that echoes every planted secret: in answers, in errors, in headers, in the name of the model."""

    def echo(asked: Asked) -> Answer:
        said = script(asked)
        text = said if isinstance(said, str) else said.text
        everything = " | ".join(SECRETS)
        if asked.occurrence == 1 and asked.number % 7 == 3:
            refused = f"refused {everything} for {json.dumps(SECRETS)}"
            return Answer(status=400, message=refused, headers={"x-key": SECRETS[0]})
        if asked.number % 5 == 4:
            return Answer(f"no field, but {everything} and {quote(SECRETS[2], safe='')}", headers={"x-key": SECRETS[0]})
        return Answer(text.replace("\n\n[[ ## completed", f" ({everything})\n\n[[ ## completed"))

    return echo


@pytest.fixture
def careless_project(hosted_project: Path, hosted_model: Provider, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hosted project, with planted keys, a provider and a program that echo them, and tracking."""
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    hosted_model.script = careless(hosted_model.script)
    configure(hosted_project, 'tracking = "off"', 'tracking = "sqlite:///.ragc/mlflow.db"')
    configure(
        hosted_project,
        "[tool.ragc.tasks.allotments]",
        f'[tool.ragc.teacher]\nmodel = "openai/teacher"\nbase_url = "{hosted_model.base_url}"\n'
        'api_key_env = "ODD_LOGIN"\n\n[tool.ragc.tasks.allotments]\nmax_error_rate = 1.0',
    )
    program = hosted_project / "programs" / "grounded.py"
    text = program.read_text("utf-8").replace(
        "        passages = self.retrieve(question)\n",
        "        import os\n\n"
        "        if len(question) % 6 == 0:\n"
        "            raise ValueError(f\"{os.environ['OUR_KEY']} and {os.environ['SOME_SERVICE_TOKEN']!r}\")\n"
        "        passages = self.retrieve(question)\n",
        1,
    )
    program.write_text(text, "utf-8")
    return hosted_project


@pytest.mark.parametrize("optimizer", ["bootstrap", "labeled"])
def test_no_file_that_a_run_writes_holds_a_planted_key(
    careless_project: Path, run_ragc: RunRagc, optimizer: str
) -> None:
    done = run_ragc("compile", "--optimizer", optimizer, "--set", "candidates=2", "--json", cwd=careless_project)
    assert done.returncode in (0, 3), done.stderr
    found = json.loads(done.stdout)
    assert found["artifact"] is not None
    assert found["test"]["compiled"]["errors"] > 0
    assert leaks({"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}) == []
    written = dict(everything_in(careless_project))
    assert {"compiled/allotments/report.html", "compiled/allotments/card.md", ".ragc/mlflow.db"} <= written.keys()
    assert any(place.startswith(".ragc/mlartifacts/") for place in written)
    assert leaks(everything_in(careless_project)) == []
    journal = run_ragc("journal", "export", cwd=careless_project)
    assert journal.returncode == 0, journal.stderr
    assert "a guess of no use (***" in journal.stdout  # unpacked: what the model answered, without the keys in it
    assert leaks({"journal": journal.stdout.encode()}) == []
    exported = run_ragc("journal", "export", "--artifact", found["id"], ".ragc/one.jsonl", cwd=careless_project)
    assert exported.returncode == 0, exported.stderr
    scored = run_ragc("eval", "allotments", "--uncompiled", "--split", "validation", "--json", cwd=careless_project)
    assert json.loads(scored.stdout)["errors"] > 0, scored.stdout
    assert leaks({"eval": (scored.stdout + scored.stderr).encode()}) == []
    assert leaks(everything_in(careless_project)) == []
    page = written["compiled/allotments/report.html"].decode()
    assert "***" in page  # it tells the errors and answers, without the keys in them


def test_events_and_warnings_hold_no_planted_key(careless_project: Path) -> None:
    told: list[str] = []
    ragc.compile(
        project=careless_project, settings={"candidates": "2"}, on_event=lambda event: told.append(repr(event))
    )
    assert leaks({"events": "\n".join(told).encode()}) == []


def test_what_a_kill_leaves_and_the_events_hold_no_planted_key(
    careless_project: Path, hosted_model: Provider, run_ragc: RunRagc
) -> None:
    hosted_model.faults = at_rates({"key echoed in 500": 0.1})
    words = ("compile", "--set", "candidates=2", "--events", ".ragc/events.jsonl")
    running = subprocess.Popen(
        [sys.executable, "-m", "ragc", *words],
        cwd=careless_project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len(hosted_model.requests) < 40 and running.poll() is None:
        time.sleep(0.002)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    written = dict(everything_in(careless_project))
    assert {".ragc/events.jsonl", ".ragc/journal.db-wal", ".ragc/journal.db:entries"} <= written.keys()
    assert leaks(everything_in(careless_project)) == []
    done = run_ragc(*words, cwd=careless_project)
    assert done.returncode in (0, 3), done.stderr
    hosted_model.script = lambda asked: Answer(status=401, message=f"no: {' '.join(SECRETS)}")
    refused = run_ragc(*words, "--fresh", cwd=careless_project)
    assert refused.returncode == 2, refused.stderr
    assert "***" in (careless_project / ".ragc" / "events.jsonl").read_text("utf-8").splitlines()[-1]
    assert leaks(everything_in(careless_project)) == []


@pytest.mark.parametrize("where", ["source", "setting"])
def test_a_key_in_what_will_be_sealed_is_refused_before_anything_is_asked(
    careless_project: Path, hosted_model: Provider, where: str
) -> None:
    given: dict[str, Any] = {}
    if where == "source":
        file = careless_project / "programs" / "grounded.py"
        file.write_text(file.read_text("utf-8") + f"\nKEY = {PLANTED['ANTHROPIC_API_KEY']!r}\n", "utf-8")
        says = r"programs/grounded\.py holds the value of ANTHROPIC_API_KEY"
    else:
        optimizer = careless_project / "optimizers" / "own.py"
        optimizer.write_text(
            "def own(program, run, *, note: str = ''):\n    run.evaluate(program, note)\n    return program\n",
            "utf-8",
        )
        given = {"optimizer": "own", "settings": {"note": PLANTED["OUR_KEY"]}}
        says = "--set holds the value of OUR_KEY"
    with pytest.raises(ArtifactError, match=says) as caught:
        ragc.compile(project=careless_project, **given)
    assert leaks({"error": str(caught.value).encode()}) == []
    assert hosted_model.requests == []


def test_serving_and_asking_tell_no_planted_key(
    careless_project: Path, hosted_model: Provider, run_ragc: RunRagc
) -> None:
    done = run_ragc("compile", "--set", "candidates=1", cwd=careless_project)
    assert done.returncode in (0, 3), done.stderr
    outputs = {}
    for number in range(1, 4):  # the program itself fails at the first
        asked = run_ragc("ask", "allotments", f"When is the gate locked{'?' * number}", cwd=careless_project)
        outputs[f"ask {number}"] = (asked.stdout + asked.stderr).encode()
    hosted_model.script = lambda asked: Answer(status=401, message=f"no: {' '.join(SECRETS)}")
    for arguments in (("ask", "allotments", "Why?"), ("eval", "allotments"), ("compile",), ("doctor",)):
        more = {"RAGC_DEBUG": "1", "RAGC_TRACKING": "http://me:hunter22-planted-77@127.0.0.1:9"}
        failed = run_ragc(*arguments, cwd=careless_project, env=more)
        outputs[" ".join(arguments)] = (failed.stdout + failed.stderr).encode()
    assert any(b"***" in text for text in outputs.values())
    assert leaks(outputs) == []
    assert leaks(everything_in(careless_project)) == []
