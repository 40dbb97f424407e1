"""How often `ragc eval --against sealed --margin 0.05` fails, by the questions there are and the drop there is.

    python benchmarks/against_sealed.py [--simulations 400]

Simulated: each question is answered right by a chance of its own (beta(2, 2)), drawn anew for the sealed evaluation and
for the one of now, whose chances lie lower by the drop. Beside it stands the plain rule, that the mean is lower by more
than the margin. Nothing is asked.
"""

from __future__ import annotations

import argparse

import numpy as np

from ragc.compiler import Against
from ragc.evaluation import Evaluation, Outcome, compare_paired

MARGIN = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=400)
    count = parser.parse_args().simulations
    print(f"share of {count} simulations that fail, margin {100 * MARGIN:g} points\n")
    print("questions  true drop  --against sealed  mean lower by more than the margin")
    for questions in (30, 60, 124):
        for drop in (0.0, MARGIN, 0.2):
            rng = np.random.default_rng([questions, round(100 * drop)])
            found, plain = (
                sum(rule) / count for rule in zip(*(one(rng, questions, drop) for _ in range(count)), strict=True)
            )
            print(f"{questions:9}  {drop:9.2f}  {found:16.1%}  {plain:.1%}", flush=True)


def one(rng: np.random.Generator, questions: int, drop: float) -> tuple[bool, bool]:
    """Whether one evaluation after a drop fails: by the interval, and by the mean."""
    chances = rng.beta(2, 2, questions)
    before, now = (evaluation(rng.random(questions) < each) for each in (chances, chances - drop))
    found = Against(compare_paired(before, now, margin=MARGIN), MARGIN, relabelled=False)
    return found.has_dropped, (now.score or 0.0) < (before.score or 0.0) - MARGIN


def evaluation(right: np.typing.NDArray[np.bool_]) -> Evaluation:
    return Evaluation(tuple(Outcome(f"q{number}", float(score)) for number, score in enumerate(right)))


if __name__ == "__main__":
    main()
