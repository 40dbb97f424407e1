"""What the evaluator adds to DSPy's own call, in CPU time an example, over a scripted model that answers at once.

    python benchmarks/evaluator.py [--examples 2000]

Both sides run the same program on the same questions in one process, one after the other, several times; the median
of the differences is printed. CPU time, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from ragc.data import Example
from ragc.errors import RagcError
from ragc.evaluation import Evaluator, load_metric
from ragc.models import Call, PlainAdapter

ROUNDS = 5


class StandIn:
    """What an evaluator asks of a gateway, and nothing behind it: the gateway has figures of its own."""

    fatal: RagcError | None = None

    def watching(self) -> AbstractContextManager[None]:
        """Watches nothing."""
        return nullcontext()

    @contextmanager
    def recording(self, example: str | None = None) -> Iterator[list[Call]]:
        """Records nothing."""
        yield []


class Instant:
    """An engine that answers "five days" without a model."""

    def complete(self, request: Request) -> Response:
        """Answer at once."""
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart("five days")]),
            finish_reason="stop",
            usage=Usage(input_tokens=10, output_tokens=2, total_tokens=12),
        )


def cpu(work: object) -> float:
    """Return the process's CPU seconds of calling `work`."""
    begun = time.process_time()
    work()  # type: ignore[operator]
    return time.process_time() - begun


def main() -> None:
    """Print the overhead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=2_000)
    count = parser.parse_args().examples
    examples = [
        Example(id=f"e{n}", question=f"How many days in case {n}?", answers=("five days",)) for n in range(count)
    ]
    lm = dspy.LM("scripted/instant", engine=Instant(), cache=False, num_retries=0)
    adapter = PlainAdapter()
    program = dspy.Predict("question -> answer")
    metric = load_metric(None, "answer_f1")  # type: ignore[arg-type]  # a built-in metric needs no project
    evaluator = Evaluator(metric, lm, adapter, StandIn(), threads=1)  # type: ignore[arg-type]  # all that it asks of one

    def plain() -> None:
        for example in examples:
            with dspy.context(lm=lm, adapter=adapter, trace=None):
                metric(example, program(question=example.question))

    def evaluated() -> None:
        evaluator.evaluate(program, examples)

    cpu(plain)
    pairs = [(cpu(plain), cpu(evaluated)) for _ in range(ROUNDS)]
    alone = statistics.median(first for first, _ in pairs) / count * 1e3
    added = statistics.median(second - first for first, second in pairs) / count * 1e3
    ratio = statistics.median(second / first for first, second in pairs)
    print(f"examples                 {count}, {ROUNDS} rounds")
    print(f"DSPy's call and metric   {alone:.3f} ms CPU an example")
    print(f"the evaluator adds       {added:.3f} ms CPU an example (ratio {ratio:.2f})")


if __name__ == "__main__":
    main()
