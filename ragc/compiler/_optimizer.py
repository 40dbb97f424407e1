"""What marks a function as an optimizer whose cost is known beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ragc.errors import ConfigError

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Sizes:
    """How many examples an optimizer works with."""

    train: int
    validation: int
    passages: int = 1
    """Passages that the program finds, at most."""
    around: int = 1
    """Passages that it reads for each of them, at most (`Retrieve.expand`)."""


@dataclass(frozen=True)
class Work:
    """How often an optimizer runs the program, in all."""

    training: int
    """Runs on training examples."""
    candidates: int
    """Candidates, each evaluated on the whole validation split (or its sample)."""
    dearer: float = 3.0
    """How many times as long a candidate's prompt is as the uncompiled program's, at most."""
    rerankers: tuple[str, ...] = ()
    """Rerankers that candidates are given."""
    race: bool = False
    """Whether the candidates race (`Run.evaluate_all`): all begin before the first one has answered everything."""


def dearer(
    sizes: Sizes, *, demos: int, demo_passages: int, passages: int | None = None, around: int | None = None
) -> float:
    """How many times as long a prompt gets by demonstrations, and by `passages` in the place of the program's own.

    `around`: passages that are read for each of these. A prompt is taken to be as long as its passages; a question with
    its answer counts as half a passage.
    """
    own = sizes.passages * sizes.around + 0.5
    shown = min(demos, sizes.train) * (demo_passages + 0.5)
    return max(1.0, ((passages or sizes.passages) * (around or sizes.around) + 0.5 + shown) / own)


Plan = Callable[[Sizes, dict[str, Any]], Work]


def check(settings: dict[str, Any], **ranges: tuple[float, float]) -> None:
    """Raises ConfigError unless each named setting, or each item of it, lies in its range, ends included.

    Called in an optimizer's plan it refuses a setting before anything is paid for.
    """
    for name, (low, high) in ranges.items():
        value = settings[name]
        for one in value if isinstance(value, list | tuple) else (value,):
            if not low <= one <= high:
                expected = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
                raise ConfigError(f"--set {name}={one}: expected {expected}")


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
