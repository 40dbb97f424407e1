"""Documents that are nearly the same: found among many, and in little time."""

from __future__ import annotations

import random
import string
import time

import pytest

from ragc.data import Corpus, Document
from ragc.data._alike import LEAST, alike


def letters(seed: int, size: int = 600) -> str:
    return "".join(random.Random(seed).choices(string.ascii_lowercase, k=size))


def edited(text: str, edits: int, seed: int = 0) -> str:
    characters = list(text)
    for place in random.Random(seed).sample(range(len(text)), edits):
        characters[place] = "#"
    return "".join(characters)


def test_a_document_with_a_few_changes_is_named_with_the_first_that_it_is_like() -> None:
    texts = {str(number): letters(number) for number in range(50)}
    texts["7 again"] = edited(texts["7"], 3)
    texts["7 once more"] = edited(texts["7"], 2, seed=1)
    texts["longer"] = texts["9"] + letters(99, 60)
    found = alike(texts)
    assert [(one.first, one.second) for one in found] == [("7", "7 again"), ("7", "7 once more"), ("9", "longer")]
    assert all(LEAST <= one.share < 1 for one in found)
    assert found[2].share == pytest.approx(593 / 653)


@pytest.mark.parametrize("other", [edited(letters(1), 40), letters(1)[:400], letters(1) + letters(2), letters(3)])
def test_what_is_half_the_same_is_another_document(other: str) -> None:
    assert alike({"a": letters(1), "b": other}) == []


def test_short_texts_are_left_alone() -> None:
    assert alike({"a": "parkinginzoneacosts3euros", "b": "parkinginzonebcosts3euros", "c": "", "d": "x" * 199}) == []


def test_none_is_missed_among_many_and_the_time_does_not_grow_with_the_square() -> None:
    def seconds(count: int) -> float:
        texts = {f"{number}": letters(number, 300) for number in range(count)}
        texts |= {f"{number} again": edited(text, 2, seed=int(number)) for number, text in list(texts.items())}
        began = time.process_time()
        found = alike(texts)
        assert [(one.first, one.second) for one in found] == [(f"{n}", f"{n} again") for n in range(count)]
        return time.process_time() - began

    seconds(50)
    assert seconds(1600) < 8 * seconds(400)  # four times the documents


def test_many_that_are_all_alike_and_many_that_begin_alike() -> None:
    one = letters(1, 400)
    found = alike({str(number): edited(one, 2, seed=number) for number in range(500)})
    assert len(found) == 499
    assert alike({str(number): one[:100] + letters(number + 2, 300) for number in range(500)}) == []


TEXT = """Allotments are let for a year from the first of March, to members alone.

The rent is 31 euros, water included. Bonfires are allowed in November, after four in the afternoon, and never
beside the sheds of others. Hives stand behind the shed. Whoever gives a plot back before the first of October pays
nothing more.
"""


def test_a_corpus_reports_them_beside_those_that_are_the_same() -> None:
    texts = {"a.md": TEXT, "b.md": TEXT.upper(), "c.md": TEXT.replace("31", "32")}
    found = Corpus(tuple(Document(id_, id_, text) for id_, text in texts.items())).findings
    assert [(one.kind, one.path) for one in found] == [("duplicate", "b.md"), ("near duplicate", "c.md")]
    assert found[1].text.endswith("% of the text is that of a.md")
