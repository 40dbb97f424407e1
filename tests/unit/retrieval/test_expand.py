"""What was added around a hit repeats nothing that the passage beside it says."""

from __future__ import annotations

import itertools

import pytest

from contract.stores import WordVectors
from ragc.data import Document
from ragc.project import ChunkSettings
from ragc.retrieval import Passage
from ragc.retrieval._chunking import Chunker
from ragc.retrieval._expand import expanded, joined

WORDS = [f"word{number}" for number in range(200)]
TEXT = " ".join(WORDS)


def cut(text: str = TEXT, overlap: int = 60) -> list[Passage]:
    settings = ChunkSettings(size=200, overlap=overlap, by="characters")
    return Chunker(settings, WordVectors().count_tokens).passages(Document("a.txt", "A", text))


def read(hits: list[Passage], expand: int, passages: list[Passage]) -> list[Passage]:
    found = expanded(hits, expand, lambda ids: passages)
    return list(joined(found.passages, found.added))


@pytest.mark.parametrize("expand", [1, 2, 100])
def test_a_hit_among_its_neighbours_reads_as_the_document_does(expand: int) -> None:
    passages = cut()
    assert any(one.end > other.own for one, other in itertools.pairwise(passages))
    hit = passages[3]
    shown = read([hit], expand, passages)
    words = " ".join(one.text for one in shown).split()
    assert words == WORDS[WORDS.index(words[0]) : WORDS.index(words[-1]) + 1]
    assert hit in shown
    around = passages[max(0, 3 - expand) : 4 + expand]
    assert [(one.id, one.start, one.end) for one in shown] == [(one.id, one.start, one.end) for one in around]


def test_two_hits_stay_as_they_are_and_what_is_added_around_them_gives_way() -> None:
    passages = cut()
    first, second = passages[4], passages[1]
    shown = read([first, second], 1, passages)
    assert [one.id for one in shown] == [passages[place].id for place in (3, 4, 5, 0, 1, 2)]
    assert (shown[1], shown[4]) == (first, second)
    texts = [" ".join(one.text for one in part).split() for part in (shown[:3], shown[3:])]
    assert all(len(words) == len(set(words)) for words in texts)


def test_without_overlap_and_across_documents_nothing_changes() -> None:
    passages = cut(overlap=0)
    found = expanded([passages[2]], 1, lambda ids: passages)
    assert joined(found.passages, found.added) == found.passages
    other = Passage("x", "b.txt", "B", passages[3].text, start=passages[3].start, end=passages[3].end)
    overlapping = cut()
    assert joined((overlapping[2], other), (other.id,)) == (overlapping[2], other)


def test_a_repeated_header_goes_where_the_table_stands_before() -> None:
    rows = "\n".join(f"| plot {number} | {number} euros a year |" for number in range(40))
    passages = cut(f"| plot | rent |\n|---|---|\n{rows}\n", overlap=80)
    shown = read([passages[2]], 1, passages)
    lines = [line for one in shown for line in one.text.splitlines() if line.startswith("| plot ") and "year" in line]
    assert len(lines) == len(set(lines)) > 5
    assert [one.text.count("| plot | rent |") for one in shown][1:] == [1, 0]
