"""The token budget: whole passages go, near-duplicates first, and are named."""

from __future__ import annotations

from ragc._fence import fenced
from ragc.retrieval import Passage
from ragc.retrieval._budget import estimated_tokens, fitted


def passage(id_: str, text: str) -> Passage:
    return Passage(id_, f"{id_}.md", "", text)


def cost(text: str) -> int:
    return 10


A, B, C = passage("a", "five days of leave"), passage("b", "rent is due in June"), passage("c", "bonfires in November")
A_AGAIN = passage("d", "Five days, of leave!")


def test_what_fits_stays() -> None:
    assert fitted([A, B, C], 30, cost) == ((A, B, C), ())


def test_the_last_goes_first() -> None:
    assert fitted([A, B, C], 29, cost) == ((A, B), ("c",))
    assert fitted([A, B, C], 10, cost) == ((A,), ("b", "c"))


def test_near_duplicate_goes_before_the_last() -> None:
    assert fitted([A, A_AGAIN, B], 20, cost) == ((A, B), ("d",))
    assert fitted([A, A_AGAIN, B], 10, cost) == ((A,), ("d", "b"))


def test_near_duplicate_stays_while_there_is_room() -> None:
    assert fitted([A, A_AGAIN], 20, cost) == ((A, A_AGAIN), ())


def test_nothing_fits() -> None:
    assert fitted([A, B], 9, cost) == ((), ("a", "b"))
    assert fitted([], 9, cost) == ((), ())


def test_what_is_worth_least_goes_first_and_the_rest_keeps_its_order() -> None:
    assert fitted([A, B, C], 20, cost, worth=[1, 2, 0]) == ((B, C), ("a",))
    assert fitted([A, A_AGAIN, B], 20, cost, worth=[1, 2, 0]) == ((A_AGAIN, B), ("a",))


def test_the_fence_is_counted() -> None:
    assert fitted([A], len("<passage>") + len(A.text), len) == ((), ("a",))
    assert fitted([A], len(fenced(A.id, A.source, A.text)) + 1, len) == ((A,), ())


def test_estimate_is_bytes_by_four_rounded_up() -> None:
    assert [estimated_tokens(text) for text in ("", "a", "abcd", "abcde", "東京")] == [0, 1, 1, 2, 2]
