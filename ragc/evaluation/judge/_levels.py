"""The three words on which a judge and a person are compared."""

from __future__ import annotations

from typing import Literal, get_args

Level = Literal["wrong", "partly", "right"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""In their order."""
WORTH: dict[Level, float] = {"wrong": 0.0, "partly": 0.5, "right": 1.0}
"""The score that a person's word stands for."""


def level_of(score: float) -> Level:
    """The word for a score: thirds of the scale."""
    return "wrong" if score < 1 / 3 else "partly" if score < 2 / 3 else "right"
