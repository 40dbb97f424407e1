"""How often a compile says "better" where no candidate is, and where one is by the gain that was announced.

    python benchmarks/verdicts.py [--compiles 500] [--workers 2]

A simulated compile scores a baseline and candidates on validation questions, chooses the best there and compares it
with the baseline on test questions, once, as `ragc compile` does. The gain is the one that the estimate announces from
the baseline's validation scores (`detectable_gain`), or 10 points on as many questions as `questions_needed` asks for.
Seeded.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._draws import clusters, evaluation, luck, named
from ragc.evaluation import Evaluation, compare_paired, design_effect, detectable_gain, questions_needed

CANDIDATES = 6
CORRELATION = 0.5
"""Between two programs' scores of a question: what the announced power assumes."""


def answers(rng: np.random.Generator, ease: np.ndarray, place: np.ndarray, rate: float, gain: float) -> Evaluation:
    """What a program that is right more often than `rate`, by `gain`, scores on questions of this ease.

    It has the same luck as the baseline as often as makes their scores correlate by CORRELATION.
    """
    more = min(1.0, rate + gain)
    alike = CORRELATION * np.sqrt(rate * (1 - rate) * more * (1 - more)) / (rate * (1 - more)) if more < 1 else 1.0
    return evaluation(np.where(rng.random(len(ease)) < alike, ease, luck(rng, place)) < more)


def compiled(number: int, *, rate: float, gain: float | None, validation: int, test: int, size: int) -> str:
    """The verdict of one compile; `gain` None: what was announced."""
    rng = np.random.default_rng([11, number])
    splits = []
    for questions in (validation, test):
        place = clusters(rng, questions, size)
        splits.append((place, luck(rng, place)))
    (place, ease), (test_place, test_ease) = splits
    before = evaluation(ease < rate)
    if gain is None:
        scores = [outcome.score for outcome in before.scored if outcome.score is not None]
        gain = detectable_gain(scores, test, design=design_effect(before, named(place))) or 0.0
    tried = [answers(rng, ease, place, rate, gain).score or 0.0 for _ in range(CANDIDATES)]
    rng = np.random.default_rng([12, number, int(np.argmax(tried))])
    after = answers(rng, test_ease, test_place, rate, gain)
    return compare_paired(evaluation(test_ease < rate), after, clusters=named(test_place), seed=number).verdict


def shares(pool: ProcessPoolExecutor, compiles: int, **fields: float | None) -> dict[str, float]:
    """The share of every verdict."""
    jobs = [pool.submit(compiled, number, **fields) for number in range(compiles)]  # type: ignore[arg-type]
    verdicts = [job.result() for job in jobs]
    return {word: verdicts.count(word) / compiles for word in ("better", "not shown", "worse")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiles", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    print(f"{'':58}{'better':>8}{'not shown':>11}{'worse':>8}")
    with ProcessPoolExecutor(arguments.workers) as pool:
        for name, gain in (("no candidate is better", 0.0), ("the announced gain", None)):
            for rate, test, size in ((0.3, 207, 1), (0.5, 100, 1), (0.5, 200, 2), (0.7, 60, 1)):
                found = shares(pool, arguments.compiles, rate=rate, gain=gain, validation=124, test=test, size=size)
                _print(f"{name}: {100 * rate:.0f}% right, {test} questions{' in twos' if size > 1 else ''}", found)
        for rate in (0.3, 0.6):
            needed = questions_needed(0.1, evaluation(np.arange(1000) < 1000 * rate)) or 0
            found = shares(pool, arguments.compiles, rate=rate, gain=0.1, validation=124, test=needed, size=1)
            _print(f"10 points: {100 * rate:.0f}% right, {needed} questions, as many as it needs", found)
    return 0


def _print(name: str, found: dict[str, float]) -> None:
    better, unsure, worse = (100 * found[word] for word in ("better", "not shown", "worse"))
    print(f"{name:58}{better:>7.1f}%{unsure:>10.1f}%{worse:>7.1f}%", flush=True)


if __name__ == "__main__":
    sys.exit(main())
