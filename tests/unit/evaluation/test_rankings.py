"""Precision, recall, MRR and nDCG over evidence."""

from __future__ import annotations

import math

import pytest

from ragc.data import Example, Span
from ragc.evaluation import Order, Ranked, rank
from ragc.retrieval import Passage, passage_id


def passage(document: str, start: int, end: int) -> Passage:
    return Passage(passage_id(document, start, end), document, document, "text", start=start, end=end)


A, B, C, OTHER = passage("a", 0, 10), passage("a", 10, 20), passage("b", 0, 10), passage("c", 0, 10)


def ranked(
    *found: Passage, gold: tuple[Span, ...] = (Span("a", 2, 5),), number: int = 1, slice: str | None = None
) -> Ranked:
    held = [one for one in (A, B, C) if any(span.document == one.document for span in gold)]
    return Ranked(Example(f"e{number}", "q", ("x",), slice=slice), gold, held, {Order(0.5): found})


def test_one_gold_passage_in_the_second_place() -> None:
    one, three = rank([ranked(OTHER, A, B)], [3, 1]).settings
    assert (one.k, one.precision, one.recall, one.mrr, one.ndcg) == (1, 0, 0, 0, 0)
    assert (three.k, three.recall, three.mrr) == (3, 1, 0.5)
    assert three.precision == pytest.approx(1 / 3)
    assert three.ndcg == pytest.approx(1 / math.log2(3))


def test_a_quote_that_two_passages_share_is_one_evidence_and_two_gold_passages() -> None:
    (setting,) = rank([ranked(A, OTHER, gold=(Span("a", 5, 15),))], [2]).settings
    assert setting.recall == 1
    assert setting.precision == 0.5
    assert setting.ndcg == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_evidence_in_two_documents_is_found_by_half() -> None:
    gold = (Span("a", 0, 5), Span("b", 0, 10))
    half, whole = rank([ranked(C, OTHER, A, gold=gold)], [1, 3]).settings
    assert (half.recall, half.precision) == (0.5, 1)
    assert whole.recall == 1
    assert whole.ndcg == pytest.approx((1 + 0.5) / (1 + 1 / math.log2(3)))


def test_two_quotes_in_one_passage_are_both_found_by_it() -> None:
    (setting,) = rank([ranked(A, gold=(Span("a", 0, 2), Span("a", 5, 7)))], [1]).settings
    assert (setting.recall, setting.precision, setting.ndcg) == (1, 1, 1)


def test_nothing_found_scores_nothing() -> None:
    (setting,) = rank([ranked()], [5]).settings
    assert (setting.n, setting.precision, setting.recall, setting.mrr, setting.ndcg) == (1, 0, 0, 0, 0)


def test_the_order_is_that_of_retrieval_where_scores_are_equal() -> None:
    many = [passage("c", start, start + 1) for start in range(8)]
    settings = rank([ranked(*many, A)], [8, 9]).settings
    assert [one.mrr for one in settings] == [0, pytest.approx(1 / 9)]


def test_means_slices_and_the_best_setting() -> None:
    questions = [
        ranked(A, number=1, slice="easy"),
        ranked(OTHER, A, number=2, slice="hard"),
        ranked(OTHER, C, number=3, slice="hard"),
    ]
    found = rank(questions, [1, 2])
    assert [one.recall for one in found.settings] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]
    assert {name: [(one.n, one.recall) for one in part] for name, part in found.slices.items()} == {
        "easy": [(1, 1.0), (1, 1.0)],
        "hard": [(2, 0.0), (2, 0.5)],
    }
    assert found.best.k == 2
    assert found.best.intervals == {}


def test_intervals_hold_the_mean_and_are_wider_where_questions_are_won_together() -> None:
    questions = [ranked(*([A] if number % 4 else [OTHER]), number=number) for number in range(60)]
    apart = rank(questions, [1]).settings[0]
    together = rank(questions, [1], clusters={f"e{n}": f"e{n % 20}" for n in range(60)}).settings[0]
    low, high = apart.intervals["recall"]
    assert low < apart.recall == 0.75 < high
    assert together.intervals["recall"][1] - together.intervals["recall"][0] > high - low
    assert rank(questions, [1]).settings[0].intervals == apart.intervals
    same = rank([ranked(A, number=number) for number in range(20)], [1]).settings[0]
    low, high = same.intervals["recall"]
    assert 0.8 < low < 0.95 and high == 1
