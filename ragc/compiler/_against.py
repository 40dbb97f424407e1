"""An artifact's scores now against those that it was sealed with: whether they have credibly dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragc.artifact import sealed_side
from ragc.errors import ArtifactError
from ragc.evaluation import Comparison, Evaluation, Outcome, compare_paired

if TYPE_CHECKING:
    from ragc.artifact import Manifest
    from ragc.evaluation import Clusters


@dataclass(frozen=True)
class Against:
    """The sealed scores as baseline, those of now as candidate, on the same questions."""

    comparison: Comparison
    margin: float
    """How far the score may drop, 0 to 1."""
    relabelled: bool
    """Whether the task's examples are others than at sealing; they are compared by their ids."""

    @property
    def has_dropped(self) -> bool:
        """Whether the whole 95% interval of the difference lies below -margin.

        So a true drop of exactly the margin fails in 2.5% of evaluations, and a set with too few changed answers for an
        interval never does. Nothing answered on both sides counts as dropped.
        """
        high = self.comparison.ci_high
        return self.comparison.difference is None or (high is not None and high < -self.margin)

    @property
    def sentence(self) -> str:
        """What came of it, in words."""
        found, allowed = self.comparison, f"{100 * self.margin:g} points"
        if found.difference is None:
            return "no question that the artifact was sealed with was answered now"
        points = f"{100 * found.difference:+.1f} points since sealing on {found.n} questions"
        if found.ci_low is None or found.ci_high is None:
            return f"{points}; too few answers changed for an interval: no drop is shown"
        points += f" (95% interval {100 * found.ci_low:+.1f} to {100 * found.ci_high:+.1f})"
        if self.has_dropped:
            return f"{points}: it has dropped" + (f" by more than {allowed}" if self.margin else "")
        if found.ci_low > -self.margin:
            return f"{points}: " + (f"no drop of {allowed}" if self.margin else "it has risen")
        return f"{points}: no drop " + (f"beyond {allowed} " if self.margin else "") + "is shown, nor ruled out"

    def as_json(self) -> dict[str, Any]:
        """The comparison for a program to read."""
        found = self.comparison
        return {
            **found.figures(),
            "n": found.n,
            "won": found.won,
            "lost": found.lost,
            "margin": self.margin,
            "dropped": self.has_dropped,
            "relabelled": self.relabelled,
            "sentence": self.sentence,
        }


def sealed_scores(manifest: Manifest, split: str) -> Mapping[str, float | None]:
    """Return the scores on `split` of what was sealed, by example. Raises ArtifactError where it has none."""
    scores: Mapping[str, float | None] = (manifest.identity["scores"].get(split) or {}).get(sealed_side(manifest)) or {}
    if not scores:
        other = "validation" if split == "test" else "test"
        raise ArtifactError(
            f"{manifest.task} {manifest.name} was sealed without scores on {split}: compare it with --split {other}, "
            f"or compile it again (ragc compile {manifest.task})"
        )
    return scores


def against_sealed(
    manifest: Manifest,
    now: Evaluation,
    split: str,
    *,
    examples: str,
    clusters: Clusters | None = None,
    margin: float = 0.0,
) -> Against:
    """Compare `now` with the scores that the artifact was sealed with on `split`, question by question.

    `examples` is the fingerprint of today's examples. Raises ArtifactError as `sealed_scores` does.
    """
    sealed = Evaluation(tuple(Outcome(example, score) for example, score in sealed_scores(manifest, split).items()))
    comparison = compare_paired(sealed, now, clusters=clusters, margin=margin)
    return Against(comparison, margin, manifest.identity["fingerprints"].get("examples") != examples)
