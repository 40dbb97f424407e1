"""`ragc …` as a process of its own, started fast: a fork of one process that has imported what a compile needs.

    with Launcher() as launcher:
        running = launcher.start("compile", "--json", cwd=project, log=folder)
        os.kill(running.pid, signal.SIGKILL)

A command takes a tenth of the time that a new interpreter takes, which is what tests with dozens of commands need. A
process is killed, stopped and interrupted like any other. What is under test at import or start-up runs as `python -m
ragc` instead (the fixture `run_ragc`).
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NO_LIMIT = resource.RLIM_INFINITY
LOOK = 0.001


@dataclass(frozen=True)
class Done:
    """How a command ended: its status, minus the signal's number where that ended it, and what it printed."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        """What `--json` printed."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


@dataclass
class Running:
    """A command that goes on."""

    pid: int
    _launcher: Launcher
    _files: tuple[Path, Path]
    _started: float = field(default_factory=time.monotonic)
    _done: Done | None = None

    @property
    def stderr(self) -> str:
        """What it has printed there so far."""
        return self._files[1].read_text("utf-8")

    @property
    def has_ended(self) -> bool:
        if self._done is None:
            status = self._launcher.ask(poll=self.pid)
            if status is None:
                return False
            out, err = (file.read_text("utf-8") for file in self._files)
            self._done = Done(status, out, err, time.monotonic() - self._started)
        return True

    def wait(self, timeout: float = 120) -> Done:
        """Raises TimeoutError, and kills it."""
        if not self.until(lambda: False, timeout):
            self.signal(signal.SIGKILL)
            raise TimeoutError(f"no end after {timeout:g} s: {self.stderr[-2000:]}")
        if self._done is None:
            raise RuntimeError("it has not ended")
        return self._done

    def until(self, holds: Callable[[], bool], timeout: float = 120) -> bool:
        """Wait until something holds or the command has ended; False: neither came in time."""
        deadline, looks = time.monotonic() + timeout, 0
        while not holds():
            if looks % 20 == 0 and self.has_ended:
                return True
            if time.monotonic() > deadline:
                return False
            looks += 1
            time.sleep(LOOK)
        return True

    def signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> Done:
        """`kill -9`, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def limit_files(self, size: int) -> None:
        """No file that it writes grows beyond so many bytes from now on: what a full disk looks like."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, NO_LIMIT))


class Launcher:
    """A context manager. Not for several threads at once; each may have its own."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._numbers = count(1)

    def __enter__(self) -> Launcher:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.communicate("")

    def start(
        self,
        *args: str | os.PathLike[str],
        cwd: Path,
        log: Path,
        env: dict[str, str] | None = None,
        file_size: int = NO_LIMIT,
        before: str = "",
    ) -> Running:
        """Start `ragc …` in `cwd`; what it prints goes to files in `log`.

        `file_size`: no file that it writes grows beyond so many bytes. `before`: Python that the process runs first,
        to look on or to take a protection out.
        """
        number = next(self._numbers)
        files = log / f"stdout-{number}", log / f"stderr-{number}"
        for file in files:
            file.touch()  # it may be killed before it has opened them
        pid = self.ask(
            args=[os.fspath(one) for one in args],
            cwd=str(cwd),
            env={**os.environ, **(env or {})},
            files=[str(file) for file in files],
            file_size=file_size,
            before=before,
        )
        return Running(pid, self, files)

    def run(self, *args: str | os.PathLike[str], cwd: Path, log: Path, timeout: float = 120, **given: Any) -> Done:
        return self.start(*args, cwd=cwd, log=log, **given).wait(timeout)

    def ask(self, **request: Any) -> Any:
        """One request to the process that forks, and its answer."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("not started")
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the launcher ended with status {process.wait()}")
        return json.loads(line)


# What follows is the process that forks.


def _serve() -> list[str] | None:
    """Answer requests until there are no more; in a fork: the arguments of its command."""
    children: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            answer: int | None = None
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            if pid:
                children.discard(pid)
                answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                return _become(request)
            children.add(answer)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for child in children:
        os.kill(child, signal.SIGKILL)
    return None


def _become(request: dict[str, Any]) -> list[str]:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever our parent does with it
    os.environ.clear()
    os.environ.update({**_SET, **request["env"]})
    os.chdir(request["cwd"])
    sys.path[0] = request["cwd"]  # as `python -m ragc` has it
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    for descriptor, name in enumerate(request["files"], start=1):
        with open(name, "wb") as file:
            os.dup2(file.fileno(), descriptor)
    if request["file_size"] != NO_LIMIT:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"], NO_LIMIT))
    exec(request["before"], {})
    args: list[str] = request["args"]
    return args


_SET: dict[str, str] = {}
"""Variables that the imports have set, which a command would set itself."""


def _import_all() -> None:
    """What a compile imports sooner or later."""
    before = dict(os.environ)
    import apsw
    import dspy
    import numpy
    import openai
    import scipy.stats
    import sqlite_vec

    import ragc.artifact
    import ragc.cli.compile
    import ragc.cli.journal
    import ragc.cli.verify
    import ragc.compiler
    import ragc.data
    import ragc.evaluation
    import ragc.models
    import ragc.retrieval
    import ragc.tracking  # noqa: F401

    _SET.update({name: value for name, value in os.environ.items() if name not in before})
    del apsw, dspy, numpy, openai, scipy, sqlite_vec


if __name__ == "__main__":
    from ragc.cli import main

    _import_all()
    arguments = _serve()
    if arguments is not None:
        sys.argv = ["ragc", *arguments]
        main()
