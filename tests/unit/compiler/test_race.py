"""Candidates in a race: who is stopped, who never is, and that nobody can tell from the decisions what came first."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import dspy
import pytest

from ragc.compiler import Candidate, Event, Run, Working
from ragc.data import Example
from ragc.errors import BudgetExhausted
from ragc.evaluation import Evaluation, Outcome, is_behind, looks_at
from ragc.models import Gateway
from ragc.project import Budget, Limits
from scripted import Script, make_evaluator, number_in

SIZE = 60
SKILLS = (20, 50, 10, 48, 25, 5)


def candidate(skill: int) -> dspy.Module:
    return dspy.Predict(dspy.Signature("question -> answer", f"You know {skill} answers."))


def learned(prompt: str) -> str:
    """Right on so many of the 60 questions; which ones has nothing to do with their order."""
    skill = int(prompt.partition("You know ")[2].partition(" answers")[0])
    number = number_in(prompt)
    return str(number) if (number * 23) % SIZE < skill else "a guess of no use"


def slow(prompt: str) -> str:
    time.sleep(random.random() / 300)
    return learned(prompt)


def restored(state: dict[str, object]) -> dspy.Module:
    program = dspy.Predict("question -> answer")
    program.load_state(state)
    return program


def make_run(script: Script, *, gateway: Gateway | None = None, size: int = SIZE, threads: int = 4) -> Run:
    evaluator = make_evaluator(script, gateway=gateway, threads=threads)
    events: list[Event] = []
    run = Run(
        train=(),
        validation=tuple(Example(id=f"v{n}", question=f"What is number {n}?", answers=(str(n),)) for n in range(size)),
        seed=0,
        lm=evaluator.lm,
        teacher=None,
        limits=Limits(),
        _evaluator=evaluator,
        _gateway=evaluator.gateway,
        _restore=restored,
        _expected=len(SKILLS),
        _on_event=events.append,
        _name="race",
    )
    run.begin_baseline(candidate(4), {})
    run.told = events  # type: ignore[attr-defined]
    return run


def raced(run: Run) -> list[Candidate]:
    run.evaluate_all(((candidate(skill), f"knows {skill}") for skill in SKILLS), race=True)
    return list(run.candidates)


def test_the_clearly_weaker_stop_early_and_the_best_answers_everything() -> None:
    run = make_run(learned)
    found = raced(run)
    assert [one.label for one in found] == [f"knows {skill}" for skill in SKILLS]
    asked = {one.label: len(one.evaluation.outcomes) for one in found}
    assert asked["knows 50"] == SIZE and asked["knows 48"] > SIZE / 2
    assert asked["knows 5"] in looks_at(SIZE) and asked["knows 10"] in looks_at(SIZE)
    assert run.best is not None and (run.best.label, run.best.evaluation.n) == ("knows 50", SIZE)
    assert sum(asked.values()) < 0.6 * SIZE * len(SKILLS)


def test_a_stopped_candidate_says_so_and_is_never_the_best() -> None:
    run = make_run(learned)
    stopped = next(one for one in raced(run) if one.label == "knows 5")
    asked = len(stopped.evaluation.outcomes)
    assert stopped.stopped and stopped.why_not == f"clearly behind knows 50, stopped after {asked} of 60 questions"
    order = [int(outcome.example[1:]) for outcome in stopped.evaluation.outcomes]
    assert order == sorted(order)
    run.summarise()
    assert "clearly behind and stopped early" in str(run.told[-1])  # type: ignore[attr-defined]


@pytest.mark.parametrize("threads", [1, 3, 16])
def test_decisions_and_cost_do_not_depend_on_what_finishes_first(threads: int) -> None:
    first, second = make_run(learned, threads=1), make_run(slow, threads=threads)

    def decided(run: Run) -> list[tuple[str, str | None, list[str]]]:
        return [(one.label, one.why_not, [o.example for o in one.evaluation.outcomes]) for one in raced(run)]

    assert decided(first) == decided(second)
    assert first._gateway.cost == second._gateway.cost


def test_who_goes_on_first_does_not_depend_on_what_runs_ahead() -> None:
    """The last one is the best, and is not asked ahead of its look whether or not anything may run ahead."""
    best_last = [(candidate(skill), f"knows {skill}") for skill in (20, 30, 10, 50)]
    ahead, waiting = make_run(learned), make_run(learned)
    waiting._has_room_ahead = lambda questions=None: False  # type: ignore[method-assign]
    for run in (ahead, waiting):
        run.evaluate_all(best_last, race=True)
    asked = [[len(one.evaluation.outcomes) for one in run.candidates] for run in (ahead, waiting)]
    assert asked[0] == asked[1] and asked[0][1] == asked[0][3] == SIZE


def test_nothing_is_asked_twice() -> None:
    seen: list[str] = []

    def counting(prompt: str) -> str:
        seen.append(prompt)
        return learned(prompt)

    run = make_run(counting, threads=8)
    asked = sum(len(one.evaluation.outcomes) for one in raced(run)) + SIZE
    own = len(set(seen))
    assert len(seen) == own and asked <= own + SIZE


def test_few_questions_and_one_candidate_are_no_race() -> None:
    run = make_run(learned, size=10)
    assert looks_at(10) == () and not any(one.stopped for one in raced(run))
    single = make_run(learned)
    single.evaluate_all([(candidate(3), "alone")], race=True)
    assert single.candidates[0].evaluation.n == SIZE


@pytest.mark.parametrize("threads", [1, 8])
def test_the_budget_holds_whatever_runs_ahead(threads: int) -> None:
    """60 for the baseline, 6 x 9 for the first look, 51 for the rest of the first: nothing is left for the second."""
    first = looks_at(SIZE)[0]
    calls = SIZE + len(SKILLS) * first + SIZE - first
    gateway = Gateway(Budget(calls=calls))
    run = make_run(learned, gateway=gateway, threads=threads)
    with pytest.raises(BudgetExhausted, match="no further candidate"):
        raced(run)
    assert [one.evaluation.n for one in run.candidates] == [SIZE]
    assert run.best is not None and gateway.usage.calls == calls


def test_progress_counts_what_was_read() -> None:
    run = make_run(learned)
    found = raced(run)
    last = [one for one in run.told if isinstance(one, Working)][-1]  # type: ignore[attr-defined]
    assert last.done == sum(len(one.evaluation.outcomes) for one in found)
    assert last.total == SIZE * len(SKILLS)


def evaluation(scores: Sequence[float | None]) -> Evaluation:
    return Evaluation(
        tuple(Outcome(f"e{n}", score, error=None if score is not None else "x") for n, score in enumerate(scores))
    )


def test_behind_is_only_who_is_clearly_behind() -> None:
    leader = evaluation([1.0] * 100)
    assert is_behind(evaluation([1.0, 0.0] * 15), leader, 100)
    assert not is_behind(evaluation([1.0] * 28 + [0.0] * 2), leader, 100)
    assert not is_behind(evaluation([1.0] * 30), evaluation([0.0] * 100), 100)
    assert not is_behind(evaluation([None] * 25 + [0.0] * 5), leader, 100)  # five pairs say nothing


def test_one_that_all_questions_put_above_the_leader_is_rarely_stopped() -> None:
    """At most one in five, over all looks: what the error level promises."""
    stopped = tried = 0
    rng = random.Random(1)
    while tried < 150:
        leader = [float(rng.random() < 0.5) for _ in range(120)]
        other = [score if rng.random() < 0.6 else float(rng.random() < 0.5) for score in leader]
        if sum(other) <= sum(leader):
            continue
        tried += 1
        whole = evaluation([*leader])
        stopped += any(is_behind(evaluation([*other[:look]]), whole, 120) for look in looks_at(120))
    assert 0 < stopped <= 0.2 * tried
