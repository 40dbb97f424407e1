"""The lines that a compile run tells of its finished steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._messages import counted
from ragc.compiler._events import Finished
from ragc.data import in_times, too_often
from ragc.report import write

if TYPE_CHECKING:
    from ragc.compiler._bench import Bench
    from ragc.compiler._estimate import Estimate
    from ragc.evaluation import Comparison, Evaluation
    from ragc.evaluation.judge import Judged


def describe_sizes(bench: Bench, searched: int) -> Finished:
    """Splits, documents and passages; and the sample of validation where the search uses one."""
    splits = bench.labelled.splits
    validation = f"{len(splits.validation)} validation"
    if searched < len(splits.validation):
        validation = f"{searched} of {validation} (a seeded sample)"
    passages = bench.index.stats().passages
    return Finished(
        bench.task.name,
        (
            f"{len(splits.train)} train · {validation} · {len(splits.test)} test     "
            f"{bench.labelled.documents} documents, {passages:,} passages",
        ),
    )


def describe_estimate(plan: Estimate, gain: float | None, model: str) -> Finished:
    """Calls, tokens, money and time of the whole run, and the gain that its test can show."""
    parts = [f"{_range(plan.calls)} calls", f"{_tokens(plan.tokens)} tokens", f"{_usd(plan.usd)} ({model})"]
    if plan.seconds is not None:
        parts.append(_minutes(plan.seconds))
    text = ("at least " if plan.open_ended else "") + ", ".join(parts)
    if not plan.observed:
        text += "; nothing was asked yet: bounds from the prompts alone"
    if plan.exact:
        text += ", their tokens counted exactly"
    lines = [text]
    if gain is not None:
        lines.append(f"the test can show a gain of {100 * gain:.0f} points with 80% power")
    return Finished("estimate", tuple(lines))


def describe_test(
    before: Evaluation, after: Evaluation, comparison: Comparison, openings: int, judged: Judged | None = None
) -> Finished:
    """Both scores with the difference, its interval and the verdict; judge, latency, tokens and `openings` below."""
    lines = [compared(comparison)]
    if comparison.difference is not None:
        lines = [f"{lines[0]}, {counted(before.errors + after.errors, 'error')}"]
        if comparison.verdict == "not shown" and comparison.detectable is not None:
            lines.append(f"a gain of {100 * comparison.detectable:.0f} points would have been shown with 80% power")
    if judged is not None:
        lines.append(judged.sentence)
    if before.latency_p95 is not None and after.latency_p95 is not None:
        speed = f"{write(before.latency_p95, 'seconds')} → {write(after.latency_p95, 'seconds')} p95"
        tokens = f"{before.input_tokens_per_question or 0:.0f} → {after.input_tokens_per_question or 0:.0f}"
        lines.append(f"{speed},  {tokens} input tokens a question")
    lines.append(too_often(openings) or f"the test split was opened {in_times(openings)}")
    return Finished("test", tuple(lines))


def compared(comparison: Comparison) -> str:
    """Both scores with the difference, its interval and the verdict, in one line."""
    if comparison.difference is None or comparison.baseline is None or comparison.candidate is None:
        return comparison.sentence
    text = f"{100 * comparison.baseline:.1f} → {100 * comparison.candidate:.1f}   {100 * comparison.difference:+.1f}"
    if comparison.ci_low is not None and comparison.ci_high is not None and comparison.p_value is not None:
        text += f"  [{100 * comparison.ci_low:+.1f}, {100 * comparison.ci_high:+.1f}]"
        text += f"   {comparison.verdict} ({_p(comparison.p_value)})"
    else:
        text += f"   {comparison.verdict} ({comparison.won} won, {comparison.lost} lost: too few changed)"
    return f"{text}, {comparison.n} questions"


def _range(values: tuple[int, int]) -> str:
    low, high = values
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _tokens(values: tuple[int, int]) -> str:
    low, high = (_thousands(value) for value in values)
    return f"about {low}" if low == high else f"{low}–{high}"


def _thousands(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.1f}M"
    return f"{value / 1e3:.0f}k" if value >= 1e4 else f"{value:,.0f}"


def _usd(values: tuple[float, float] | None) -> str:
    if values is None:
        return "no known price"
    low, high = (f"${value:.2f}" for value in values)
    return low if low == high else f"{low}–{high}"


def _minutes(values: tuple[float, float]) -> str:
    if values[1] < 120:
        return f"about {max(1, round(values[0]))}–{max(2, round(values[1]))} s"
    low, high = (max(1, round(value / 60)) for value in values)
    return f"about {low} min" if low == high else f"{low}–{high} min"


def _p(value: float) -> str:
    figure = write(value, "p")
    return f"p {figure}" if figure.startswith("<") else f"p = {figure}"
