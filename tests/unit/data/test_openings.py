"""The file of openings under several processes, half a line and a full disk."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ragc._files import locked
from ragc.data import Example, Splits, open_test, read_openings
from ragc.errors import DataError, RagcError

SPLITS = Splits((), (), tuple(Example(f"e{i}", f"What is number {i}?", (str(i),)) for i in range(3)))
WRITER = """
import sys
from pathlib import Path
from ragc.data import Example, Splits, open_test
splits = Splits((), (), tuple(Example(f"e{i}", f"What is number {i}?", (str(i),)) for i in range(3)))
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    programs = {"baseline": sys.argv[2] + str(number), "shared": f"both {number}"}
    open_test(splits, Path(sys.argv[1]), by="compile", programs=programs, corpus="c")
"""


def opened(path: Path, program: str) -> int:
    return open_test(SPLITS, path, by="compile", programs={"baseline": program}, corpus="c").count


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "openings.jsonl"


def test_two_processes_that_open_at_once_lose_no_line(path: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        for name in "ab"
    ]
    for one in both:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.close()
    assert [one.wait(60) for one in both] == [0, 0]
    programs = {one.programs["baseline"] for one in read_openings(path).entries}
    assert programs == {f"{name}{number}" for name in "ab" for number in range(20)}


def test_an_opening_waits_while_another_process_writes(path: Path) -> None:
    with locked(path):
        other = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), "a"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.close()
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
        assert path.read_bytes() == b""
    assert other.wait(60) == 0
    other.stdout.close()
    assert read_openings(path).count == 20


def test_the_same_program_opened_by_another_process_meanwhile_is_one_opening(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(path, "a")
    known = path.read_bytes()
    path.unlink()
    real = read_openings
    first: list[Path] = []

    def late(file: Path) -> object:
        found = real(file)
        if not first:  # the other one writes between our look and our lock
            first.append(file)
            file.write_bytes(known)
        return found

    monkeypatch.setattr("ragc.data._openings.read_openings", late)
    assert opened(path, "a") == 1
    assert path.read_bytes() == known


def test_half_a_last_line_is_named_and_nothing_is_written_over_it(path: Path) -> None:
    opened(path, "a")
    torn = path.read_bytes() + b'{"schema": 1, "kind": "open'
    path.write_bytes(torn)
    with pytest.raises(DataError, match=r"openings\.jsonl line 2: not JSON.*restore it from version control"):
        opened(path, "b")
    assert path.read_bytes() == torn


def test_a_last_line_without_its_end_gets_one(path: Path) -> None:
    opened(path, "a")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert opened(path, "b") == 2
    assert read_openings(path).count == 2


def test_a_disk_that_fills_up_leaves_the_file_as_it_was_and_hands_out_no_question(path: Path) -> None:
    opened(path, "a")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 40, limits[1]))
    try:
        with pytest.raises(RagcError, match=r"cannot write .*openings\.jsonl"):
            opened(path, "b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
