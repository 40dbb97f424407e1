"""One process that converts, seen from the one that started it: asked, watched, ended and started again."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ragc
from ragc._files import digest
from ragc.data.documents._conversion import Conversion
from ragc.errors import DataError

MOST_SILENCE = 60.0
"""Seconds without a page done after which a file counts as hanging its parser."""
MOST_SECONDS = 900.0
"""Seconds that one file may take, however many pages it has."""
_ENOUGH_MEMORY = 300 * 1024 * 1024
"""Resident bytes from which a process is ended after its file, and the next file gets a new one."""


class Worker:
    """A process that is started with the first file. Used by one thread; only `stop` may be called by another."""

    def __init__(self) -> None:
        self.stopped = False
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()

    def convert(self, path: Path, suffix: str) -> tuple[str, Conversion]:
        """Return the digest of the content that was read, empty where none was, and what became of it."""
        process = self._started()
        job = json.dumps({"path": os.path.abspath(path), "suffix": suffix}).encode() + b"\n"
        try:
            os.write(_fd(process.stdin), job)
            answer = self._answer(process)
        except TimeoutError as error:
            self.close()
            return _digest_of(path), _failed(str(error))
        except (OSError, EOFError):
            self.close()
            return _digest_of(path), _failed(f"its parser crashed ({_how(process)})")
        if answer["memory"] > _ENOUGH_MEMORY:
            self.close()
        return answer["digest"], Conversion.from_json(answer["conversion"])

    def stop(self) -> None:
        """Have the file at hand end as a crash, and no other begin. The pipes are closed by who uses them."""
        self.stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process; the next file starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            home = str(Path(ragc.__file__).resolve().parent.parent)
            paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
            # -P: what lies in the working folder is no part of Python's own path.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ragc.data.documents._worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
            )
            self._buffer.clear()
            if self.stopped:  # while it was being started
                self._process.kill()
        return self._process

    def _answer(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Return the last answer to a job. Raises EOFError when the process is gone, TimeoutError when it hangs."""
        started = heard = time.monotonic()
        output = _fd(process.stdout)
        while True:
            now = time.monotonic()
            if now - heard > MOST_SILENCE:
                raise TimeoutError(f"its parser did nothing for {MOST_SILENCE:.0f} seconds; split it or save it anew")
            if now - started > MOST_SECONDS:
                raise TimeoutError(f"reading it took more than {MOST_SECONDS / 60:.0f} minutes; split it")
            if not select.select([output], [], [], 0.5)[0]:
                continue
            data = os.read(output, 1 << 20)
            if not data:
                raise EOFError
            self._buffer += data
            if not data.endswith(b"\n"):  # it writes whole lines, and waits for the next job after the last
                continue
            lines = bytes(self._buffer).splitlines()
            self._buffer.clear()
            heard = time.monotonic()
            answer: dict[str, Any] = json.loads(lines[-1])
            if "conversion" in answer:
                return answer


def _fd(pipe: Any) -> int:
    if pipe is None:
        raise DataError("no pipe to the process that reads documents")
    number: int = pipe.fileno()
    return number


def _failed(reason: str) -> Conversion:
    return Conversion(failure=reason, passing=True)


def _digest_of(path: Path) -> str:
    try:
        return digest(path.read_bytes())
    except OSError:
        return ""


def _how(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    return f"signal {-code}" if code < 0 else f"exit code {code}"
