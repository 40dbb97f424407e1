"""The small project on a server that holds its passages; skipped, saying why, where there is none."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.servers import delete_collections
from launcher import Launcher
from provider import Provider
from scenes import Scene, configure, stage

LEAVES = "LEAVES"
"""What a command prints that turns to another address than loopback."""

LOOPBACK_ALONE = f"""
import socket, sys

def watch(event, arguments):
    loopback = ("127.0.0.1", "::1", "localhost", None)
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in loopback:
        print("{LEAVES}", arguments[1], file=sys.__stderr__)
        raise ConnectionRefusedError("blocked by the test")
    if event == "socket.getaddrinfo" and arguments[0] not in loopback:
        print("{LEAVES}", arguments[0], file=sys.__stderr__)
        raise socket.gaierror("blocked by the test")

sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def weaviate() -> Iterator[str]:
    """The address of a store of this module's own on WEAVIATE_URL."""
    server = os.environ.get("WEAVIATE_URL")
    if not server:
        pytest.skip("WEAVIATE_URL names no Weaviate server")
    name = f"Test{uuid.uuid4().hex}"
    yield f"{server}{'&' if '?' in server else '?'}collection={name}"
    delete_collections(server, name)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, weaviate: str) -> Iterator[Scene]:
    """The small project with its store on the server, compiled there."""
    with Launcher() as launcher, Provider() as provider:
        scene = stage(tmp_path_factory.mktemp("project"), provider, launcher)
        configure(scene.root, 'tracking = "off"', f'tracking = "off"\nstore = "{weaviate}"')
        yield scene


@pytest.fixture(scope="module")
def compiled(scene: Scene) -> Path:
    """The artifact."""
    done = scene.compile("--set", "candidates=2", before=LOOPBACK_ALONE)
    assert done.returncode == 0, done.stderr
    assert LEAVES not in done.stderr
    return Path(done.json["artifact"])
