"""Demonstrations as labelled: what the training examples say, shown to the model."""

from collections.abc import Iterator
from math import inf
from typing import Any

import dspy

from ragc.compiler import Run, Sizes, Work, check, costs, dearer, with_demonstrations


def _plan(sizes: Sizes, settings: dict[str, Any]) -> Work:
    check(settings, candidates=(1, inf), demos=(0, inf), demo_passages=(1, inf))
    longer = dearer(sizes, demos=settings["demos"], demo_passages=settings["demo_passages"])
    return Work(training=0, candidates=settings["candidates"], dearer=longer)


@costs(_plan)
def labeled(
    program: dspy.Module, run: Run, *, demos: int = 4, candidates: int = 1, demo_passages: int = 1
) -> dspy.Module:
    """Show `demos` labelled examples, drawn at random; the best of `candidates` draws.

    Each demonstration shows the `demo_passages` first passages that hold its answer.
    """
    pool = run.label(program, passages=demo_passages)

    def draws() -> Iterator[tuple[dspy.Module, str]]:
        for number in range(1, candidates + 1):
            chosen = run.rng(f"labeled {number}").sample(pool, min(demos, len(pool)))
            yield with_demonstrations(program, chosen), f"labeled {number}"

    run.evaluate_all(draws())
    return run.best.program if run.best is not None else program
