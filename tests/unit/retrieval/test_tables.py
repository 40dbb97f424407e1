"""A table that is cut says its header in every passage, and spans say where a passage's own text stands."""

from __future__ import annotations

import pytest

from contract.stores import WordVectors
from ragc._tables import stands, tables
from ragc.data import Document
from ragc.project import ChunkSettings
from ragc.retrieval import Passage
from ragc.retrieval._chunking import Chunker

HEADER = "| plot | rent in euros | water |\n|---|---:|:--|"
ROWS = "\n".join(f"| north {number} | {30 + number} | metered |" for number in range(40))
TEXT = f"# Rents\n\nWhat a plot costs in a year.\n\n{HEADER}\n{ROWS}\n\nPaid in March.\n"


def cut(text: str, size: int = 300, overlap: int = 0) -> list[Passage]:
    chunker = Chunker(ChunkSettings(size=size, overlap=overlap, by="characters"), WordVectors().count_tokens)
    return chunker.passages(Document("rents.md", "Rents", text))


@pytest.mark.parametrize("overlap", [0, 60])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_passage_of_a_table_says_its_header_once(overlap: int, newline: str) -> None:
    text = TEXT.replace("\n", newline)
    found = cut(text, overlap=overlap)
    with_rows = [one for one in found if "| metered |" in one.text]
    assert len(with_rows) > 4
    for one in with_rows:
        assert one.text.count("rent in euros") == 1
        assert one.text[len(one.text) - (one.end - one.own) :] == text[one.own : one.end]
        assert one.start <= one.own < one.end
        first = next(line for line in one.text.splitlines() if "metered" in line)
        assert first.startswith("| north ")
    again = [one for one in with_rows if "rent in euros" not in text[one.own : one.end]]
    assert len(again) == len(with_rows) - 1
    assert all(len(one.text) <= 300 + len(HEADER) + 4 for one in found)
    assert "rent in euros" not in found[-1].text or "| metered |" in found[-1].text


def test_a_header_that_takes_half_a_passage_and_a_table_in_code_are_left_as_they_are() -> None:
    assert sum("rent in euros" in one.text for one in cut(TEXT, size=90)) == 1
    code = TEXT.replace(HEADER, f"```\n{HEADER}").replace("\n\nPaid", "\n```\n\nPaid")
    assert sum("rent in euros" in one.text for one in cut(code)) == 1


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("a | b\n--|--\n1 | 2\n3 | 4\n\n5 | 6", ["a | b\n--|--"]),
        ("| a |\n|---|\n| 1 |", ["| a |\n|---|"]),
        ("| a |\n|---|\n\ntext", []),
        ("a\n---\nb | c", []),
        ("one | two\nthree | four", []),
        ("~~~\na | b\n--|--\n1 | 2\n~~~\n\nc | d\n--|--\n1 | 2", ["c | d\n--|--"]),
        ("| a |\n|---|\n| 1 |\n\n| b |\n|---|\n| 2 |", ["| a |\n|---|", "| b |\n|---|"]),
    ],
)
def test_what_is_a_table(text: str, headers: list[str]) -> None:
    found = list(tables(text))
    assert [one.header for one in found] == headers
    assert all("|" in text[one.start : one.end] for one in found)


def test_a_repeated_header_is_looked_for_by_itself() -> None:
    document = "| a |\n|---|\n| 1 |\n| 2 |\n| 3 |"
    assert stands("| a |\n|---|\n| 2 |\n| 3 |", document.__contains__)
    assert stands("| 2 |\n| 3 |", document.__contains__)
    assert not stands("| a |\n|---|\n| 4 |", document.__contains__)
    assert not stands("| b |\n|---|\n| 2 |", document.__contains__)
