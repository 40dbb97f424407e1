"""Figures as a person reads them."""

from __future__ import annotations

from typing import Any

NONE = "–"


def write(value: Any, kind: str) -> str:
    """Return a figure as text; None is a dash. Scores and shares are 0 to 1, times are seconds.

    `kind`: points, gain (points with a sign), percent, usd, seconds, p (a p-value), count.
    """
    if value is None:
        return NONE
    if kind == "points":
        return f"{100 * value:.1f}"
    if kind == "gain":
        return f"{100 * value:+.1f}"
    if kind == "percent":
        return f"{100 * value:.0f}%"
    if kind == "usd":
        return usd(value)
    if kind == "p":
        return "< .001" if value < 0.001 else f"{value:.3f}".replace("0.", ".", 1)
    if kind == "seconds":
        return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"
    return f"{value:,.0f}"


def usd(value: float) -> str:
    """Return dollars, with as many digits as a small amount needs."""
    return f"${value:,.2f}" if value == 0 or value >= 0.1 else f"${value:.2g}" if value >= 1e-4 else f"${value:.1e}"
