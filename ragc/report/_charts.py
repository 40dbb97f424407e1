"""The page's drawings: SVG that scales, with its figures in its label, colours from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ragc.report._html import Markup, element
from ragc.report._study import Difference
from ragc.report._write import write

WIDTH = 640


def interval(one: Difference) -> Markup | None:
    """Draw a difference and its interval on a line with zero in it; None where there is no interval."""
    low, high, middle = one.ci_low, one.ci_high, one.difference
    if low is None or high is None or middle is None:
        return None
    reach = max(abs(low), abs(high), 0.01) * 1.15
    height, line = 74, 30

    def x(value: float) -> float:
        return round(WIDTH / 2 * (1 + value / reach), 1)

    figure, ends = write(middle, "gain"), [write(value, "gain") for value in (low, high)]
    label = f"Difference {figure} points, 95% interval {ends[0]} to {ends[1]}"
    marks = [
        element("line", x1=0, y1=line, x2=WIDTH, y2=line, class_="axis"),
        element("line", x1=x(0), y1=line - 20, x2=x(0), y2=line + 20, class_="zero"),
        element("line", x1=x(low), y1=line, x2=x(high), y2=line, class_="range"),
        element("circle", cx=x(middle), cy=line, r=8, class_="middle"),
        element("text", "0", x=x(0), y=height - 8, text_anchor="middle"),
        *(
            element("text", write(value, "gain"), x=x(value), y=height - 8, text_anchor="middle")
            for value in (low, high)
            if abs(x(value) - x(0)) > 40
        ),
    ]
    return element("figure", element("svg", *marks, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=label))


def forest_row(one: Difference, reach: float) -> Markup:
    """Draw a difference as a row of a forest plot, zero in the middle; `reach` is the same for all rows."""
    low, high, middle = one.ci_low, one.ci_high, one.difference

    def x(value: float) -> float:
        return round(50 * (1 + max(-1.0, min(1.0, value / reach))), 2)

    marks = [
        element("line", x1=50, y1=0, x2=50, y2=20, class_="zero"),
        element("line", x1=0, y1=10, x2=100, y2=10, class_="axis"),
    ]
    if low is not None and high is not None:
        width = round(max(x(high) - x(low), 0.5), 2)
        marks.append(element("rect", x=x(low), y=8, width=width, height=4, class_="span"))
    if middle is not None:
        marks.append(element("rect", x=round(x(middle) - 0.6, 2), y=3, width=1.2, height=14, class_="point"))
    return element("svg", *marks, viewBox="0 0 100 20", preserveAspectRatio="none", aria_hidden="true", class_="forest")


def reach_of(differences: Sequence[Difference]) -> float:
    """Return how far from zero a forest plot goes, so that every interval is in it."""
    values = [
        abs(value) for one in differences for value in (one.difference, one.ci_low, one.ci_high) if value is not None
    ]
    return 1.1 * max(values, default=0.01) or 0.01


def bars(first: float | None, second: float | None) -> Markup:
    """Draw two scores, one above the other, 0 to 100."""
    drawn = [
        element("rect", x=0, y=y, width=round(100 * (score or 0), 1), height=5, rx=1, class_=kind)
        for y, score, kind in ((1, first, "before"), (8, second, "after"))
    ]
    return element("svg", *drawn, viewBox="0 0 100 14", preserveAspectRatio="none", aria_hidden="true", class_="bars")


def share(value: float) -> Markup:
    """Draw a share, 0 to 1."""
    bar = element("rect", x=0, y=3, width=round(100 * value, 1), height=8, rx=1, class_="after")
    return element("svg", bar, viewBox="0 0 100 14", preserveAspectRatio="none", aria_hidden="true", class_="bars")


@dataclass(frozen=True)
class Point:
    """An arm in the plane of quality and cost."""

    number: int
    """As the table beside it numbers it."""
    name: str
    cost: float
    score: float


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the Pareto front, the cheapest first: those that no other is at least as good and as cheap as, and one of
    the two more so.
    """

    def is_beaten(one: Point) -> bool:
        return any(
            p.score >= one.score and p.cost <= one.cost and (p.score, p.cost) != (one.score, one.cost) for p in points
        )

    return sorted((p for p in points if not is_beaten(p)), key=lambda p: (p.cost, p.score))


