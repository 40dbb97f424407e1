"""The process that converts: `python -m ragc.data.documents._worker`. Reads a job a line, answers in lines of JSON.

A job is `{"path", "suffix"}`; the answers are `{"beat": true}` while it goes on and last `{"digest", "conversion",
"memory"}`. It has no network, starts no process, and may take MOST_MEMORY more than it started with.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import resource
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from ragc.data.documents._conversion import Conversion
from ragc.data.documents._convert import convert

MOST_MEMORY = 512 * 1024 * 1024
"""Bytes of address space that one file may take on top of what the parsers themselves do."""
_REFUSED = ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system", "os.posix_spawn")
_BEAT_EVERY = 0.5
_LONGEST = 1_000
"""Seconds after which the system ends it; whoever started it does so before."""


def main() -> None:
    """Convert until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; whoever started this decides
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # parsers print
    sys.addaudithook(_refuse)
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        job = json.loads(line)
        signal.alarm(_LONGEST)  # whoever started this may be gone, and a parser may never come back
        _prepare(job["suffix"])
        answer = _answer(answers, Path(job["path"]), job["suffix"])
        gc.collect()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        signal.alarm(0)


def _answer(answers: Any, path: Path, suffix: str) -> dict[str, Any]:
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last > _BEAT_EVERY:
            last = time.monotonic()
            answers.write('{"beat": true}\n')
            answers.flush()

    try:
        with _limited():
            data = path.read_bytes()
            conversion = convert(path, suffix, data, beat)
        digest = hashlib.sha256(data).hexdigest()
    except OSError as error:
        conversion, digest = Conversion(failure=(error.strerror or str(error)).lower(), passing=True), ""
    except MemoryError:
        conversion, digest = Conversion(failure=too_much_memory(), passing=True), ""
    return {"digest": digest, "conversion": conversion.as_json(), "memory": _memory()}


def too_much_memory() -> str:
    """Return the reason for a file that took more than it may."""
    return f"reading it takes more than {MOST_MEMORY // 2**20} MiB of memory"


def _prepare(suffix: str) -> None:
    """Import the parsers before memory is measured, and without a word from them."""
    if suffix not in (".csv", ".tsv", ".jsonl", ".eml"):
        import logging

        logging.disable(logging.CRITICAL)
        with contextlib.suppress(ImportError):
            import markitdown.converters  # noqa: F401


@contextlib.contextmanager
def _limited() -> Any:
    """Hold the address space down while a file is read. Where the system cannot, there is no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = _address_space()
    if taken is None:
        yield
        return
    limit = taken + MOST_MEMORY
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pages * resource.getpagesize()


def _memory() -> int:
    """Return the most resident bytes so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _refuse(event: str, args: object) -> None:
    if event in _REFUSED:
        raise PermissionError(f"a document that is read may not do that: {event}")


if __name__ == "__main__":
    main()
