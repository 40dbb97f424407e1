"""The way of a project on a real Weaviate server: compile, ask, serve, verify, and an artifact that moves there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from contract.doubles import lines_to
from ragc.artifact import verify
from scenes import KEY, Scene

QUESTION = "How much does it cost to join the waiting list?"

SERVED = f"""
import asyncio
from compiled import allotments

asked = {QUESTION!r}
print(allotments.ready())
one, two = allotments(question=asked), asyncio.run(allotments.acall(question=asked))
(three,) = allotments.batch([asked])
print(one.answer == two.answer == three.answer, one.provenance["artifact"], one.provenance["measured"])
print([passage.document for passage in one.passages] == [passage.document for passage in two.passages])
"""


def served(root: Path, **environment: str) -> list[str]:
    """What SERVED prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", SERVED],
        cwd=root,
        env={**os.environ, "OUR_KEY": KEY, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def passages(asked: dict[str, Any]) -> list[str]:
    return [passage["id"] for passage in asked["passages"]]


def test_a_compile_keeps_its_passages_on_the_server_alone(scene: Scene, compiled: Path) -> None:
    assert not (scene.root / ".ragc" / "index.db").exists()
    found = scene.run("search", "allotments", QUESTION, "--json").json["passages"]
    assert found[0]["document"] == "waiting-list.md"
    assert found[0]["text_score"] > 0
    assert found[0]["vector_score"] > 0


def test_an_answer_by_the_command_line_and_by_import(scene: Scene, compiled: Path) -> None:
    asked = scene.run("ask", "allotments", QUESTION, "--json")
    assert asked.returncode == 0, asked.stderr
    assert asked.json["passages"]
    identity = verify(compiled).id
    ready, same, alike = served(scene.root)
    assert ready.startswith(f"allotments {identity[:8]} is ready")
    assert same == f"True {identity} True"
    assert alike == "True"


def test_a_replay_comes_to_the_same_artifact_and_pays_nothing(scene: Scene, compiled: Path) -> None:
    before = scene.asked
    done = scene.run("verify", "allotments", "--replay", "--json")
    assert done.returncode == 0, done.stderr
    assert scene.asked == before


def test_an_artifact_compiled_on_sqlite_moves_by_one_variable(
    scene: Scene, compiled: Path, weaviate: str, tmp_path: Path
) -> None:
    on_sqlite = {"OUR_KEY": KEY, "RAGC_STORE": f"sqlite:///{tmp_path}/index.db"}
    there = {"OUR_KEY": KEY, "RAGC_STORE": weaviate}
    done = scene.compile("--set", "candidates=2", "--seed", "1", env=on_sqlite)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.db").is_file()
    here, moved = (scene.run("ask", "allotments", QUESTION, "--json", env=env).json for env in (on_sqlite, there))
    assert passages(here) == passages(moved)
    assert here["answer"] == moved["answer"]
    assert served(scene.root, RAGC_STORE=weaviate)[1:] == [f"True {done.json['id']} True", "True"]


def test_documents_that_change_are_found_without_compiling_again(scene: Scene, compiled: Path) -> None:
    new = scene.root / "data" / "allotments" / "corpus" / "bees.md"
    new.write_text("# Bees\n\nA beehive costs £30 a year on any plot.\n")
    try:
        done = scene.run("index", "--json")
        assert done.returncode == 0, done.stderr
        found = scene.run("search", "allotments", "What does a beehive cost?", "--json").json["passages"]
        assert found[0]["document"] == "bees.md"
        assert "allotments added: bees.md" in scene.run("status").stdout
    finally:
        new.unlink()
        assert scene.run("index").returncode == 0


def test_a_server_that_is_gone_is_one_line(scene: Scene, compiled: Path, weaviate: str) -> None:
    with lines_to(weaviate) as (url, lines):
        for line in lines:
            line.cut()
        for command in (["ask", "allotments", QUESTION], ["index"], ["compile"]):
            done = scene.run(*command, env={"OUR_KEY": KEY, "RAGC_STORE": url})
            assert done.returncode == 2, done.stderr
            assert "cannot be reached; start the server, or correct `store`" in done.stderr.splitlines()[-1]
            assert "Traceback" not in done.stderr
