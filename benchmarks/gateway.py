"""What the gateway costs, and what it saves: DSPy beside it, on the same scripted servers.

    python benchmarks/gateway.py

- CPU time of a call above DSPy's own, the journal on the disk of TMPDIR: a 7 KB prompt, an engine that answers at once;
  and where it goes, each part alone.
- The same prompt from 16 threads at once: requests that the server gets.
- Wall time of 300 questions, 16 at once (lognormal latencies, median 0.3 s), where the server refuses one request in
  twenty with 429, by lot and without saying how long to wait; against the same without refusals.
- The bootstrap optimizer on 300 examples where one call in twenty fails for good (400, context exceeded): DSPy's with
  all 300 as its trainset, and with ragc's splits as trainset and valset.
- `ragc compile` of the handbook as a command, with its tracking, and once more with nothing changed.

Each server is a process of its own. The machine's speed is in every figure but the ratios and the counts: a machine
that others use makes seconds longer, and CPU time as well.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"

import dspy  # noqa: E402

from benchmarks._compiles import KEY, SCRIPT, THREADS, Ended, command, stage, with_dspy, with_ragc  # noqa: E402
from benchmarks._overhead import overhead  # noqa: E402
from benchmarks._parts import parts  # noqa: E402
from provider import RemoteProvider  # noqa: E402
from ragc.data import Example  # noqa: E402
from ragc.evaluation import Evaluator, load_metric  # noqa: E402
from ragc.models import Gateway, Journal, make_adapter, make_lm  # noqa: E402
from ragc.project import ModelSettings  # noqa: E402

QUESTIONS = 300
MEDIAN, SIGMA = 0.3, 0.5
REFUSED = FAILING = 0.05


@contextlib.contextmanager
def gateway_of_its_own() -> Iterator[Gateway]:
    """With a new journal on the disk."""
    with TemporaryDirectory() as folder:
        gateway = Gateway(journal=Journal.open(Path(folder) / "journal.db"), run="run", task="bench")
        yield gateway
        gateway.close()


def settings(provider: RemoteProvider) -> ModelSettings:
    return ModelSettings(
        model="openai/scripted", base_url=provider.base_url, api_key_env=KEY, max_tokens=100, threads=THREADS
    )


def dspys(provider: RemoteProvider, **given: Any) -> dspy.LM:
    return dspy.LM("openai/scripted", api_base=provider.base_url, api_key="any", max_tokens=100, **given)


def same_prompt() -> None:
    """Requests for one prompt that 16 threads ask at once."""
    prompt = f"How many days? ({uuid.uuid4()})"  # DSPy's cache outlives a process
    counts = {}
    with RemoteProvider("--answers", SCRIPT, "--latency", "0.3") as provider, gateway_of_its_own() as gateway:
        lms = {"ragc": make_lm(settings(provider), gateway=gateway), "DSPy": dspys(provider)}
        for name, lm in lms.items():
            provider.reset()
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda _, lm=lm: lm(prompt), range(THREADS)))
            counts[name] = provider.counts().total()
    told(f"one prompt, {THREADS} threads", f"ragc {counts['ragc']} request, DSPy {counts['DSPy']}   (reach: 1)")


def refusals() -> None:
    """Wall time with refusals against the time without, each side against itself."""
    examples = [Example(id=f"{n}", question=f"How many days in case {n}?", answers=("five",)) for n in range(QUESTIONS)]
    metric = load_metric(None, "answer_f1")  # type: ignore[arg-type]  # a built-in metric needs no project
    program = dspy.Predict("question -> answer")

    def with_gateway(provider: RemoteProvider) -> int:
        with gateway_of_its_own() as gateway:
            ours = settings(provider)
            lm = make_lm(ours, gateway=gateway)
            found = Evaluator(metric, lm, make_adapter(ours), gateway, threads=THREADS).evaluate(program, examples)
        return sum(outcome.error is not None for outcome in found.outcomes)

    def with_evaluate(provider: RemoteProvider) -> int:
        devset = [dspy.Example(question=one.question, label=one).with_inputs("question") for one in examples]
        evaluate = dspy.Evaluate(
            devset=devset,
            metric=lambda example, prediction, trace=None: metric(example.label, prediction).value,
            num_threads=THREADS,
            max_errors=QUESTIONS,
            failure_score=-1.0,
        )
        with dspy.context(lm=dspys(provider, cache=False), adapter=dspy.ChatAdapter()):
            return sum(score < 0 for _, _, score in evaluate(program).results)

    latency = ("--answers", SCRIPT, "--latency", str(MEDIAN), "--sigma", str(SIGMA))
    faults = f'{{"429": {REFUSED}}}'
    with RemoteProvider(*latency) as clean, RemoteProvider(*latency, "--faults", faults) as refusing:
        for name, run, times in (("ragc", with_gateway, 2), ("DSPy", with_evaluate, 1)):
            pairs = [(_seconds(run, clean), _seconds(run, refusing)) for _ in range(times)]
            ratio = statistics.median(refused / alone for (alone, _), (refused, _) in pairs)
            (alone, _), (refused, errors) = pairs[-1]
            reach = "   (reach: 1.15)" if name == "ragc" else ""
            told(
                f"{REFUSED:.0%} of requests refused",
                f"{name} {ratio:.2f} times {alone:.1f} s, {refused:.1f} s; {errors} unanswered{reach}",
            )


def _seconds(run: Callable[[RemoteProvider], int], provider: RemoteProvider) -> tuple[float, int]:
    """How long it takes, and how many questions are left without an answer."""
    provider.reset()  # the same requests meet the same refusals
    began = time.perf_counter()
    errors = run(provider)
    return time.perf_counter() - began, errors


def failing_calls() -> None:
    """The optimizers where one call in twenty fails."""
    given = ("--answers", SCRIPT, "--faults", f'{{"context exceeded": {FAILING}}}')
    compiles: dict[str, Callable[[Path, RemoteProvider], Ended]] = {
        "ragc": with_ragc,
        "DSPy": with_dspy,
        "DSPy, valset apart": partial(with_dspy, apart=True),
    }
    for name, compile_with in compiles.items():
        with TemporaryDirectory() as folder, RemoteProvider(*given) as provider:
            stage(Path(folder), provider, QUESTIONS)
            ended = compile_with(Path(folder), provider)
        reach = "   (reach: finishes)" if name == "ragc" else ""
        told(
            f"{FAILING:.0%} of calls fail", f"{name} {ended.came_to}; {ended.calls} calls, {ended.failed} failed{reach}"
        )


def second_compile() -> None:
    """The handbook twice."""
    with TemporaryDirectory() as folder, RemoteProvider("--answers", SCRIPT) as provider:
        stage(Path(folder), provider)
        first, second = command(Path(folder), provider), command(Path(folder), provider)
    same = "the same artifact" if first.id == second.id else "ANOTHER ARTIFACT"
    told("the handbook", f"{first.seconds:.1f} s, {first.cpu:.1f} s of CPU, {first.calls} calls")
    told(
        "  again, unchanged",
        f"{second.seconds:.1f} s, {second.cpu:.1f} s of CPU, {second.calls} calls, {same}   (reach: 10 s, 0 calls)",
    )


def told(what: str, figures: str) -> None:
    """One line of the result, at once."""
    print(f"{what:<26}{figures}", flush=True)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.environ[KEY] = "any-key-will-do"
    logging.disable(logging.WARNING)  # both sides' remarks about calls that fail on order
    for threads in (1, THREADS):
        found = overhead(threads)
        told(
            f"CPU a call, {threads} thread{'s' * (threads > 1)}",
            f"{found.disk:.2f} ms above DSPy's {found.dspy:.2f}, {found.memory:.2f} with the journal in memory"
            "   (reach: 0.30)",
        )
    for part, milliseconds in parts().items():
        print(f"  {part:<40}{milliseconds:.3f} ms", flush=True)
    with TemporaryDirectory() as folder:
        dspy.configure_cache(disk_cache_dir=folder)
        same_prompt()
        refusals()
    failing_calls()
    second_compile()


if __name__ == "__main__":
    main()
