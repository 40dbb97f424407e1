from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ragc.artifact.answers._read import find_answer
from ragc.errors import DataError

FIRST, SECOND = "aaaa" + "0" * 16, "aaab" + "1" * 16


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    lines = [json.dumps({"schema": 1, "id": one}) for one in (FIRST, SECOND)]
    path.write_text("\n".join([lines[0], '{"id": "torn', "[]", '{"id": 3}', "", lines[1], ""]))
    return path


def test_the_beginning_of_an_id_will_do_in_either_case(log: Path) -> None:
    for asked in (FIRST, FIRST[:4], FIRST[:10].upper()):
        found = find_answer(log, asked, lambda line: None)
        assert (found.record["id"], found.line) == (FIRST, 1)


def test_damaged_lines_are_named_and_skipped(log: Path) -> None:
    told: list[str] = []
    assert find_answer(log, SECOND, told.append).line == 6
    assert [line.rpartition("answers.jsonl ")[2] for line in told] == [
        f"line {number} is damaged and skipped" for number in (2, 3, 4)
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("aaa", "too short for an answer's id; give at least 4 digits"),
        ("aaaaf", r"no answer aaaaf in .*answers\.jsonl; .* as answer_id"),
        ("nonsense", "no answer nonsense"),
    ],
)
def test_an_id_that_is_not_there_is_one_line(log: Path, asked: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        find_answer(log, asked, lambda line: None)
    assert "\n" not in str(caught.value)


def test_several_are_named(log: Path) -> None:
    log.write_text("".join(json.dumps({"schema": 1, "id": f"aaaa{number}"}) + "\n" for number in range(5)))
    with pytest.raises(DataError, match=r"5 answers have an id that begins with aaaa \(aaaa0, aaaa1, aaaa2 …\)"):
        find_answer(log, "aaaa", lambda line: None)
    assert find_answer(log, "aaaa3", lambda line: None).line == 4


def test_rotated_logs_are_read_compressed_ones_too(log: Path) -> None:
    with gzip.open(log.with_name("answers.jsonl-20260401.gz"), "wb") as file:
        file.write(json.dumps({"schema": 1, "id": "cccc" + "2" * 16}).encode() + b"\n")
    log.rename(log.with_name("answers.jsonl.1"))
    for asked, name in (("cccc2", "answers.jsonl-20260401.gz"), (FIRST, "answers.jsonl.1")):
        assert find_answer(log, asked, lambda line: None).file.name == name


def test_a_damaged_archive_is_named_and_the_rest_is_read(log: Path) -> None:
    log.with_name("answers.jsonl.2.gz").write_bytes(b"\x1f\x8b\x08 no archive")
    told: list[str] = []
    assert find_answer(log, FIRST, told.append).line == 1
    assert any("answers.jsonl.2.gz line 1 and what follows cannot be read" in line for line in told)


def test_no_log_yet_and_a_newer_one_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with pytest.raises(DataError, match=r"there is no answer log .*answers\.jsonl yet; the first answer makes it"):
        find_answer(path, "aaaa", lambda line: None)
    path.write_text('{"schema": 99, "id": "aaaa1"}\n')
    with pytest.raises(DataError, match="line 1: written by a newer ragc; upgrade ragc"):
        find_answer(path, "aaaa1", lambda line: None)
