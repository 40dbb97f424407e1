"""A race against asking every candidate everything, on recorded per-example scores of real candidates.

    python benchmarks/racing.py [--draws 1000] [ARTIFACT …]

`racing.json` beside it holds the validation scores of candidates that were all asked everything; an ARTIFACT is one
that was compiled with `--set race=false`, whose candidates are raced as well. A draw takes the recorded questions with
replacement, as many as were recorded or twice and four times as many, and candidates and questions in random order.
The best candidate is the one with the best recorded mean. Printed: the share of answers that the race asks for, and how
often the race and full evaluation end within 2 points of the best. Seeded.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from ragc.artifact import verify
from ragc.evaluation import Evaluation, Outcome, is_behind, looks_at

RECORDED = Path(__file__).resolve().with_suffix(".json")
WITHIN = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="*", type=Path, metavar="ARTIFACT")
    parser.add_argument("--draws", type=int, default=1000)
    arguments = parser.parse_args()
    sets = {name: table(one["candidates"]) for name, one in json.loads(RECORDED.read_text("utf-8")).items()}
    for path in arguments.artifacts:
        candidates = verify(path).candidates
        if any(one.get("why_not") for one in candidates):
            print(f"{path}: not every candidate was asked everything; compile with --set race=false", file=sys.stderr)
            return 2
        sets[str(path)] = table({one["label"]: list(one["scores"].values()) for one in candidates})
    print(f"{'':44}{'asked':>8}{'race':>8}{'full':>8}")
    for name, scores in sets.items():
        for times in (1, 2, 4):
            questions = times * scores.shape[1]
            asked, race, full = measure(scores, questions, arguments.draws)
            label = f"{name}: {len(scores)} candidates, {questions} questions"
            print(f"{label:44}{100 * asked:>7.1f}%{100 * race:>7.1f}%{100 * full:>7.1f}%", flush=True)
    return 0


def table(candidates: dict[str, list[float | None]]) -> np.ndarray:
    """Candidates by questions, of the questions that all have answered."""
    scores = np.array([[np.nan if one is None else one for one in row] for row in candidates.values()], dtype=float)
    whole: np.ndarray = scores[:, ~np.isnan(scores).any(axis=0)]
    return whole


def measure(recorded: np.ndarray, questions: int, draws: int) -> tuple[float, float, float]:
    """Share of answers asked for, and how often race and full evaluation end within 2 points of the best."""
    rng = np.random.default_rng([21, questions])
    means = recorded.mean(axis=1)
    asked = race = full = 0.0
    for _ in range(draws):
        order = rng.permutation(len(recorded))
        scores = recorded[order][:, rng.integers(0, recorded.shape[1], questions)]
        good = means[order] >= means.max() - WITHIN
        winner, answers = raced(scores)
        asked += answers / scores.size
        race += good[winner]
        full += good[int(np.argmax(scores.mean(axis=1)))]
    return asked / draws, race / draws, full / draws


def raced(scores: np.ndarray) -> tuple[int, int]:
    """Who wins the race of `ragc.compiler`, and how many answers it asks for."""
    looks, questions = looks_at(scores.shape[1]), scores.shape[1]
    first = scores[:, : looks[0]].mean(axis=1)
    leader = int(np.argmax(first[:-1])) if len(scores) > 1 else 0  # the last one's look is still being read
    order = [leader, *sorted((one for one in range(len(scores)) if one != leader), key=lambda one: -first[one])]
    answers = len(scores) * looks[0]
    whole = [evaluation(row) for row in scores]
    for one in order:
        stop = questions
        if one != leader:
            behind = (look for look in looks if is_behind(evaluation(scores[one, :look]), whole[leader], questions))
            stop = next(behind, questions)
        answers += stop - looks[0]
        if stop == questions and scores[one].mean() > scores[leader].mean():
            leader = one
    return leader, answers


def evaluation(scores: np.ndarray) -> Evaluation:
    """The first questions with these scores."""
    return Evaluation(tuple(Outcome(f"e{number}", float(score)) for number, score in enumerate(scores)))


if __name__ == "__main__":
    sys.exit(main())
