"""How many of 16 slots are in use while the bootstrap optimizer compiles the handbook; DSPy's own beside it.

    python benchmarks/slots.py [--threads 16] [--median 0.5] [--sigma 0.6]

A scripted model in the process knows some of the answers, more with demonstrations, and takes its time: lognormal,
drawn from the prompt (at sigma 0.6 the 95th percentile is 2.7 times the median). Slots in use are the seconds that
calls were in flight, over all slots from the first call's beginning to the last one's end. ragc runs the whole of
`ragc compile`: pilot, baseline, training, six candidates, both sides of the test. DSPy runs
BootstrapFewShotWithRandomSearch with six sets on the same splits, retrieval and metric, its cache in memory, and
Evaluate for both sides of the test.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from unittest import mock

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

import ragc
from ragc.compiler import open_bench
from ragc.data import Example, read_examples
from ragc.models import Gateway
from ragc.project import Project

ROOT = Path(__file__).resolve().parent.parent
KEY = "SLOTS_KEY"
PYPROJECT = f"""
[project]
name = "slots"
version = "0"

[tool.ragc]
lm = {{ model = "openai/scripted", api_key_env = "{KEY}", max_tokens = 100 }}
tracking = "off"

[tool.ragc.tasks.handbook]
program = "programs.grounded:GroundedAnswer"
corpus = "data/handbook/corpus"
examples = "data/handbook/examples.jsonl"
metric = "answer_f1"
"""
CANDIDATES, BOOTSTRAPPED, LABELLED = 6, 2, 6
KNOWN, SHOWN = 0.3, 0.6
"""Share of the answers that the model knows, without demonstrations and with them."""


class Slow:
    """An engine that answers from the labels, and keeps when it was busy."""

    def __init__(self, examples: list[Example], median: float, sigma: float) -> None:
        self.answers = {example.question: example.answers for example in examples}
        self.median, self.sigma = median, sigma
        self.calls, self.busy = 0, 0.0
        self.began, self.ended = math.inf, 0.0
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: object) -> Slow:
        return self

    def complete(self, request: Request) -> Response:
        """Answer after a while."""
        began = time.perf_counter()
        prompt = "".join(message.text or "" for message in request.messages)
        time.sleep(self.median * random.Random(prompt).lognormvariate(0, self.sigma))
        asked = (request.messages[-1].text or "").rpartition("[[ ## question ## ]]")[2].strip().partition("\n")[0]
        share = SHOWN if len(request.messages) > 2 else KNOWN
        known = random.Random(asked).random() < share
        answers = self.answers[asked] or ("The documents do not say.",)
        text = f"[[ ## answer ## ]]\n{answers[0] if known else 'a guess'}\n\n[[ ## completed ## ]]"
        ended = time.perf_counter()
        with self._lock:
            self.calls += 1
            self.busy += ended - began
            self.began, self.ended = min(self.began, began), max(self.ended, ended)
        usage = Usage(input_tokens=100, output_tokens=10, total_tokens=110)
        message = Message.assistant([TextPart(text)])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=usage)

    def line(self, name: str, threads: int) -> str:
        """The figures as they are printed."""
        seconds = self.ended - self.began
        return f"{name:<8}{self.calls:>6} calls {seconds:>8.1f} s   slots in use {self.busy / threads / seconds:.2f}"


def compile_with_ragc(project: Path, engine: Slow, threads: int) -> None:
    """Run `ragc.compile` with `engine` in the provider's place."""
    settings = {"candidates": str(CANDIDATES), "bootstrapped": str(BOOTSTRAPPED)}
    with mock.patch("ragc.models._engine.provider_engine", return_value=engine):
        ragc.compile(project=project, optimizer="bootstrap", settings=settings, threads=threads)


def compile_with_dspy(project: Path, engine: Slow, threads: int) -> None:
    """Run DSPy's optimizer and both sides of the test, on a bench of ragc's: its splits, index and metric."""
    found = Project.find(project)
    bench = open_bench(
        found, found.task(None), gateway_for=lambda *_: Gateway(), threads=threads, on_event=lambda event: None
    )
    splits = {
        name: [
            dspy.Example(question=one.question, answer=(one.answers or ("",))[0], label=one).with_inputs("question")
            for one in getattr(bench.labelled.splits, name)
        ]
        for name in ("train", "validation", "test")
    }

    def metric(example: dspy.Example, prediction: Any, trace: object = None) -> float:
        return bench.evaluator.metric(example.label, prediction).value

    dspy.configure_cache(enable_disk_cache=False)
    lm = dspy.LM("openai/scripted", engine=engine, num_retries=0, max_tokens=100)
    program = bench.program()
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter()), contextlib.redirect_stdout(io.StringIO()):
        optimizer = dspy.BootstrapFewShotWithRandomSearch(
            metric=metric,
            metric_threshold=1.0,
            max_bootstrapped_demos=BOOTSTRAPPED,
            max_labeled_demos=LABELLED,
            num_candidate_programs=CANDIDATES,
            num_threads=threads,
        )
        best = optimizer.compile(program, trainset=splits["train"], valset=splits["validation"])
        test = dspy.Evaluate(devset=splits["test"], metric=metric, num_threads=threads)
        test(program)
        test(best)
    bench.close()


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--median", type=float, default=0.5, help="seconds")
    parser.add_argument("--sigma", type=float, default=0.6)
    options = parser.parse_args()
    os.environ[KEY] = "any"
    print(f"{options.threads} slots, median {options.median:g} s, sigma {options.sigma:g} (reach 0.9)")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("programs", "optimizers", "data"):
            shutil.copytree(ROOT / name, project / name)
        (project / "pyproject.toml").write_text(PYPROJECT, "utf-8")
        examples = list(read_examples(project / "data" / "handbook" / "examples.jsonl"))
        for name, work in (("ragc", compile_with_ragc), ("DSPy", compile_with_dspy)):
            engine = Slow(examples, options.median, options.sigma)
            work(project, engine, options.threads)
            print(engine.line(name, options.threads), flush=True)


if __name__ == "__main__":
    main()
