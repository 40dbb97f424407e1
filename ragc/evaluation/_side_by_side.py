"""Programs on the same examples, question by question: what drifts at a provider meanwhile drifts for all alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragc.errors import BudgetExhausted, Interrupted, RagcError
from ragc.evaluation._evaluation import Evaluation, Outcome
from ragc.evaluation._pending import too_many_errors
from ragc.evaluation._pool import Pool

if TYPE_CHECKING:
    import dspy

    from ragc.data import Example
    from ragc.evaluation._evaluator import Evaluator


@dataclass(frozen=True)
class Side:
    """One of the programs, with its evaluator."""

    evaluator: Evaluator
    program: dspy.Module
    inside: Callable[[], AbstractContextManager[Any]]
    """The context of its calls, entered around each example in the thread that answers it."""


def side_by_side(
    sides: Mapping[str, Side],
    examples: Sequence[Example],
    *,
    threads: int,
    on_outcome: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Evaluation | RagcError]:
    """Evaluates every program on `examples`: all of them on the first, then all on the second, and so on.

    A program that fails for good (a wrong key, too many errors) ends alone, with its error in the place of its
    evaluation. `on_outcome` is told how many answers there are of how many, in order.

    Raises:
        BudgetExhausted, Interrupted, KeyboardInterrupt: what ends them all; what has not started is cancelled.
    """
    ended: dict[str, RagcError] = {}
    outcomes: dict[str, list[Outcome]] = {name: [] for name in sides}
    errors = dict.fromkeys(sides, 0)
    failed_at: dict[str, int] = {}
    lock = threading.Lock()
    items = list(enumerate((name, example) for example in examples for name in sides))

    def answer(item: tuple[int, tuple[str, Example]]) -> Outcome | RagcError | None:
        number, (name, example) = item
        if number > failed_at.get(name, number):  # what stands before it still decides which error it ends with
            return None
        side = sides[name]
        try:
            with side.inside():
                return side.evaluator.answer(side.program, example)
        except (BudgetExhausted, Interrupted):
            raise
        except RagcError as error:
            with lock:
                failed_at[name] = min(number, failed_at.get(name, number))
            return error

    pool = Pool(max(1, threads))
    batch = pool.begin(answer, items)
    try:
        for (number, (name, _)), found in zip(items, batch, strict=True):
            if name in ended or found is None:
                continue
            if isinstance(found, RagcError):
                ended[name] = found
                continue
            outcomes[name].append(found)
            errors[name] += found.error is not None
            refused = too_many_errors(outcomes[name], errors[name], sides[name].evaluator.max_error_rate)
            if refused is not None:
                ended[name], failed_at[name] = refused, number
            on_outcome(number + 1, len(items))
    except BaseException:
        pool.clear()
        raise
    return {name: ended.get(name) or Evaluation(tuple(outcomes[name])) for name in sides}
