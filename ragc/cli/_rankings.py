"""`ragc eval --retrieval`: what it prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc._messages import counted
from ragc.cli._terminal import emit, row, say, table
from ragc.cli.index import paid

if TYPE_CHECKING:
    from ragc.compiler import Missed, RetrievalResult
    from ragc.evaluation import Setting

MOST_MISSED = 10
"""Missed questions that are listed; `--json` has all."""


def score_retrieval(
    task: str | None,
    split: Any,
    fail_under: float | None,
    grid: Mapping[str, Any],
    *,
    csv: Path | None,
    as_json: bool,
    project: Path | None,
) -> None:
    """Score retrieval on a split, print it and write it to `csv`; `grid` has what `evaluate_retrieval` is given.

    Raises CheckFailed under `fail_under`.
    """
    from ragc.cli.compile import Reporter
    from ragc.compiler import evaluate_retrieval
    from ragc.errors import CheckFailed

    with Reporter(as_json=as_json) as reporter:
        result = evaluate_retrieval(task, project=project, split=split, on_event=reporter.event, **grid)
    if csv is not None:
        result.write_csv(csv)
    if as_json:
        emit(result.as_json())
    else:
        _show_retrieval(result)
    best = result.rankings.best
    if fail_under is not None and best.recall < fail_under:
        raise CheckFailed(
            f"retrieval recall of {result.task} is {best.recall:.3f} at best (k {best.k}, alpha {best.alpha:g}"
            f"{_by(best)}) on {split}, below --fail-under {fail_under:g}"
        )


def _show_retrieval(result: RetrievalResult) -> None:
    best = result.rankings.best
    row(result.task, f"retrieval on {counted(best.n, f'{result.split} question')}", *_left_out(result))
    if result.usage is not None:
        row("paid", paid(result.usage))
    say()
    rows = [("alpha", "k", "precision", "recall", "95% interval", "MRR", "nDCG", "", "")]
    rows += [
        (f"{one.alpha:g}", *_figures(one), one.reranker or "", "best" if one == best else "")
        for one in result.rankings.settings
    ]
    table(rows, right=range(7))
    if result.rankings.slices:
        say()
        parts = [("slice", "k", "precision", "recall", "MRR", "nDCG", "n")]
        for name, settings in result.rankings.slices.items():
            for one in settings:
                if (one.alpha, one.reranker) == (best.alpha, best.reranker):
                    k, precision, recall, _, mrr, ndcg = _figures(one)
                    parts.append((name, k, precision, recall, mrr, ndcg, str(one.n)))
        table(parts, right=range(1, 7))
    if result.missed:
        say()
        setting = f"with k {best.k} and alpha {best.alpha:g}{_by(best)}"
        row("missed", f"evidence of {len(result.missed):,} of {counted(best.n, 'question')} {setting}:")
        for missed in result.missed[:MOST_MISSED]:
            row("", *_missed(missed))
        if len(result.missed) > MOST_MISSED:
            row("", f"… and {len(result.missed) - MOST_MISSED:,} more; --json has them all")


def _left_out(result: RetrievalResult) -> list[str]:
    """The questions that are not measured, and why."""
    if not result.unlabelled:
        return []
    unanswerable = f", {result.unanswerable:,} of them unanswerable" if result.unanswerable else ""
    return [f"{counted(result.unlabelled, 'question')} left out: no evidence in the label{unanswerable}"]


def _by(one: Setting) -> str:
    return "" if one.reranker is None else f", reranked by {one.reranker}"


def _figures(one: Setting) -> tuple[str, str, str, str, str, str]:
    bounds = one.intervals.get("recall")
    interval = "" if bounds is None else f"{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}"
    precision, recall, mrr, ndcg = (f"{100 * value:.1f}" for value in (one.precision, one.recall, one.mrr, one.ndcg))
    return str(one.k), precision, recall, interval, mrr, ndcg


def _missed(missed: Missed) -> list[str]:
    lines = [f"{missed.example.named}: {missed.example.question}"]
    lines += [f"  wanted  {one.document}{f': {_short(one.quote)}' if one.quote else ''}" for one in missed.evidence]
    came = ", ".join(dict.fromkeys(f"{one.document} ({one.source})" for one in missed.instead)) or "nothing"
    return [*lines, f"  came    {came}"]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 90 else f"{flat[:89]}…"
