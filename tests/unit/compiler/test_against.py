"""Scores now against sealed ones: only a credible drop beyond the margin is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ragc.artifact import Manifest
from ragc.compiler._against import Against, against_sealed
from ragc.errors import ArtifactError
from ragc.evaluation import Evaluation, Outcome


def manifest(scores: dict[str, float | None], split: str = "validation") -> Manifest:
    identity = {
        "scores": {split: {"baseline": {}, "compiled": scores}},
        "verdict": {"sealed": "candidate"},
        "fingerprints": {"examples": "as sealed"},
    }
    return Manifest(Path("compiled/leave"), 1, "0" * 64, "leave", identity, {}, {}, (), {})


def compared(before: Sequence[float], now: Sequence[float | None], margin: float = 0.0) -> Against:
    sealed = manifest({f"q{number}": score for number, score in enumerate(before)})
    outcomes = tuple(
        Outcome(f"q{number}", score, None if score is not None else "no answer") for number, score in enumerate(now)
    )
    return against_sealed(sealed, Evaluation(outcomes), "validation", examples="as sealed", margin=margin)


def test_a_credible_drop_is_one() -> None:
    found = compared([1.0] * 60, [0.0] * 20 + [1.0] * 40)
    assert found.has_dropped
    assert "-33.3 points since sealing on 60 questions" in found.sentence
    assert "it has dropped" in found.sentence


@pytest.mark.parametrize(
    ("wrong", "right", "margin"),
    [(8, 8, 0.0), (12, 8, 0.0), (9, 0, 0.0), (14, 2, 0.20), (20, 0, 0.25)],
    ids=["as many won as lost", "a few more lost", "nine changed", "within the margin", "not credibly beyond it"],
)
def test_what_is_not_credibly_beyond_the_margin_is_none(wrong: int, right: int, margin: float) -> None:
    before = [1.0] * wrong + [0.0] * right + [1.0] * 44
    now = [0.0] * wrong + [1.0] * right + [1.0] * 44
    found = compared(before, now, margin)
    assert not found.has_dropped, found.sentence


def test_a_drop_whose_interval_crosses_the_margin_is_neither_shown_nor_ruled_out() -> None:
    found = compared([1.0] * 60, [0.0] * 20 + [1.0] * 40, margin=0.3)
    assert not found.has_dropped
    assert "no drop beyond 30 points is shown, nor ruled out" in found.sentence


def test_nothing_answered_is_a_drop() -> None:
    found = compared([1.0] * 3, [None] * 3)
    assert found.has_dropped
    assert "was answered now" in found.sentence


def test_other_labels_than_at_sealing_are_told() -> None:
    sealed, now = manifest({"a": 1.0}), Evaluation((Outcome("a", 1.0),))
    assert against_sealed(sealed, now, "validation", examples="others").relabelled
    assert not against_sealed(sealed, now, "validation", examples="as sealed").relabelled


def test_an_artifact_without_scores_of_the_split_says_what_to_do() -> None:
    with pytest.raises(ArtifactError, match="without scores on test: compare it with --split validation"):
        against_sealed(manifest({"a": 1.0}), Evaluation(()), "test", examples="")
