"""How far a judge and people agree, and what it is biased by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragc.evaluation.judge._levels import LEVELS, WORTH, Level, level_of

FEWEST = 30
"""Labels without which a judge is not calibrated."""
FEWEST_OF_A_FAMILY = 10
"""Answers of the judge's own family, and of others, below which its bias for its own cannot be told."""
_FAMILIES = {"o": "gpt", "chatgpt": "gpt", "codex": "gpt"}


@dataclass(frozen=True)
class Opinion:
    """One answer, as a person and the judge saw it."""

    label: Level
    score: float
    """The judge's."""
    words: int
    """How long the answer is."""
    model: str | None
    """The model that gave it."""


@dataclass(frozen=True)
class Agreement:
    """Judge against people on the three words; differences are judge minus people, -1 to 1."""

    n: int
    agreement: float
    """The share of answers for which they use the same word."""
    agreement_low: float
    agreement_high: float
    """95% interval (Wilson 1927, which holds at 0 and 1 as well)."""
    kappa: float | None
    """Cohen's κ, linearly weighted (Cohen 1968): 0 is chance, 1 agreement; None where one word was used for all."""
    kappa_low: float | None
    kappa_high: float | None
    """95% interval (asymptotic; Fleiss, Cohen and Everitt 1969); None where they never disagree, or κ cannot vary."""
    bias: float
    """Mean difference: above 0 the judge is kinder than people."""
    length_bias: float | None
    """Spearman's correlation of the difference with the answer's length; None where either is the same for all."""
    length_p: float | None
    own_family: str
    own_n: int
    """Answers given by a model of the judge's own family."""
    family_bias: float | None
    """Mean difference for its own family minus that for others; None with too few of either."""
    family_low: float | None
    family_high: float | None
    """95% interval (Welch 1947)."""


def agreement_of(opinions: Sequence[Opinion], judge: str) -> Agreement:
    """Compare the judge named `judge` with people; at least one opinion."""
    import numpy as np
    from statsmodels.stats.proportion import proportion_confint

    words = [level_of(one.score) for one in opinions]
    same = sum(one.label == word for one, word in zip(opinions, words, strict=True))
    low, high = proportion_confint(same, len(opinions), alpha=0.05, method="wilson")
    differences = np.array([one.score - WORTH[one.label] for one in opinions])
    rho, rho_p = _rank_correlation(np.array([one.words for one in opinions]), differences)
    own = np.array([one.model is not None and family(one.model) == family(judge) for one in opinions])
    return Agreement(
        n=len(opinions),
        agreement=same / len(opinions),
        agreement_low=float(low),
        agreement_high=float(high),
        **_kappa([one.label for one in opinions], words),
        bias=float(differences.mean()),
        length_bias=rho,
        length_p=rho_p,
        own_family=family(judge),
        own_n=int(own.sum()),
        **_family(differences[own], differences[~own]),
    )


def family(model: str) -> str:
    """What a model's name begins with: `gpt` of `openai/gpt-5-mini`, `claude` of `bedrock/anthropic.claude-4`."""
    last = model.lower().rpartition("/")[2]
    last = last.rpartition(".")[2] if re.match(r"[a-z]+\.[a-z]", last) else last
    found = re.match(r"[a-z]+", last)
    name = found.group() if found else last
    return _FAMILIES.get(name, name)


def _kappa(labels: Sequence[Level], words: Sequence[Level]) -> dict[str, float | None]:
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa

    if len({*labels, *words}) == 1:  # nothing to agree on beyond chance
        return {"kappa": None, "kappa_low": None, "kappa_high": None}
    table = [[sum(p == r and j == c for p, j in zip(labels, words, strict=True)) for c in LEVELS] for r in LEVELS]
    with np.errstate(divide="ignore", invalid="ignore"):  # a test of κ = 0, which is not read, divides by it
        found = cohens_kappa(table, wt="linear")
    if not found.std_kappa > 0:
        return {"kappa": float(found.kappa), "kappa_low": None, "kappa_high": None}
    return {
        "kappa": float(found.kappa),
        "kappa_low": max(-1.0, float(found.kappa_low)),
        "kappa_high": min(1.0, float(found.kappa_upp)),
    }


def _rank_correlation(words: Any, differences: Any) -> tuple[float | None, float | None]:
    from scipy import stats

    if len(words) < 3 or (words == words[0]).all() or (differences == differences[0]).all():
        return None, None
    found = stats.spearmanr(words, differences)
    return float(found.statistic), float(found.pvalue)


def _family(own: Any, others: Any) -> Mapping[str, Any]:
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    if min(len(own), len(others)) < FEWEST_OF_A_FAMILY:
        return {"family_bias": None, "family_low": None, "family_high": None}
    gap = float(own.mean() - others.mean())
    if own.std() == 0 and others.std() == 0:
        return {"family_bias": gap, "family_low": None, "family_high": None}
    low, high = CompareMeans(DescrStatsW(own), DescrStatsW(others)).tconfint_diff(usevar="unequal")
    return {"family_bias": gap, "family_low": float(low), "family_high": float(high)}
