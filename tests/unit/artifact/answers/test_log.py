from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ragc.artifact.answers import LogFile, log_path
from ragc.errors import ConfigError, RagcError

PROCESSES, LINES = 4, 100
APPEND = """
import sys
from pathlib import Path
from ragc.artifact.answers import LogFile
log = LogFile(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    log.append({"id": f"{sys.argv[2]}-{number}", "text": sys.argv[2] * 20_000})
"""


def records(path: Path) -> list[dict[str, Any]]:
    """What stands in a log; a line that is none is an error."""
    data = path.read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """What a full disk looks like: no file of this process grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("off", None),
        ("jsonl://.ragc/answers.jsonl", "/project/.ragc/answers.jsonl"),
        ("jsonl:///var/log/ragc/answers.jsonl", "/var/log/ragc/answers.jsonl"),
    ],
)
def test_an_address_is_relative_to_the_project_unless_it_begins_with_a_slash(address: str, expected: str) -> None:
    path = log_path(address, Path("/project"))
    assert (None if path is None else str(path)) == expected


@pytest.mark.parametrize("address", ["answers.jsonl", "jsonl://", "jsonl:///", "sqlite:///x", ""])
def test_an_address_that_is_none_is_one_line(address: str) -> None:
    with pytest.raises(ConfigError, match=r"write jsonl://PATH, or off$"):
        log_path(address, Path("/project"))


def test_a_log_is_made_with_its_folders_for_its_owner_alone(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a" / "b.jsonl")
    log.append({"id": "1", "text": "£5\u2028\nDAŃ \ud800"})
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert records(log.path) == [{"id": "1", "text": "£5\u2028\nDAŃ \ud800"}]
    assert log.path.read_bytes().count(b"\n") == 1


def test_lines_of_threads_and_processes_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    started = [
        subprocess.Popen([sys.executable, "-c", APPEND, str(path), chr(ord("a") + number), str(LINES)])
        for number in range(PROCESSES)
    ]
    log = LogFile(path)

    def append(thread: int) -> None:
        for number in range(30):
            log.append({"id": f"t{thread}-{number}", "text": "t" * 20_000})

    threads = [threading.Thread(target=append, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in started] == [0] * PROCESSES
    found = records(path)
    assert len({one["id"] for one in found}) == len(found) == PROCESSES * LINES + 4 * 30
    assert all(len(set(one["text"])) == 1 and len(one["text"]) == 20_000 for one in found)


def test_a_killed_process_tears_its_last_line_at_most_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    for _ in range(5):
        before = path.stat().st_size if path.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", APPEND, str(path), "x", "1000000"])
        while not path.exists() or path.stat().st_size < before + 200_000:
            time.sleep(0.001)
        process.kill()
        process.wait()
        LogFile(path).append({"id": "after"})
    lines = path.read_bytes().split(b"\n")[:-1]
    torn = [number for number, line in enumerate(lines) if not line.endswith(b"}")]
    assert len(lines) >= 50
    assert all(json.loads(lines[number + 1]) == {"id": "after"} for number in torn)
    assert all(json.loads(line) for number, line in enumerate(lines) if number not in torn)


def test_a_torn_line_stays_alone(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b'{"id": "torn by a power fail')
    LogFile(path).append({"id": "1"})
    assert path.read_bytes().split(b"\n")[1:] == [b'{"id": "1"}', b""]


def test_rotation_needs_no_signal(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "answers.jsonl")
    log.append({"id": "1"})
    log.path.rename(tmp_path / "answers.jsonl.1")
    log.append({"id": "2"})
    log.path.unlink()
    log.append({"id": "3"})
    os.truncate(log.path, 0)
    log.append({"id": "4"})
    assert records(tmp_path / "answers.jsonl.1") == [{"id": "1"}]
    assert records(log.path) == [{"id": "4"}]


def test_a_full_disk_takes_nothing_of_a_line_and_says_so(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "answers.jsonl")
    log.append({"id": "1"})
    with no_file_beyond(100), pytest.raises(RagcError, match=r"answers\.jsonl: file too large; .*unlogged") as caught:
        log.append({"id": "2", "text": "x" * 500})
    assert "\n" not in str(caught.value)
    assert records(log.path) == [{"id": "1"}]
    log.append({"id": "3"})
    assert [one["id"] for one in records(log.path)] == ["1", "3"]


@pytest.mark.parametrize("place", ["file/answers.jsonl", "folder", "/proc/nothing/answers.jsonl"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RagcError, match=r"^the answer log: cannot write .*; no answer is given unlogged$") as caught:
        LogFile(tmp_path / place).open()
    assert "\n" not in str(caught.value)


def test_the_lock_is_given_back_also_when_a_line_fails(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "answers.jsonl")
    log.append({"id": "1"})
    with no_file_beyond(1), pytest.raises(RagcError):
        log.append({"id": "2"})
    with log.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
