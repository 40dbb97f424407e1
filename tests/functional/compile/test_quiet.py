"""Nobody phones home (promise 12), and nothing is pickled (promise 6), in a whole compile with tracking."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .conftest import configure

GUARD = """
import socket, sys

LOOPBACK = ("127.0.0.1", "::1", "localhost", None)

def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in LOOPBACK:
        print("LEAVES:", arguments[1], file=sys.__stderr__)
        raise ConnectionRefusedError("blocked by the test")
    if event == "socket.getaddrinfo" and arguments[0] not in LOOPBACK:
        print("LEAVES:", arguments[0], file=sys.__stderr__)
        raise socket.gaierror("blocked by the test")
    if event == "open" and isinstance(arguments[0], str) and ".dspy_cache" in arguments[0]:
        print("DISK CACHE:", arguments[0], file=sys.__stderr__)
    if event == "pickle.find_class" and arguments[0].startswith(("ragc", "dspy")):
        print("PICKLE:", arguments, file=sys.__stderr__)

sys.addaudithook(watch)
sys.argv = ["ragc", "compile"]
from ragc.cli import main
main()
"""


def test_a_compile_contacts_only_what_is_configured_and_pickles_nothing(hosted_project: Path) -> None:
    configure(hosted_project, 'tracking = "off"', 'tracking = "sqlite:///.ragc/mlflow.db"')
    done = subprocess.run(
        [sys.executable, "-c", GUARD],
        cwd=hosted_project,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (hosted_project / ".ragc" / "mlflow.db").is_file()
    for word in ("LEAVES:", "DISK CACHE:", "PICKLE:"):
        assert word not in done.stderr
    assert not list(hosted_project.rglob("*.pkl"))
