"""What an evaluation holds: one outcome an example, in example order, and the figures made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragc.models import Call
    from ragc.retrieval import Passage


@dataclass(frozen=True)
class Taken:
    """What was taken beside the program itself: by a judge, or by a model that a metric asks."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0
    """None where a call had no price."""


@dataclass(frozen=True)
class Outcome:
    """What a program did with one example."""

    example: str
    """Id of the example."""
    score: float | None
    """0 to 1; None when the example ended in an error."""
    error: str | None = None
    transient: bool = False
    """Whether the example may be answered when it is asked again: a call failed, with its retries."""
    over_context: bool = False
    """Whether the error is that a prompt did not fit the model's context."""
    answer: str | None = None
    citations: tuple[str, ...] = ()
    """Ids of the passages that support the answer."""
    passages: tuple[str, ...] = ()
    """Ids of the passages that the program was given."""
    sources: tuple[str, ...] = ()
    """The same for a person: document, title and headings."""
    given: tuple[Passage, ...] = field(default=(), repr=False, compare=False)
    """The passages themselves."""
    dropped: tuple[str, ...] = ()
    """Ids of passages that were found and left out for the token budget."""
    recall: float | None = None
    """Share of the example's evidence among the passages; None without evidence or without retrieval."""
    answerable: bool = True
    abstained: bool = False
    slice: str | None = None
    feedback: str | None = None
    calls: int = 0
    embeddings: int = 0
    """How many of the calls were retrieval's: an embedder's or a reranker's."""
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    """None where a call had no price."""
    seconds: float = 0.0
    """Time of the LM calls, retrieval apart."""
    made: tuple[Call, ...] = field(default=(), repr=False, compare=False)
    """The calls themselves, in their order, failed ones included."""
    judging: Taken = Taken()
    """What scoring it took: part of the run's cost, and no part of the program's."""

    @property
    def cost(self) -> dict[str, Any]:
        """Calls, tokens and money of this example."""
        return {
            "calls": self.calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "usd": self.usd,
        }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class Evaluation:
    """The outcomes of one program on one list of examples. Errors are counted apart and never scored."""

    outcomes: tuple[Outcome, ...]

    @cached_property
    def scored(self) -> tuple[Outcome, ...]:
        """The outcomes that have a score."""
        return tuple(outcome for outcome in self.outcomes if outcome.score is not None)

    @property
    def n(self) -> int:
        """Number of scored examples."""
        return len(self.scored)

    @property
    def errors(self) -> int:
        """Number of examples that ended in an error."""
        return len(self.outcomes) - len(self.scored)

    @cached_property
    def score(self) -> float | None:
        """Mean score over the scored examples, 0 to 1; None when there is none."""
        return _mean([outcome.score for outcome in self.scored if outcome.score is not None])

    @cached_property
    def scores(self) -> dict[str, float | None]:
        """Score by example id; None marks an error."""
        return {outcome.example: outcome.score for outcome in self.outcomes}

    @cached_property
    def slices(self) -> dict[str, dict[str, Any]]:
        """`{score, n, errors}` by slice, for the examples that name one."""
        names = sorted({outcome.slice for outcome in self.outcomes if outcome.slice})
        parts = {name: Evaluation(tuple(o for o in self.outcomes if o.slice == name)) for name in names}
        return {name: {"score": part.score, "n": part.n, "errors": part.errors} for name, part in parts.items()}

    @property
    def usd_per_question(self) -> float | None:
        """Mean USD of a question; None where a call had no price."""
        prices = [outcome.usd for outcome in self.outcomes]
        if not prices or any(price is None for price in prices):
            return None
        return sum(price for price in prices if price is not None) / len(prices)

    @property
    def latency_p50(self) -> float | None:
        """Median LM time of a question, seconds."""
        return self._latency(0.50)

    @property
    def latency_p95(self) -> float | None:
        """95th percentile of the LM time of a question, seconds (nearest rank)."""
        return self._latency(0.95)

    def _latency(self, share: float) -> float | None:
        times = sorted(outcome.seconds for outcome in self.scored)
        return times[max(0, math.ceil(share * len(times)) - 1)] if times else None

    @property
    def input_tokens_per_question(self) -> float | None:
        """Mean input tokens of a question."""
        return _mean([outcome.input_tokens for outcome in self.scored])

    @property
    def output_tokens_per_question(self) -> float | None:
        """Mean output tokens of a question."""
        return _mean([outcome.output_tokens for outcome in self.scored])

    @property
    def judging(self) -> Taken:
        """What scoring took in all: part of the run's cost, and no part of what a question costs."""
        taken = [outcome.judging for outcome in self.outcomes]
        prices = [one.usd for one in taken]
        return Taken(
            sum(one.calls for one in taken),
            sum(one.input_tokens for one in taken),
            sum(one.output_tokens for one in taken),
            None if any(usd is None for usd in prices) else math.fsum(usd for usd in prices if usd is not None),
        )

    @property
    def recall(self) -> float | None:
        """Mean share of the evidence that was retrieved, over the examples with evidence."""
        return _mean([outcome.recall for outcome in self.outcomes if outcome.recall is not None])

    @property
    def correct_abstentions(self) -> float | None:
        """Share of the unanswerable questions on which the program abstained."""
        return _mean([float(outcome.abstained) for outcome in self.scored if not outcome.answerable])

    @property
    def false_abstentions(self) -> float | None:
        """Share of the answerable questions on which the program abstained."""
        return _mean([float(outcome.abstained) for outcome in self.scored if outcome.answerable])

    def figures(self) -> dict[str, Any]:
        """The figures that `--json` prints of an evaluation."""
        return {
            "score": self.score,
            "n": self.n,
            "errors": self.errors,
            "usd_per_question": self.usd_per_question,
            "latency_p95": self.latency_p95,
        }

    def details(self) -> dict[str, Any]:
        """`figures()` and what a reader of a card wants beside them."""
        return {
            **self.figures(),
            "latency_p50": self.latency_p50,
            "input_tokens_per_question": self.input_tokens_per_question,
            "output_tokens_per_question": self.output_tokens_per_question,
            "recall": self.recall,
            "correct_abstentions": self.correct_abstentions,
            "false_abstentions": self.false_abstentions,
            "slices": self.slices,
        }
