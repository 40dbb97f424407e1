"""How well retrieval ranks, whatever a model makes of it: precision, recall, MRR and nDCG over the labels' evidence.

A passage is gold when it overlaps a quote, or belongs to a document, that the label names. Precision, MRR and nDCG are
those of `ir_measures` (P@k, RR@k, nDCG@k) with gold passages as what is relevant. Recall is the share of the evidence
that the passages hold, as `recall_of` counts it for answers: a quote that two passages share is one, and a whole
document counts as found with its first passage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ragc.evaluation._clusters import cluster_places
from ragc.evaluation._resampling import ratio_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragc.data import Example, Span
    from ragc.evaluation._clusters import Clusters
    from ragc.retrieval import Passage

MEASURES: tuple[str, ...] = ("precision", "recall", "mrr", "ndcg")
FEWEST = 10
"""Clusters of questions below which a mean has no interval."""
_BATCH = 250
"""Resamples at once: what bounds the memory that intervals of many means take."""


class Order(NamedTuple):
    """What decides which passages come first."""

    alpha: float
    reranker: str | None = None


@dataclass(frozen=True)
class Ranked:
    """One question, the stretches of documents that answer it, and what was found for it."""

    example: Example
    gold: Sequence[Span]
    """At least one: where its evidence stands."""
    candidates: Sequence[Passage]
    """All passages of the documents that its evidence names."""
    found: Mapping[Order, Sequence[Passage]]
    """Passages by what ordered them, best first; the same orders for every question."""


@dataclass(frozen=True)
class Setting:
    """How retrieval does with one k, one alpha and one reranker. Figures are means over questions, 0 to 1."""

    k: int
    alpha: float
    reranker: str | None
    """None: passages stand as the store fused them."""
    n: int
    """Questions."""
    precision: float
    """Share of k that is gold."""
    recall: float
    """Share of the evidence that is found."""
    mrr: float
    """One by the rank of the first gold passage; 0 where none is among the k."""
    ndcg: float
    """Discounted gain of the gold passages as a share of the best order's."""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """95% bootstrap interval by measure; empty below FEWEST clusters of questions."""


@dataclass(frozen=True)
class Rankings:
    """A grid of settings over the same questions."""

    settings: tuple[Setting, ...]
    """In the order of `Ranked.found`, then by k."""
    slices: Mapping[str, tuple[Setting, ...]]
    """The same for the questions of each slice, without intervals."""

    @property
    def best(self) -> Setting:
        """The setting with most recall; then the best MRR, the smallest k, no reranker, the least alpha."""
        return max(self.settings, key=lambda one: (one.recall, one.mrr, -one.k, one.reranker is None, -one.alpha))


def rank(
    questions: Sequence[Ranked], ks: Sequence[int], *, clusters: Clusters | None = None, seed: int = 0
) -> Rankings:
    """Score every k and order on `questions`, of which there is at least one; each was searched max(ks) deep.

    Questions of one cluster are drawn together for the intervals, as in `compare_paired`.
    """
    import numpy as np

    grid = [(order, k) for order in questions[0].found for k in sorted(ks)]
    values = np.stack([_values(questions, order, sorted(ks)) for order in questions[0].found])
    values = values.reshape(len(grid), len(MEASURES), len(questions))
    bounds = _intervals(values, [one.example.id for one in questions], clusters or {}, seed)
    names = [one.example.slice for one in questions]
    parts = {name: np.array([other == name for other in names]) for name in dict.fromkeys(names) if name is not None}
    return Rankings(
        tuple(
            _setting(order, k, scores, dict(zip(MEASURES, bounds[row], strict=True)) if bounds else {})
            for row, ((order, k), scores) in enumerate(zip(grid, values, strict=True))
        ),
        {
            name: tuple(_setting(*pair, scores[:, part], {}) for pair, scores in zip(grid, values, strict=True))
            for name, part in parts.items()
        },
    )


def held(gold: Sequence[Span], passages: Sequence[Passage]) -> list[bool]:
    """Say of each stretch whether one of the passages holds a part of it."""
    return [any(span.overlaps(one.document, one.start, one.end) for one in passages) for span in gold]


def _setting(
    order: Order, k: int, scores: NDArray[np.float64], intervals: Mapping[str, tuple[float, float]]
) -> Setting:
    means = dict(zip(MEASURES, map(float, scores.mean(axis=1)), strict=True))
    return Setting(k=k, alpha=order.alpha, reranker=order.reranker, n=scores.shape[1], intervals=intervals, **means)


def _values(questions: Sequence[Ranked], order: Order, ks: Sequence[int]) -> NDArray[np.float64]:
    """The measures by k, measure and question."""
    import ir_measures
    import numpy as np

    columns = {str(number): number for number in range(len(questions))}
    qrels, run = {}, {}
    values = np.zeros((len(ks), len(MEASURES), len(questions)))
    for number, one in enumerate(questions):
        is_gold = {passage.id: int(any(held([span], [passage])[0] for span in one.gold)) for passage in one.candidates}
        qrels[str(number)] = is_gold or {"": 0}
        found = one.found[order]
        # By rank: the fused scores may be equal, and which one comes first is decided already.
        run[str(number)] = {passage.id: float(len(found) - rank) for rank, passage in enumerate(found)}
        for row, k in enumerate(ks):
            share = held(one.gold, found[:k])
            values[row, MEASURES.index("recall"), number] = sum(share) / len(share)
    wanted = {
        (make @ k): (row, MEASURES.index(name))
        for name, make in (("precision", ir_measures.P), ("mrr", ir_measures.RR), ("ndcg", ir_measures.nDCG))
        for row, k in enumerate(ks)
    }
    for metric in ir_measures.iter_calc(list(wanted), qrels, run):
        values[(*wanted[metric.measure], columns[metric.query_id])] = metric.value
    return values


def _intervals(
    values: NDArray[np.float64], examples: Sequence[str], clusters: Clusters, seed: int
) -> list[list[tuple[float, float]]] | None:
    """Bounds by setting and measure; None where there are too few clusters to draw from."""
    import numpy as np

    member = np.eye(len({clusters.get(example, example) for example in examples}))[cluster_places(examples, clusters)]
    if member.shape[1] < FEWEST:
        return None
    sums = values.reshape(-1, values.shape[-1]) @ member
    low, high = ratio_interval(sums, member.sum(axis=0), np.random.default_rng([seed, 2]), lowest=0.0, batch=_BATCH)
    pairs = np.stack([low, high], axis=-1).reshape(*values.shape[:2], 2)
    return [[(float(low), float(high)) for low, high in row] for row in pairs]
