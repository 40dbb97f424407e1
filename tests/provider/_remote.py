"""The provider in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent


class RemoteProvider:
    """`python -m tests.provider …`, started and ended as a context manager; it ends with this process as well.

    Unlike `Provider`, it takes what the command line takes, and its record is read over HTTP.
    """

    def __init__(self, *arguments: str | os.PathLike[str]) -> None:
        self._command = [
            sys.executable,
            "-m",
            "tests.provider",
            "--with-parent",
            *(os.fspath(one) for one in arguments),
        ]

    def __enter__(self) -> RemoteProvider:
        self._process = subprocess.Popen(
            self._command, cwd=TESTS.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._process.stdout is None or self._process.stdin is None:
            raise RuntimeError("no pipes")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the scripted provider ended with status {self._process.wait()}")
        self.port = int(line)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def record(self) -> dict[str, Any]:
        """See `Provider.record`."""
        found: dict[str, Any] = self._ask("GET")
        return found

    def counts(self, *, delivered: bool = False) -> Counter[str]:
        """See `Provider.counts`."""
        return Counter(self.record()["delivered" if delivered else "asked"])

    def reset(self) -> None:
        """See `Provider.reset`."""
        self._ask("DELETE")

    def _ask(self, method: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, "/record")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
