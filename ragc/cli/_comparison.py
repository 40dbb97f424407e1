"""A comparison in the terminal: figures in two tables that fit 80 columns, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._messages import cached_share, counted
from ragc.cli._terminal import duration, row, say, style, table

if TYPE_CHECKING:
    from ragc.comparison import ArmResult, CompareResult

NAME = 16
"""The longest name of an arm that is not cut, in columns."""
COLORS = {"better": "green", "worse": "red"}


def show(result: CompareResult) -> None:
    """Print what the arms came to; nothing is paired where nothing was tested."""
    if any(arm.evaluations for arm in result.arms):
        say()
        table(_quality(result), right=(1, 2, 3, 4, 5))
        say()
        table(_costs(result), right=(1, 2, 3, 4, 5, 6))
        say()
        _notes(result)
    if result.stopped != "interrupted" and any(arm.error or arm.evaluations for arm in result.arms):
        row("verdict", style(result.verdict.sentence, bold=True))
    _close(result)


def _quality(result: CompareResult) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("arm", result.metric[:10], "95%", "difference", "95%", "p", "verdict")]
    for arm in result.arms:
        told = arm.comparison
        verdict = "baseline" if arm.name == result.baseline else arm.word or "not tested"
        rows.append(
            (
                _name(arm.name),
                _points(arm.score),
                _interval(arm.interval),
                "" if told is None or told.difference is None else f"{100 * told.difference:+.1f}",
                ""
                if told is None or told.ci_low is None or told.ci_high is None
                else _gains(told.ci_low, told.ci_high),
                "" if told is None or told.p_corrected is None else _p(told.p_corrected),
                style("failed", fg="red") if arm.error is not None else style(verdict, fg=COLORS.get(verdict)),
            )
        )
    return rows


def _costs(result: CompareResult) -> list[tuple[str, ...]]:
    month = result.queries is not None
    rows: list[tuple[str, ...]] = [
        ("arm", "USD/month" if month else "USD/1,000", "tokens", "p50", "p95", "recall", "refused", "err")
    ]
    for arm in result.arms:
        usd = result.money.month(arm.usd) if month else None if arm.usd is None else 1000 * arm.usd
        rows.append(
            (
                _name(arm.name) + (" *" if arm.name in result.front else ""),
                "–" if usd is None else _dollars(usd),
                "–" if arm.tokens is None else f"{arm.tokens:,.0f}",
                _seconds(arm.figure("latency_p50")),
                _seconds(arm.figure("latency_p95")),
                _share(arm.figure("recall")),
                _refusals(arm),
                str(arm.errors),
            )
        )
    return rows


def _notes(result: CompareResult) -> None:
    if result.judged is not None:
        row("judge", result.judged.sentence)
    what = "USD" if result.front_by == "usd" else "tokens"
    row("", f"* no other arm is both better and cheaper (quality against {what} a question)")
    if any(arm.figure("correct_abstentions") is not None for arm in result.arms):
        row("", "refused: of the unanswerable questions, and (wrongly) of the answerable; err: questions in error")
    for arm in result.arms:
        if arm.refusing is not None:
            row("", f"{arm.name} refuses {_share(arm.refusing)} of the answerable: its score is that of saying nothing")
    if result.repeats > 1:
        for arm in result.arms:
            if len(arm.evaluations) > 1:
                row("", f"{arm.name}, by seed: {', '.join(_points(one.score) for one in arm.evaluations)}")
    tested = counted(len(result.examples), "test question")
    gain = result.detectable_gain
    power = "" if gain is None else f"; they show a gain of {100 * gain:.0f} points with 80% power"
    row("test", f"{tested}{power}")
    if result.openings is not None:
        from ragc.data import in_times, too_often

        row("", too_often(result.openings) or f"the test split was opened {in_times(result.openings)}")


def _close(result: CompareResult) -> None:
    usage = result.usage
    if usage is not None and usage.calls:
        money = "no known price" if usage.usd is None else f"${usage.usd:.2f}"
        tokens = f"{usage.input_tokens + usage.output_tokens:,} tokens"
        tokens += cached_share(usage.cached_input_tokens, usage.input_tokens)
        now = ""
        if result.paid is not None and result.paid.calls < usage.calls:
            now = f"; {result.paid.calls:,} of them paid now, the others were in the journal"
        row("cost", f"{usage.calls:,} calls, {tokens}, {money}, {duration(result.seconds)}{now}")
    best = next((arm for arm in result.arms if arm.name == result.verdict.arm), None)
    if best is not None and best.artifacts and best.name != result.baseline:
        row("use it", f'import ragc; ragc.load("{best.artifacts[0].path}")(question="…").answer')
    if result.report is not None:
        row("report", str(result.report))


def _name(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _points(score: float | None) -> str:
    return "–" if score is None else f"{100 * score:.1f}"


def _interval(bounds: tuple[float, float] | None) -> str:
    return "" if bounds is None else f"{100 * bounds[0]:.0f}–{100 * bounds[1]:.0f}"


def _gains(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else " ".join(f"{round(100 * one) or 0:+d}" for one in (low, high))


def _p(value: float) -> str:
    from ragc.report import write

    return write(value, "p").replace(" ", "")


def _dollars(value: float) -> str:
    from ragc.report import usd

    return usd(value)


def _seconds(value: float | None) -> str:
    from ragc.report import write

    return "–" if value is None else write(value, "seconds")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f}%"


def _refusals(arm: ArmResult) -> str:
    right, wrong = arm.figure("correct_abstentions"), arm.figure("false_abstentions")
    return f"{_share(right)}/{_share(wrong)}"
