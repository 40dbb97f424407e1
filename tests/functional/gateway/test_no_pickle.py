"""No pickle is read or written, and nothing but the configured endpoint is spoken to: hooks in the process look on."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import RunRagc
from scenes import FEW, KEY, Scene, configure

LOOKS_ON = """
import json, os, pickle, sys, traceback

report = os.open(os.environ["REPORT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
near = ("127.0.0.1", "::1", "localhost")

def tell(kind, what):
    place = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_stack(limit=8)][:-2]
    os.write(report, (json.dumps([kind, what, place]) + "\\n").encode())

def hook(name, given):
    if name == "pickle.find_class":
        tell("pickle", f"loads {given}")
    elif name in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        at = given[1] if name in ("socket.connect", "socket.sendto") else given
        host = at[0] if isinstance(at, tuple) else at
        if isinstance(host, bytes):
            host = host.decode()
        known = isinstance(at, tuple) and host in near
        tell("loopback" if known else "socket", f"{name} {at}")
        if not known:
            raise OSError(f"nothing leaves: {at}")

def counted(name):
    real = getattr(pickle, name)
    def call(*args, **given):
        tell("pickle", name)
        return real(*args, **given)
    return call

def watched(real):
    class Watched(real):
        def __init__(self, *args, **given):
            tell("pickle", real.__name__)
            super().__init__(*args, **given)
    return Watched

for name in ("dump", "dumps", "load", "loads"):
    setattr(pickle, name, counted(name))
pickle.Pickler, pickle.Unpickler = watched(pickle.Pickler), watched(pickle.Unpickler)
sys.addaudithook(hook)
"""


@pytest.fixture
def watch(tmp_path: Path) -> dict[str, str]:
    """What makes any Python that is started with it report its pickles and connections; its home is empty."""
    place, home = tmp_path / "site", tmp_path / "home"
    place.mkdir()
    home.mkdir()
    (place / "sitecustomize.py").write_text(LOOKS_ON, "utf-8")
    path = os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, "REPORT": str(tmp_path / "report"), "HOME": str(home), "OUR_KEY": KEY}


def reported(watch: dict[str, str]) -> dict[str, list[Any]]:
    """What was seen, by kind."""
    file, found = Path(watch["REPORT"]), dict[str, list[Any]]()
    for line in file.read_text("utf-8").splitlines() if file.exists() else ():
        kind, *rest = json.loads(line)
        found.setdefault(kind, []).append(rest)
    file.unlink(missing_ok=True)
    return found


def pickles(*folders: Path) -> list[str]:
    """Files, and values of databases, that begin as a pickle does."""
    return [place for folder in folders for place, data in values_below(folder) if is_pickle(data)]


def is_pickle(data: bytes) -> bool:
    return len(data) > 2 and data[0] == 0x80 and 2 <= data[1] <= 5 and data[-1:] == b"."


def values_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield str(path), data
        if data.startswith(b"SQLite format 3\0"):
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE%'"):
                for row in connection.execute(f'SELECT * FROM "{table}"'):
                    yield from ((f"{path}:{table}", value) for value in row if isinstance(value, bytes))
            connection.close()


def test_compile_eval_and_replay_neither_pickle_nor_leave_the_machine(
    scene: Scene, run_ragc: RunRagc, watch: dict[str, str]
) -> None:
    configure(scene.root, 'tracking = "off"', 'tracking = "sqlite:///.ragc/mlflow.db"')
    commands = {
        "eval": ["eval", "allotments", "--uncompiled", "--split", "validation"],
        "compile": ["compile", "--optimizer", "bootstrap", "--set", "candidates=1"],
        "replay": ["compile", "--optimizer", "bootstrap", "--set", "candidates=1", "--replay"],
    }
    for name, words in commands.items():
        done = run_ragc(*words, cwd=scene.root, env=watch)
        assert done.returncode == 0, done.stderr
        seen = reported(watch)
        assert seen.keys() <= {"loopback"}, (name, seen)
        assert bool(seen) == (name != "replay"), "a replay connects to nobody"
    assert pickles(scene.root, Path(watch["HOME"])) == []


def test_who_looks_on_sees_pickles_and_connections(watch: dict[str, str], tmp_path: Path) -> None:
    careless = f"""
import pathlib, pickle, socket
pathlib.Path({str(tmp_path / "kept")!r}).write_bytes(pickle.dumps(pathlib.Path()))
pickle.loads(pathlib.Path({str(tmp_path / "kept")!r}).read_bytes())
try:
    socket.create_connection(("example.org", 80))
except OSError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", careless], env={**os.environ, **watch}, capture_output=True, text=True, check=True
    )
    assert "nothing leaves" in done.stdout
    seen = reported(watch)
    assert [what for what, _ in seen["pickle"]][:2] == ["dumps", "loads"]
    assert "example.org" in seen["socket"][0][0]
    assert pickles(tmp_path / "kept", tmp_path) == [str(tmp_path / "kept")]


def test_a_default_lm_that_a_program_makes_leaves_no_cache_behind(
    scene: Scene, run_ragc: RunRagc, watch: dict[str, str]
) -> None:
    program = scene.root / "programs" / "grounded.py"
    own = f'dspy.LM("openai/scripted", api_base="{scene.provider.base_url}", api_key=os.environ["OUR_KEY"])'
    text = program.read_text("utf-8").replace(
        "        passages = self.retrieve(question)\n",
        "        passages = self.retrieve(question)\n        import os\n\n"
        f"        with dspy.context(lm={own}):\n"
        '            dspy.Predict("question -> answer")(question=question)\n',
        1,
    )
    program.write_text(text, "utf-8")
    done = run_ragc("compile", *FEW, cwd=scene.root, env=watch)
    assert done.returncode == 0, done.stderr
    assert reported(watch).keys() <= {"loopback"}
    assert pickles(scene.root, Path(watch["HOME"])) == []
    assert not (Path(watch["HOME"]) / ".dspy_cache").exists()
