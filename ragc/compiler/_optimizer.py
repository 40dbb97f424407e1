"""What marks a function as an optimizer whose cost is known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Sizes:
    """How many examples an optimizer works with."""

    train: int
    validation: int


@dataclass(frozen=True)
class Work:
    """How often an optimizer runs the program, in all."""

    training: int
    """Runs on training examples."""
    candidates: int
    """Candidates, each evaluated on the whole validation split (or its sample)."""


Plan = Callable[[Sizes, dict[str, Any]], Work]


def costs(plan: Plan) -> Callable[[Function], Function]:
    """Decorate an optimizer with `plan(sizes, settings) -> Work`, from which a run is estimated before it is paid for.

    An optimizer without it is estimated at one candidate, and the estimate says "at least".
    """

    def mark(function: Function) -> Function:
        function.__ragc_plan__ = plan  # type: ignore[attr-defined]
        return function

    return mark


def plan_of(optimizer: Callable[..., Any]) -> Plan | None:
    """The plan that `costs` attached, if any."""
    return getattr(optimizer, "__ragc_plan__", None)
