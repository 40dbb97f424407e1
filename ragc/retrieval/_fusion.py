"""Relative score fusion of a text and a vector leg, as Weaviate defines it.

https://docs.weaviate.io/weaviate/concepts/search/hybrid-search (relativeScoreFusion): the scores of either leg are
scaled to 0 … 1 over what that leg found, weighted with 1 - alpha and alpha, and added. A leg whose scores are all the
same gives each of them 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fused:
    """One result: `key` is whatever the legs are keyed by; the parts are the legs' own scores."""

    key: int
    score: float
    text_score: float | None
    vector_score: float | None


def fuse(text: Mapping[int, float], vector: Mapping[int, float], alpha: float, k: int) -> list[Fused]:
    """Return the best k of both legs, best first, ties by key. Scores of the legs: higher is better."""
    scores: dict[int, float] = {}
    for leg, weight in ((text, 1 - alpha), (vector, alpha)):
        for key, share in _scaled(leg).items():
            scores[key] = scores.get(key, 0.0) + weight * share
    best = sorted(scores, key=lambda key: (-scores[key], key))[:k]
    return [Fused(key, scores[key], text.get(key), vector.get(key)) for key in best]


def _scaled(leg: Mapping[int, float]) -> dict[int, float]:
    if not leg:
        return {}
    low, high = min(leg.values()), max(leg.values())
    return {key: (score - low) / (high - low) if high > low else 1.0 for key, score in leg.items()}
