"""What a comparison says: the arms worth looking at, and one sentence that names the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragc.report import Point, pareto_front
from ragc.report import usd as in_dollars

if TYPE_CHECKING:
    from ragc.comparison._result import ArmResult, CompareResult

THOUSAND = 1_000


@dataclass(frozen=True)
class Money:
    """How costs are told."""

    queries: int | None
    """Questions a month; None: costs are told for 1,000 questions."""

    def month(self, usd: float | None) -> float | None:
        """USD a month at a price a question; None without a volume or a price."""
        return None if usd is None or self.queries is None else usd * self.queries

    def told(self, before: ArmResult, after: ArmResult) -> str | None:
        """What changes in cost: `$310 → $420 a month at your volume`; None where neither price nor tokens are known."""
        if before.usd is not None and after.usd is not None and (before.usd or after.usd):
            times = THOUSAND if self.queries is None else self.queries
            unit = "per 1,000 questions" if self.queries is None else "a month at your volume"
            return f"{in_dollars(before.usd * times)} → {in_dollars(after.usd * times)} {unit}"
        if before.tokens is not None and after.tokens is not None:
            return f"{before.tokens:,.0f} → {after.tokens:,.0f} tokens a question"
        return None


@dataclass(frozen=True)
class Verdict:
    """What was found."""

    sentence: str
    arm: str | None
    """The arm to use; None where that is not known."""


def verdict_of(result: CompareResult) -> Verdict:
    """The verdict in words, and the arm that it recommends.

    An arm that is proven better, the best of them; else, where a margin is given, the cheapest that is proven not worse
    and costs less than the baseline; else the baseline, and what it would take to know more.
    """
    baseline = result.arm(result.baseline)
    if not baseline.evaluations:
        why = baseline.error or _unfinished(result)
        return Verdict(f"Nothing is compared: the baseline `{baseline.name}` was not tested ({why}).", None)
    better = [arm for arm in result.arms if arm.word == "better"]
    if better:
        best = max(better, key=lambda arm: (arm.score or 0.0, -_price(arm)))
        return Verdict(_instead(result, baseline, best, "proven"), best.name)
    cheaper = [arm for arm in result.arms if _is_cheaper_and_not_worse(arm, baseline)]
    if cheaper:
        least = min(cheaper, key=_price)
        return Verdict(_instead(result, baseline, least, "not worse"), least.name)
    return Verdict(_keep(result, baseline), baseline.name)


def front_of(arms: Sequence[ArmResult]) -> tuple[tuple[str, ...], str]:
    """The names of the arms that no other is at least as good and as cheap as and better in one, and by which cost.

    The cost is USD a question; tokens, where a price is missing or nothing costs anything.
    """
    scored = [arm for arm in arms if arm.score is not None]
    by_usd = all(arm.usd is not None for arm in scored) and any(arm.usd for arm in scored)

    def cost(arm: ArmResult) -> float:
        return (arm.usd if by_usd else arm.tokens) or 0.0

    points = [Point(number, arm.name, cost(arm), arm.score or 0.0) for number, arm in enumerate(scored)]
    on_front = {point.name for point in pareto_front(points)}
    return tuple(arm.name for arm in scored if arm.name in on_front), "usd" if by_usd else "tokens"


def _instead(result: CompareResult, baseline: ArmResult, arm: ArmResult, how: str) -> str:
    told = arm.comparison
    if told is None or told.difference is None:
        raise LookupError(f"{arm.name} was not compared")
    parts = (
        [f"{100 * told.difference:+.0f} points"]
        if abs(told.difference) >= 0.0095
        else [f"{100 * told.difference:+.1f} points"]
    )
    money = result.money.told(baseline, arm)
    if money is not None:
        parts.append(money)
    if how == "proven":
        parts.append(f"proven on {told.n} questions")
    else:
        parts.append(f"proven to lose less than {100 * (told.margin or 0):g} points, on {told.n} questions")
    return f"`{arm.name}` instead of `{baseline.name}`: {', '.join(parts)}."


def _keep(result: CompareResult, baseline: ArmResult) -> str:
    others = [arm for arm in result.arms if arm.comparison is not None]
    if not others:
        return f"Keep `{baseline.name}`: no other arm was tested ({_unfinished(result)})."
    n = max(arm.comparison.n for arm in others if arm.comparison is not None)
    worse = [arm for arm in others if arm.word == "worse"]
    if len(worse) == len(others):
        are = "is" if len(worse) == 1 else "are all"
        names = ", ".join(f"`{arm.name}`" for arm in worse)
        return f"Keep `{baseline.name}`: {names} {are} worse, proven on {n} questions."
    best = max((arm for arm in others if arm.word != "worse"), key=lambda arm: arm.score or 0.0)
    told = best.comparison
    points = "" if told is None or told.difference is None else f", {100 * told.difference:+.1f} points"
    sentence = (
        f"Keep `{baseline.name}`: nothing is shown to be better on {n} questions (`{best.name}` is the best{points})"
    )
    needed = result.needed(best)
    if needed is not None:
        return f"{sentence}; {needed:,} test questions would show that gain: label more."
    if told is not None and told.detectable is not None:
        return f"{sentence}; a gain of {100 * told.detectable:.0f} points would have been shown."
    return f"{sentence}; too few answers changed to tell."


def _is_cheaper_and_not_worse(arm: ArmResult, baseline: ArmResult) -> bool:
    told = arm.comparison
    return told is not None and bool(told.non_inferior) and _price(arm) < _price(baseline)


def _price(arm: ArmResult) -> float:
    return arm.usd or arm.tokens or 0.0


def _unfinished(result: CompareResult) -> str:
    return f"stopped: {result.stopped}" if result.stopped is not None else "no answers"
