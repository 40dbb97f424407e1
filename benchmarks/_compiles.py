"""Compiles of the handbook with a scripted provider: with calls that fail, and a second time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

import ragc
from provider import RemoteProvider
from ragc.compiler import open_bench
from ragc.data import Example
from ragc.errors import RagcError
from ragc.models import Gateway
from ragc.project import Project

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = "benchmarks._somewhat:answer"
KEY = "GATEWAY_BENCH_KEY"
THREADS = 16
CANDIDATES, BOOTSTRAPPED, LABELLED = 6, 2, 6
PYPROJECT = """
[project]
name = "gateway-bench"
version = "0"

[tool.ragc]
lm = {{ model = "openai/scripted", base_url = "{url}", api_key_env = "{key}", max_tokens = 100, threads = {threads} }}

[tool.ragc.tasks.handbook]
program = "programs.grounded:GroundedAnswer"
corpus = "data/handbook/corpus"
examples = "data/handbook/examples.jsonl"
metric = "answer_f1"
optimizer = "bootstrap"
"""


def stage(project: Path, provider: RemoteProvider, examples: int | None = None) -> None:
    """Makes the handbook's project, with so many of its questions, and the provider as its model."""
    for name in ("programs", "optimizers", "data"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    text = PYPROJECT.format(url=provider.base_url, key=KEY, threads=THREADS)
    (project / "pyproject.toml").write_text(text, "utf-8")
    os.environ[KEY] = "any-key-will-do"
    if examples is not None:
        file = project / "data" / "handbook" / "examples.jsonl"
        lines = file.read_text("utf-8").splitlines(keepends=True)
        file.write_text("".join(lines[:examples]), "utf-8")
        (file.parent / "splits.json").unlink()


@dataclass(frozen=True)
class Ended:
    """What a compile came to."""

    calls: int
    failed: int
    came_to: str


def with_ragc(project: Path, provider: RemoteProvider) -> Ended:
    """`ragc compile`."""
    settings = {"candidates": str(CANDIDATES), "bootstrapped": str(BOOTSTRAPPED)}
    try:
        result = ragc.compile(project=project, settings=settings)
    except RagcError as error:
        return _ended(provider, f"stopped: {error}")
    test = result.compiled_test
    score = "" if test is None or test.score is None else f", test {test.score:.2f}"
    return _ended(provider, f"{'finished' if result.stopped is None else result.stopped}: {result.sealed}{score}")


def with_dspy(project: Path, provider: RemoteProvider, *, apart: bool = False) -> Ended:
    """DSPy's optimizer on ragc's index and metric, with its own LM.

    It takes all examples as its trainset, which then is what candidates are compared on; with `apart`, ragc's training
    and validation splits.
    """
    found = Project.find(project)
    bench = open_bench(
        found, found.task(None), gateway_for=lambda *_: Gateway(), threads=THREADS, on_event=lambda event: None
    )
    splits = bench.labelled.splits
    train, validation = _for_dspy(splits.train), _for_dspy(splits.validation)
    given = (train, validation) if apart else (train + validation + _for_dspy(splits.test), None)

    def metric(example: dspy.Example, prediction: Any, trace: object = None) -> float:
        return bench.evaluator.metric(example.label, prediction).value

    lm = dspy.LM("openai/scripted", api_base=provider.base_url, api_key="any", max_tokens=100, cache=False)
    quiet = io.StringIO()
    with (
        contextlib.closing(bench),
        dspy.context(lm=lm, adapter=dspy.ChatAdapter()),
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
    ):
        optimizer = dspy.BootstrapFewShotWithRandomSearch(
            metric=metric,
            metric_threshold=1.0,
            max_bootstrapped_demos=BOOTSTRAPPED,
            max_labeled_demos=LABELLED,
            num_candidate_programs=CANDIDATES,
            num_threads=THREADS,
        )
        try:
            optimizer.compile(bench.program(), trainset=given[0], valset=given[1])
        except Exception as error:  # noqa: BLE001  whatever it ends with is the result
            return _ended(provider, f"raised {type(error).__name__}: {str(error).splitlines()[0][:60]}")
    return _ended(provider, "finished")


def _for_dspy(examples: Sequence[Example]) -> list[dspy.Example]:
    return [
        dspy.Example(question=one.question, answer=(one.answers or ("",))[0], label=one).with_inputs("question")
        for one in examples
    ]


def _ended(provider: RemoteProvider, came_to: str) -> Ended:
    served = provider.record()["served"]
    return Ended(len(served), sum(one["status"] >= 400 for one in served), came_to)


@dataclass(frozen=True)
class Command:
    """One `ragc compile` in a process of its own."""

    seconds: float
    cpu: float
    """The processor's, user and system."""
    calls: int
    """As the provider counts them."""
    id: str


def command(project: Path, provider: RemoteProvider) -> Command:
    """Run `ragc compile`; CalledProcessError, with what it said, where it fails."""
    before, began, used = provider.counts().total(), time.perf_counter(), _cpu()
    done = subprocess.run(
        [sys.executable, "-m", "ragc", "compile", "handbook", "--json"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - began
    calls = provider.counts().total() - before
    return Command(seconds, _cpu() - used, calls, json.loads(done.stdout)["id"])


def _cpu() -> float:
    """The processor's seconds that the processes took which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
