"""Questions on the same evidence, and what they count for in a verdict."""

from __future__ import annotations

from ragc.data import Corpus, Document, Evidence, Example
from ragc.evaluation import Comparison, Evaluation, Outcome, clusters_of, compare_paired

LEAVE = Document(
    "leave.md", "Leave", "You may carry over five days. They lapse in March. Ask your lead in writing.", {}
)
PAY = Document("pay.md", "Pay", "Pay day is the 25th. It moves forward before a weekend.", {})
CORPUS = Corpus((LEAVE, PAY))


def example(id_: str, *evidence: Evidence) -> Example:
    return Example(id=id_, question=f"Question {id_}?", answers=("five",), evidence=evidence)


def test_overlapping_quotes_make_one_cluster_and_others_none() -> None:
    examples = [
        example("a", Evidence("leave.md", "carry over five days")),
        example("b", Evidence("leave.md", "five days. They lapse")),
        example("c", Evidence("leave.md", "Ask your lead in writing")),
        example("d", Evidence("pay.md", "the 25th")),
        example("e"),
    ]
    assert clusters_of(examples, CORPUS) == {"a": "a", "b": "a", "c": "c", "d": "d", "e": "e"}


def test_evidence_in_two_documents_joins_what_rests_on_either() -> None:
    examples = [
        example("d", Evidence("pay.md", "the 25th")),
        example("b", Evidence("leave.md", "five days"), Evidence("pay.md", "Pay day is the 25th")),
        example("a", Evidence("leave.md", "over five days")),
    ]
    assert set(clusters_of(examples, CORPUS).values()) == {"a"}


def test_a_whole_document_overlaps_each_quote_of_it() -> None:
    examples = [
        example("a", Evidence("leave.md")),
        example("b", Evidence("leave.md", "five days")),
        example("c", Evidence("leave.md", "in writing")),
    ]
    assert set(clusters_of(examples, CORPUS).values()) == {"a"}


def evaluation(scores: list[float]) -> Evaluation:
    return Evaluation(tuple(Outcome(f"e{n}", score) for n, score in enumerate(scores)))


def test_the_same_gain_on_few_clusters_is_not_shown() -> None:
    """Thirty questions that all changed, on three facts, are three changes."""
    before, after = evaluation([0.0] * 60), evaluation([1.0] * 30 + [0.0] * 30)
    apart = compare_paired(before, after)
    together = compare_paired(before, after, clusters={f"e{n}": f"fact {n // 10}" for n in range(60)})
    assert (apart.verdict, apart.clusters) == ("better", 60)
    assert (together.verdict, together.clusters, together.ci_low) == ("not shown", 6, None)
    assert together.difference == apart.difference


def test_clusters_that_change_alike_widen_the_interval() -> None:
    before, after = evaluation([0.0] * 120), evaluation(([1.0] * 4 + [0.0] * 4) * 15)
    apart = compare_paired(before, after)
    together = compare_paired(before, after, clusters={f"e{n}": str(n // 4) for n in range(120)})
    assert (apart.clusters, together.clusters) == (120, 30)
    assert _width(together) > 1.5 * _width(apart)


def _width(found: Comparison) -> float:
    assert found.ci_low is not None and found.ci_high is not None
    return found.ci_high - found.ci_low


def test_unequal_clusters_weigh_by_their_questions() -> None:
    scores = [1.0] * 20 + [0.0] * 20
    grouped = compare_paired(
        evaluation([0.0] * 40), evaluation(scores), clusters={f"e{n}": "one" if n < 8 else f"e{n}" for n in range(40)}
    )
    assert grouped.difference == 0.5
    assert grouped.clusters == 33
