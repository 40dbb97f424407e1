"""What a program's run will take, from a pilot or from its prompts; and what the final test needs set aside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from ragc.compiler._bench import rerankers_of
from ragc.compiler._estimate import (
    Estimate,
    PerQuestion,
    counted_prompts,
    estimate,
    from_prompts,
    observed,
    with_embeddings,
    with_rankings,
    without_rankings,
)
from ragc.compiler._events import OnEvent, telling
from ragc.compiler._optimizer import Work
from ragc.compiler._run import expected
from ragc.models import Amounts
from ragc.retrieval import Retrieve

if TYPE_CHECKING:
    from ragc.compiler._bench import Bench
    from ragc.data import Example
    from ragc.evaluation import Evaluation

Number = TypeVar("Number", int, float)

PILOT = 5
"""Questions that are answered before the estimate."""
NO_SEARCH = Work(training=0, candidates=0, dearer=1.0)
"""The work of a program that is only tested."""


@dataclass(frozen=True)
class Forecast:
    """Estimates one program's run: how often it answers which questions, with or without a search."""

    bench: Bench
    work: Work | None
    """What the optimizer says that it does; None: it does not say."""
    validation: tuple[Example, ...]
    """What candidates are scored on, the pilot's questions first."""
    tests_baseline: bool
    """Whether the uncompiled program answers the test split, beside the candidate if there is a search."""
    is_searched: bool = True
    scores_baseline: bool = True
    """Whether the uncompiled program's validation is to be paid; False: another search of the same run has."""

    has_margin: bool = True
    """Whether the smallest budget holds the worst case of a call beside it: once for all that share a budget."""

    @property
    def first(self) -> tuple[Example, ...]:
        """The pilot's questions."""
        return self.validation[:PILOT]

    @property
    def tested(self) -> int:
        """Number of test questions."""
        return len(self.bench.labelled.splits.test)

    def pilot(self, on_event: OnEvent) -> Evaluation:
        """Answers the first validation questions, in a step of their own."""
        with self.bench.gateway.step("pilot"):
            return self.bench.evaluator.evaluate(
                self.bench.program(), self.first, on_outcome=telling(on_event, "pilot")
            )

    def look(self) -> Estimate:
        """The estimate of a dry run: from what the journal knows of the pilot's questions, else from their prompts."""
        seen = self.bench.evaluator.begin(self.bench.program(), self.first, max_error_rate=1.0).result()
        return self.observe(seen) or self.from_prompts()

    def counted(self, on_event: OnEvent) -> Estimate:
        """The estimate of a dry run whose prompts the provider has counted."""
        return self._estimate(counted_prompts(self.bench, self.bench.program(), self.first, on_event), already=0)

    def from_prompts(self, questions: int = PILOT) -> Estimate:
        """The estimate from the prompts of so many questions alone, without a call."""
        return self._estimate(from_prompts(self.bench, self.bench.program(), self.first[:questions]), already=0)

    def observe(self, pilot: Evaluation) -> Estimate | None:
        """The estimate from the questions that were answered; None: none was."""
        answered = [outcome for outcome in pilot.outcomes if outcome.error is None]
        if not answered:
            return None
        one, most = observed(answered, self.bench.evaluator.threads)
        return self._estimate(one, already=len(answered), most=most)

    def needs(self, baseline: Evaluation | None, dearest: Evaluation | None) -> Amounts:
        """What the final test will take: the programs that it tests, as observed, on every test question.

        Where no candidate is known yet, it is taken to be as much dearer as the optimizer says.
        """
        if baseline is None:
            return Amounts()
        plain = expected([baseline], self.tested)
        if not self.is_searched:
            return plain
        shown = self._dearer(plain) if dearest is None else expected([dearest], self.tested)
        return plain + shown if self.tests_baseline else shown

    def _dearer(self, one: Amounts) -> Amounts:
        times = Fraction((self.work or Work(training=0, candidates=1)).dearer)
        dear = Amounts(one.calls, math.ceil(times * one.input_tokens), one.output_tokens, times * one.usd)
        tried = self.bench.rankings_take(self.tried_rerankers)
        return dear + Amounts(self.tested * tried.calls, self.tested * tried.input_tokens, 0, self.tested * tried.usd)

    def seconds(self, *evaluations: Evaluation | None) -> float:
        """How long the final test will take, as long as in these evaluations on average."""
        each = [outcome.seconds for one in evaluations if one is not None for outcome in one.outcomes]
        programs = int(self.is_searched) + int(self.tests_baseline)
        return programs * self.tested * sum(each) / max(1, len(each)) / self.bench.evaluator.threads

    @cached_property
    def own_rerankers(self) -> list[str]:
        """Those that the uncompiled program asks."""
        return rerankers_of(self.bench.plain())

    @cached_property
    def tried_rerankers(self) -> list[str]:
        """Those that candidates ask beside: each once for every `Retrieve`."""
        times = len(list(self.bench.plain().named_sub_modules(type_=Retrieve)))
        names = dict.fromkeys(() if self.work is None else self.work.rerankers)
        return [name for name in names if name not in self.own_rerankers for _ in range(times)]

    @property
    def _plain_runs(self) -> int:
        """How often the uncompiled program is run; one that is not searched answers the pilot's questions beside."""
        asked = len(self.validation if self.is_searched else self.first) if self.scores_baseline else 0
        return asked + (self.tested if self.tests_baseline else 0)

    def _estimate(self, one: PerQuestion, *, already: int, most: PerQuestion | None = None) -> Estimate:
        own = self.bench.rankings_take(self.own_rerankers)
        plan = estimate(
            without_rankings(one, own),
            self.work if self.is_searched else NO_SEARCH,
            validation=len(self.validation) if self.is_searched else 0,
            test=self.tested if self.is_searched else 0,
            plain=self._plain_runs,
            already=already,
            is_pilot=most is not None,
            most=None if most is None else without_rankings(most, own),
            margin=self.bench.gateway.dearest if self.has_margin else Amounts(),
        )
        splits = self.bench.labelled.splits
        training = len(splits.train) if self.is_searched else 0
        questions = training + len(self.validation if self.is_searched else self.first) + self.tested
        plan = with_rankings(plan, replace(own, calls=0), questions)  # `embeddings` has the calls of its own
        tried = self.bench.rankings_take(self.tried_rerankers)
        plan = with_rankings(plan, tried, len(self.validation) + self.tested)
        return with_embeddings(plan, one, questions, self.bench.indexing)


def total(estimates: Sequence[Estimate]) -> Estimate:
    """What several runs take under one budget: everything added up, money and time where they are known of all."""
    first = estimates[0]
    for one in estimates[1:]:
        first = _sum(first, one)
    return first


def _sum(one: Estimate, other: Estimate) -> Estimate:
    return Estimate(
        runs=one.runs + other.runs,
        calls=_added(one.calls, other.calls),
        tokens=_added(one.tokens, other.tokens),
        usd=None if one.usd is None or other.usd is None else _added(one.usd, other.usd),
        seconds=None if one.seconds is None or other.seconds is None else _added(one.seconds, other.seconds),
        observed=one.observed and other.observed,
        open_ended=one.open_ended or other.open_ended,
        smallest={
            name: one.smallest.get(name, 0) + other.smallest.get(name, 0)
            for name in one.smallest
            if name in other.smallest
        },
        exact=one.exact and other.exact,
    )


def _added(one: tuple[Number, Number], other: tuple[Number, Number]) -> tuple[Number, Number]:
    return one[0] + other[0], one[1] + other[1]