def scatter(points: Sequence[Point], unit: str) -> Markup:
    """Draw score over cost; the points of the front are joined. `unit` names the cost."""
    height, left, bottom, top, right = 300, 56, 48, 16, 24
    costs, scores = [p.cost for p in points], [p.score for p in points]
    most = max(costs) * 1.1 or 1.0
    low, high = _span(scores)

    def x(value: float) -> float:
        return round(left + (WIDTH - left - right) * value / most, 1)

    def y(value: float) -> float:
        return round(height - bottom - (height - bottom - top) * (value - low) / (high - low), 1)

    front = pareto_front(points)
    path = " ".join(f"{x(p.cost)},{y(p.score)}" for p in front)
    marks = [
        *_axes(low, high, y, left, height - bottom),
        element("polyline", points=path, class_="front") if len(front) > 1 else None,
        *(
            element("circle", cx=x(p.cost), cy=y(p.score), r=7, class_="middle" if p in front else "other")
            for p in points
        ),
        *(
            element("text", p.number, x=x(p.cost), y=y(p.score) - 12, text_anchor="middle", class_="number")
            for p in points
        ),
        element("text", f"{unit} →", x=WIDTH - right, y=height - 8, text_anchor="end"),
        element("text", "0", x=left, y=height - bottom + 20, text_anchor="middle"),
        element("text", _short(max(costs)), x=x(max(costs)), y=height - bottom + 20, text_anchor="middle"),
    ]
    said = "; ".join(f"{p.number} {p.name}: score {write(p.score, 'points')} at {_short(p.cost)}" for p in points)
    label = f"Score over {unit}. {said}"
    return element("figure", element("svg", *marks, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=label))


def course(scores: Sequence[tuple[str, float, bool]]) -> Markup | None:
    """Draw a search: label, score (0 to 1) and eligibility in the order of trying, the first one the start.

    A line follows the best eligible one so far. None with fewer than two scores.
    """
    if len(scores) < 2:
        return None
    height, left, bottom, top, right = 220, 56, 36, 16, 16
    low, high = _span([score for _, score, _ in scores])

    def x(number: float) -> float:
        return round(left + 14 + (WIDTH - left - right - 28) * number / (len(scores) - 1), 1)

    def y(value: float) -> float:
        return round(height - bottom - (height - bottom - top) * (value - low) / (high - low), 1)

    best = -math.inf
    path: list[str] = []
    for number, (_, score, eligible) in enumerate(scores):
        if number and eligible and score > best:
            path += [f"{x(number)},{y(best)}"] if path else []
            best = score
            path.append(f"{x(number)},{y(best)}")
    if path:
        path.append(f"{x(len(scores) - 1)},{y(best)}")
    start = scores[0][1]
    marks = [
        *_axes(low, high, y, left, height - bottom),
        element("line", x1=left, y1=y(start), x2=WIDTH - right, y2=y(start), class_="zero"),
        element("polyline", points=" ".join(path), class_="front") if len(path) > 1 else None,
        *(
            element("circle", cx=x(number), cy=y(score), r=6, class_="middle" if number and eligible else "other")
            for number, (_, score, eligible) in enumerate(scores)
        ),
        element("text", "start", x=x(0), y=height - 8, text_anchor="middle"),
        element("text", str(len(scores) - 1), x=x(len(scores) - 1), y=height - 8, text_anchor="middle"),
        element("text", "candidate", x=(left + WIDTH) / 2, y=height - 8, text_anchor="middle"),
    ]
    said = ", ".join(f"{label} {write(score, 'points')}" for label, score, _ in scores)
    label = f"Validation score of each candidate, in the order of trying: {said}"
    return element("figure", element("svg", *marks, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=label))


def _axes(low: float, high: float, y: object, left: float, floor: float) -> list[Markup]:
    """Both axes, and three scores on the upright one."""
    place = y if callable(y) else float
    lines = [
        element("line", x1=left, y1=floor, x2=WIDTH, y2=floor, class_="axis"),
        element("line", x1=left, y1=0, x2=left, y2=floor, class_="axis"),
    ]
    for value in (low, (low + high) / 2, high):
        lines.append(element("text", f"{100 * value:.0f}", x=left - 8, y=place(value) + 5, text_anchor="end"))
    return lines


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Return a span with all scores in it and room around them, in whole points."""
    low, high = min(values), max(values)
    room = max(0.02, (high - low) * 0.15)
    return max(0.0, math.floor(100 * (low - room)) / 100), min(1.0, math.ceil(100 * (high + room)) / 100)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
