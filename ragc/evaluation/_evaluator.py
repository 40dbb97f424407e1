"""Concurrent evaluation of a program: one outcome an example, in example order, errors counted apart."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ragc.errors import BudgetExhausted, ConfigError, ModelError, RagcError
from ragc.evaluation._abstention import is_abstention
from ragc.evaluation._evaluation import Evaluation, Outcome
from ragc.evaluation._recall import Recall

if TYPE_CHECKING:
    import dspy

    from ragc.data import Example
    from ragc.evaluation._metrics import Metric
    from ragc.models import Call, Meter

ERRORS_FROM = 20
"""The error rate is looked at from this many examples on."""

T = TypeVar("T")


class TooManyErrors(RagcError):
    """More examples ended in an error than `max_error_rate` allows; carries the outcomes so far."""

    exit_code = 3

    def __init__(self, message: str, outcomes: Sequence[Outcome]) -> None:
        super().__init__(message)
        self.outcomes = tuple(outcomes)


@dataclass(frozen=True)
class Traced:
    """An outcome together with what the program's predictors were given and answered."""

    outcome: Outcome
    prediction: Any
    trace: list[tuple[Any, dict[str, Any], Any]]
    """DSPy's trace: (predictor, inputs, prediction) for every predictor call, in order."""


@dataclass(frozen=True)
class Evaluator:
    """Runs programs on examples under one LM, adapter, metric and meter.

    `dspy.context` is set for each example in its own thread, `dspy.configure` never. Costs and LM times come from the
    meter's recording around each example.
    """

    metric: Metric
    lm: dspy.LM
    adapter: dspy.Adapter
    meter: Meter
    recall: Recall | None = None
    threads: int = 8
    max_error_rate: float = 1.0
    """Share of examples in error, from the 20th on, above which the evaluation stops with `TooManyErrors`."""

    @cached_property
    def _callbacks(self) -> list[Any]:
        """The user's callbacks, and one that notes the models that are called past the meter."""
        import dspy

        return [*(dspy.settings.callbacks or ()), self.meter.watcher()]

    def evaluate(
        self,
        program: dspy.Module,
        examples: Sequence[Example],
        *,
        known: Mapping[str, Outcome] | None = None,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> Evaluation:
        """Evaluates `program` on `examples`; outcomes in `known` (by example id) are taken over and not run again.

        `on_outcome` is called in example order. Ctrl-C cancels what has not started and waits for what is in flight.

        Raises:
            BudgetExhausted: the budget's share is used up; what was answered so far is not an evaluation.
            ModelError: the provider refuses for good (key, model, credit).
            ConfigError: the metric or the program itself is at fault.
            TooManyErrors: see `max_error_rate`.
        """
        outcomes: list[Outcome] = []
        taken = known or {}
        open_examples = [example for example in examples if example.id not in taken]
        fresh = self._in_order(lambda example: self._attempt(program, example).outcome, open_examples)
        errors = 0
        for example in examples:
            outcome = taken.get(example.id) or next(fresh)
            outcomes.append(outcome)
            errors += outcome.error is not None
            if on_outcome is not None:
                on_outcome(outcome)
            if len(outcomes) >= ERRORS_FROM and errors > self.max_error_rate * len(outcomes):
                fresh.close()
                last = next(o.error for o in reversed(outcomes) if o.error is not None)
                raise TooManyErrors(
                    f"{errors} of {len(outcomes)} examples ended in an error (max_error_rate is "
                    f"{self.max_error_rate:g}); the last one: {last}",
                    outcomes,
                )
        return Evaluation(tuple(outcomes))

    def trace(self, program: dspy.Module, examples: Sequence[Example]) -> _Ordered[Traced]:
        """Like `evaluate`, with DSPy's trace of each run, in example order; `close` what is not read to its end."""
        return self._in_order(lambda example: self._attempt(program, example, trace=True), examples)

    def _in_order(self, work: Callable[[Example], T], examples: Iterable[Example]) -> _Ordered[T]:
        return _Ordered(work, list(examples), max(1, self.threads))

    def _attempt(self, program: dspy.Module, example: Example, *, trace: bool = False) -> Traced:
        import dspy

        steps: list[tuple[Any, dict[str, Any], Any]] | None = [] if trace else None
        with self.meter.recording() as calls:
            try:
                with dspy.context(lm=self.lm, adapter=self.adapter, trace=steps, callbacks=self._callbacks):
                    prediction = program(question=example.question, **example.inputs)
            except Exception as cause:  # a program can raise anything: the example's error, or the run's
                fatal = fatal_cause(cause) or self.meter.fatal
                if fatal is not None:
                    raise fatal from cause
                return Traced(self._failed(example, cause, calls), None, steps or [])
        return Traced(self._scored(program, example, prediction, calls), prediction, steps or [])

    def _failed(self, example: Example, cause: BaseException, calls: list[Call]) -> Outcome:
        return Outcome(
            example.id,
            None,
            error=describe_error(cause),
            answerable=example.answerable,
            slice=example.slice,
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
        score = self.metric(example, prediction)
        return Outcome(
            example.id,
            score.value,
            answer=answer,
            citations=tuple(getattr(prediction, "citations", None) or ()),
            passages=tuple(passage.id for passage in passages),
            sources=tuple(f"{passage.document}: {passage.source}" for passage in passages),
            recall=self.recall(example, passages) if self.recall is not None and passages else None,
            answerable=example.answerable,
            abstained=is_abstention(answer),
            slice=example.slice,
            feedback=score.feedback,
            **_costs(calls),
        )


class _Ordered(Iterator[T], Generic[T]):
    """Runs `work` over examples in threads and yields the results in order; closing cancels what has not started."""

    def __init__(self, work: Callable[[Example], T], examples: list[Example], threads: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="ragc-evaluate")
        self._futures: list[Future[T]] = [
            self._pool.submit(contextvars.copy_context().run, work, example) for example in examples
        ]
        self._futures.reverse()

    def __next__(self) -> T:
        if not self._futures:
            self._pool.shutdown(wait=False)
            raise StopIteration
        try:
            return self._futures.pop().result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Cancels what has not started and waits for what is in flight, so that its cost is counted."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._futures.clear()


def _costs(calls: Sequence[Call]) -> dict[str, Any]:
    prices = [call.usd for call in calls]
    return {
        "calls": len(calls),
        "input_tokens": sum(call.input_tokens for call in calls),
        "output_tokens": sum(call.output_tokens for call in calls),
        "usd": None if any(price is None for price in prices) else sum(p for p in prices if p is not None),
        "seconds": sum(call.seconds for call in calls),
    }


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def fatal_cause(error: BaseException) -> RagcError | None:
    """The error in the chain of causes that ends the run rather than the example, if there is one.

    DSPy wraps what an engine raises, and keeps the original as `__cause__`.
    """
    for link in _chain(error):
        if isinstance(link, BudgetExhausted | ModelError | ConfigError):
            return link
    return None


def describe_error(error: BaseException) -> str:
    """One line on what went wrong with an example: ragc's own words where the chain holds an `ExampleError`."""
    for link in _chain(error):
        if isinstance(link, RagcError):
            return str(link)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
