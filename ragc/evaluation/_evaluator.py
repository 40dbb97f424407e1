"""Concurrent evaluation of a program: one outcome an example, in example order, errors counted apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ragc.errors import BudgetExhausted, ConfigError, ExampleError
from ragc.evaluation._abstention import is_abstention
from ragc.evaluation._evaluation import Evaluation, Outcome, Taken
from ragc.evaluation._failures import describe_error, fatal_cause, is_over_context, is_transient
from ragc.evaluation._pending import OnOutcome, Pending
from ragc.evaluation._pool import Batch, Pool
from ragc.evaluation._recall import Recall

if TYPE_CHECKING:
    import dspy

    from ragc.data import Example
    from ragc.evaluation.metrics import Metric
    from ragc.models import Call, Gateway

JUDGED = " (judged)"
"""Behind an example's id in the record of a run: the calls that scored its answer."""
NO_LIMIT = 1.0
"""An error rate that nothing is above."""


@dataclass(frozen=True)
class Traced:
    """An outcome together with what the program's predictors were given and answered."""

    outcome: Outcome
    prediction: Any
    trace: list[tuple[Any, dict[str, Any], Any]]
    """DSPy's trace: (predictor, inputs, prediction) for every predictor call, in order."""


@dataclass(frozen=True)
class Evaluator:
    """Runs programs on examples under one LM, adapter, metric and gateway.

    `dspy.context` is set for each example in its own thread, `dspy.configure` never. Costs and LM times come from the
    gateway's recording around each example.
    """

    metric: Metric
    lm: dspy.LM
    adapter: dspy.Adapter
    gateway: Gateway
    recall: Recall | None = None
    threads: int = 8
    max_error_rate: float = 1.0
    """Share of examples in error, from the 20th on, above which the evaluation stops with `TooManyErrors`."""

    @cached_property
    def _pool(self) -> Pool:
        return Pool(max(1, self.threads), later=(BudgetExhausted,))

    def evaluate(
        self,
        program: dspy.Module,
        examples: Sequence[Example],
        *,
        known: Mapping[str, Outcome] | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> Evaluation:
        """Evaluates `program` on `examples`; outcomes in `known` (by example id) are taken over and not run again.

        `on_outcome` is called in example order. Ctrl-C cancels what has not started and waits for what is in flight.

        Raises:
            BudgetExhausted: the budget's share is used up; what was answered so far is not an evaluation.
            ModelError: the provider refuses for good (key, model, credit).
            ConfigError: the metric or the program itself is at fault.
            TooManyErrors: see `max_error_rate`.
        """
        return self.begin(program, examples, known=known).result(on_outcome=on_outcome)

    def begin(
        self,
        program: dspy.Module,
        examples: Sequence[Example],
        *,
        known: Mapping[str, Outcome] | None = None,
        max_error_rate: float | None = None,
    ) -> Pending:
        """Unlike `evaluate`: does not wait. The examples run behind those of whatever was begun before, in threads
        that those leave free. `max_error_rate` stands in for the evaluator's.

        What is refused for the budget's sake before `Pending.result` is called is asked for again then.
        """
        taken = known or {}
        batch = self._pool.begin(
            lambda example: self._attempt(program, example).outcome,
            [example for example in examples if example.id not in taken],
        )
        rate = self.max_error_rate if max_error_rate is None else max_error_rate
        return Pending(examples, taken, batch, self._pool, rate)

    def again(
        self,
        evaluation: Evaluation,
        program: dspy.Module,
        examples: Sequence[Example],
        *,
        on_outcome: OnOutcome | None = None,
    ) -> Evaluation:
        """Asks again what may be answered now (`Outcome.transient`); the evaluation with those outcomes replaced.

        `examples` are those of `evaluation`. The same object comes back where there is nothing to ask, and what fails
        once more stays an error. Raises like `evaluate`, but never TooManyErrors.
        """
        failed = {outcome.example for outcome in evaluation.outcomes if outcome.transient}
        if not failed:
            return evaluation
        asked = [example for example in examples if example.id in failed]
        found = self.begin(program, asked, max_error_rate=NO_LIMIT).result(on_outcome=on_outcome)
        replaced = {outcome.example: outcome for outcome in found.outcomes}
        return Evaluation(tuple(replaced.get(outcome.example, outcome) for outcome in evaluation.outcomes))

    def trace(self, program: dspy.Module, examples: Sequence[Example]) -> Batch[Traced]:
        """Like `begin`, with DSPy's trace of each run, in example order; `close` what is not read to its end."""
        return self._pool.begin(lambda example: self._attempt(program, example, trace=True), examples)

    def answer(self, program: dspy.Module, example: Example) -> Outcome:
        """Runs `program` on one example, in this thread. Raises what ends a run, see `evaluate`."""
        return self._attempt(program, example).outcome

    def cancel(self) -> None:
        """Cancels what was begun and has not started, and waits for what is in flight."""
        self._pool.clear()

    def _attempt(self, program: dspy.Module, example: Example, *, trace: bool = False) -> Traced:
        import dspy

        self.gateway.check_stop()
        steps: list[tuple[Any, dict[str, Any], Any]] | None = [] if trace else None
        with self.gateway.recording(example.id) as calls:
            try:
                with self.gateway.watching(), dspy.context(lm=self.lm, adapter=self.adapter, trace=steps):
                    prediction = program(question=example.question, **example.inputs)
            except Exception as cause:  # a program can raise anything: the example's error, or the run's
                fatal = fatal_cause(cause) or self.gateway.fatal
                if fatal is not None:
                    raise fatal from cause
                return Traced(self._failed(example, cause, calls), None, steps or [])
        return Traced(self._scored(program, example, prediction, calls), prediction, steps or [])

    def _failed(
        self, example: Example, cause: BaseException, calls: Sequence[Call], judged: Sequence[Call] = ()
    ) -> Outcome:
        return Outcome(
            example.id,
            None,
            error=describe_error(cause),
            transient=is_transient(cause),
            over_context=is_over_context(cause),
            answerable=example.answerable,
            slice=example.slice,
            judging=_taken(judged),
            **_costs(calls),
        )

    def _scored(self, program: dspy.Module, example: Example, prediction: Any, calls: list[Call]) -> Outcome:
        answer = getattr(prediction, "answer", None)
        if not isinstance(answer, str):
            raise ConfigError(
                f'program {type(program).__name__} returned {type(prediction).__name__} without a text "answer": '
                "expected a dspy.Prediction with answer"
            )
        passages = getattr(prediction, "passages", None) or ()
        # Apart from the program's calls: what a judge takes is the run's cost, and not what a question costs.
        with self.gateway.recording(f"{example.id}{JUDGED}") as judged:
            try:
                score = self.metric(example, prediction)
            except ExampleError as cause:
                return self._failed(example, cause, calls, judged)
        return Outcome(
            example.id,
            score.value,
            answer=answer,
            citations=tuple(getattr(prediction, "citations", None) or ()),
            passages=tuple(passage.id for passage in passages),
            sources=tuple(f"{passage.document}: {passage.source}" for passage in passages),
            given=tuple(passages),
            dropped=tuple(getattr(passages, "dropped", ())),
            recall=self.recall(example, passages) if self.recall is not None and passages else None,
            answerable=example.answerable,
            abstained=is_abstention(answer),
            slice=example.slice,
            feedback=score.feedback,
            judging=_taken(judged),
            **_costs(calls),
        )


def _taken(calls: Sequence[Call]) -> Taken:
    cost = _costs(calls)
    return Taken(cost["calls"], cost["input_tokens"], cost["output_tokens"], cost["usd"])


def _costs(calls: Sequence[Call]) -> dict[str, Any]:
    prices = [call.usd for call in calls]
    return {
        "calls": len(calls),
        "embeddings": sum(call.kind != "lm" for call in calls),
        "input_tokens": sum(call.input_tokens for call in calls),
        "output_tokens": sum(call.output_tokens for call in calls),
        "usd": None if any(price is None for price in prices) else sum(p for p in prices if p is not None),
        "seconds": sum(call.seconds for call in calls if call.kind == "lm"),
        "made": tuple(calls),
    }
