"""Demonstrations that the program itself got right, filled up with labelled ones; random search over sets of them."""

from collections.abc import Iterator
from math import inf
from random import Random
from typing import Any

import dspy

from ragc.compiler import Demonstration, Run, Sizes, Work, check, costs, dearer, with_demonstrations, with_retrieval


def _plan(sizes: Sizes, settings: dict[str, Any]) -> Work:
    check(settings, candidates=(1, inf), demos=(0, inf), bootstrapped=(0, inf), threshold=(0, 1))
    check(settings, attempts=(0, inf), demo_passages=(1, inf), k=(1, inf), alpha=(0, 1), expand=(0, 100))
    training = min(sizes.train, settings["attempts"]) if settings["bootstrapped"] else 0
    passages = max(settings["k"], default=sizes.passages)
    around = max((2 * expand + 1 for expand in settings["expand"]), default=sizes.around)
    shown = {name: settings[name] for name in ("demos", "demo_passages")}
    longer = dearer(sizes, **shown, passages=passages, around=around)
    rerankers = tuple(name for name in settings["reranker"] if name)
    counts = {"training": training, "candidates": settings["candidates"]}
    return Work(**counts, dearer=longer, rerankers=rerankers, race=settings["race"])


@costs(_plan)
def bootstrap(
    program: dspy.Module,
    run: Run,
    *,
    candidates: int = 6,
    demos: int = 8,
    bootstrapped: int = 2,
    attempts: int = 40,
    threshold: float = 1.0,
    demo_passages: int = 1,
    k: tuple[int, ...] = (1, 3),
    alpha: tuple[float, ...] = (),
    expand: tuple[int, ...] = (),
    reranker: tuple[str | None, ...] = (),
    race: bool = True,
) -> dspy.Module:
    """Draw `candidates` sets of `demos` demonstrations and keep the one that scores best on validation.

    A set holds up to `bootstrapped` demonstrations that the program answered itself with a score of at least
    `threshold` (`attempts` training examples are tried, at most), and labelled ones for the rest. Each shows the
    `demo_passages` first passages that hold its answer. Candidates take turns in how they retrieve: in every
    combination of `k`, `alpha`, `expand` and `reranker`, of which an empty one leaves the program's own. They `race`:
    one that is clearly behind is not asked all questions.
    """
    tried: dict[str, tuple[Any, ...]] = {"k": k, "alpha": alpha, "expand": expand, "reranker": reranker}
    retrieval = _combinations({name: values for name, values in tried.items() if values})
    labelled = run.label(program, passages=demo_passages)
    right: list[Demonstration] = []
    if bootstrapped:
        right = run.bootstrap(program, threshold=threshold, passages=demo_passages, attempts=attempts)
    unanswerable = sum(not example.answerable for example in run.train) / len(run.train)

    def draws() -> Iterator[tuple[dspy.Module, str]]:
        for number in range(1, candidates + 1):
            rng = run.rng(f"set {number}")
            abstaining = sum(rng.random() < unanswerable for _ in range(demos))
            chosen = _draw(rng, right, bootstrapped, labelled, demos - abstaining, abstains=False)
            chosen += _draw(rng, [], 0, labelled, abstaining, abstains=True)
            rng.shuffle(chosen)
            candidate = with_demonstrations(program, chosen)
            candidate = with_retrieval(candidate, **retrieval[(number - 1) % len(retrieval)])
            yield candidate, f"bootstrap {number}"

    run.evaluate_all(draws(), race=race)
    return run.best.program if run.best is not None else program


def _combinations(tried: dict[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Every combination of the values of each setting, the first setting changing fastest."""
    found: list[dict[str, Any]] = [{}]
    for name, values in tried.items():
        found = [{**one, name: value} for value in values for one in found]
    return found


def _draw(
    rng: Random,
    right: list[Demonstration],
    most_right: int,
    labelled: list[Demonstration],
    count: int,
    *,
    abstains: bool,
) -> list[Demonstration]:
    """Draw `count` demonstrations that do or do not abstain: at most `most_right` of `right`, then labelled ones.

    Apart, because a weak model is right most often where it says that it does not know, and a set of nothing else
    would teach it to say so always.
    """
    own = [one for one in right if one.abstains == abstains]
    chosen = rng.sample(own, min(most_right, count, len(own)))
    taken = {one.example for one in chosen}
    rest = [one for one in labelled if one.abstains == abstains and one.example not in taken]
    return chosen + rng.sample(rest, min(count - len(chosen), len(rest)))
