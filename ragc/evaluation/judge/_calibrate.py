"""Asks a judge about the answers that people have judged."""

from __future__ import annotations

import contextvars
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from statistics import fmean, pstdev

from ragc._messages import counted
from ragc.errors import DataError
from ragc.evaluation.judge._agreement import FEWEST, Opinion, agreement_of
from ragc.evaluation.judge._calibration import Calibration, Repeats
from ragc.evaluation.judge._judge import Judge, NotJudged
from ragc.evaluation.judge._judgements import Item, Judgement
from ragc.evaluation.judge._levels import level_of
from ragc.evaluation.metrics import Score, sentences

REPEATED = 10
"""Answers that are judged more than once, to see how far the judge agrees with itself."""

OnJudged = Callable[[int, int], None]
"""Told how many of how many answers are judged."""


def calibrated(
    judge: Judge,
    metric: str,
    judgements: Sequence[Judgement],
    *,
    repeats: int = 3,
    seed: int = 0,
    threads: int = 8,
    on_judged: OnJudged = lambda done, total: None,
) -> Calibration:
    """Compare `judge` with people on `judgements`, and with itself on ten of them, each judged `repeats` times.

    Raises DataError below 30 labels, and where the judge gives no score to so many that fewer than 30 are left; and
    what ends a run (BudgetExhausted, ModelError).
    """
    ordered = sorted(judgements, key=lambda one: one.item.id)
    if len(ordered) < FEWEST:
        raise DataError(
            f"{counted(len(ordered), 'label')} of {metric}: a calibration needs {FEWEST}; "
            f"{FEWEST - len(ordered)} more to go"
        )
    again = random.Random(f"{seed}/repeats").sample(ordered, min(REPEATED, len(ordered)))
    asked = [(one.item, 0) for one in ordered]
    asked += [(one.item, rollout) for one in again for rollout in range(1, repeats)]
    scores = _scores(judge, asked, threads, on_judged)
    opinions = [
        Opinion(one.label, score.value, len(one.item.given.split()), one.item.model)
        for one in ordered
        if (score := scores[one.item, 0]) is not None
    ]
    errors = len(ordered) - len(opinions)
    if len(opinions) < FEWEST:
        raise DataError(
            f"the judge {judge.model} gave no score to {errors} of {len(ordered)} labelled answers: {FEWEST} are needed"
        )
    return Calibration(
        metric=metric,
        model=judge.model,
        prompt=judge.prompt(metric),
        agreement=agreement_of(opinions, judge.model),
        repeats=_repeats([[scores[one.item, rollout] for rollout in range(repeats)] for one in again], repeats),
        errors=errors,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def judged(judge: Judge, item: Item, rollout: int = 0) -> Score:
    """The judge's score of one answer. Raises NotJudged."""
    if item.metric == "faithfulness":
        return judge.supported(item.question, sentences(item.given), item.context, rollout)
    if item.metric == "tone":
        return judge.styled(item.question, item.context, item.given, rollout)
    return judge.graded(item.question, item.accepted, item.given, rollout)


def _scores(
    judge: Judge, asked: Sequence[tuple[Item, int]], threads: int, on_judged: OnJudged
) -> dict[tuple[Item, int], Score | None]:
    """By item and rollout; None where there is no score. A failure that ends a run cancels what has not begun."""

    def one(item: Item, rollout: int) -> Score | None:
        with judge.gateway.recording(item.example):
            try:
                return judged(judge, item, rollout)
            except NotJudged:
                return None

    pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="ragc-judge")
    try:
        begun = [pool.submit(contextvars.copy_context().run, partial(one, *pair)) for pair in asked]
        found = {}
        for number, (pair, future) in enumerate(zip(asked, begun, strict=True), 1):
            found[pair] = future.result()
            on_judged(number, len(asked))
        return found
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _repeats(scores: Sequence[Sequence[Score | None]], times: int) -> Repeats | None:
    whole = [[one.value for one in some if one is not None] for some in scores]
    whole = [some for some in whole if len(some) == times]
    if times < 2 or not whole:
        return None
    changed = sum(len({level_of(value) for value in some}) > 1 for some in whole)
    return Repeats(len(whole), times, changed / len(whole), fmean(pstdev(some) for some in whole))
