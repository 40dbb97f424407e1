"""The interval of one evaluation's score."""

from __future__ import annotations

from ragc.evaluation import Evaluation, Outcome, mean_interval


def scored(*scores: float | None) -> Evaluation:
    return Evaluation(tuple(Outcome(f"q{number}", score) for number, score in enumerate(scores)))


def test_it_holds_the_mean_and_stays_on_the_scale() -> None:
    found = mean_interval(scored(*[1.0] * 30, *[0.0] * 10, None))
    assert found is not None
    low, high = found
    assert 0.55 < low < 0.75 < high < 0.9
    rare = mean_interval(scored(*[0.0] * 11, 1.0))
    assert rare is not None
    assert rare[0] >= 0


def test_questions_on_the_same_evidence_say_less() -> None:
    one = scored(*([1.0] * 4 + [0.0] * 4) * 6)
    clusters = {f"q{number}": f"c{number // 4}" for number in range(48)}
    alone, together = mean_interval(one), mean_interval(one, clusters=clusters)
    assert alone is not None and together is not None
    assert together[1] - together[0] > alone[1] - alone[0]


def test_one_question_has_no_interval() -> None:
    assert mean_interval(scored(1.0, None)) is None
