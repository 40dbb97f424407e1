"""Compiles the starter program on real questions: XQuAD (English) with Wikipedia paragraphs as distractors.

    python benchmarks/xquad.py [--questions 160] [--budget-calls 500] [--lm local/smollm2-135m-instruct]

The data is looked for under RAGC_BENCH_DATA, else ../shared/data: `xquad_en/` (240 paragraphs, 876 questions,
CC BY-SA 4.0) and `wiki_passages/` (6,119 paragraphs). A seeded sample of questions is split and compiled in a
temporary project; printed are exact match, F1 and recall@k of baseline and compiled on the test split, calls and input
tokens a question, with n and 95% intervals. Without the data it says so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import ragc
from ragc.compiler import CompileResult, Event, Finished, Warned
from ragc.data import read_examples
from ragc.evaluation import Evaluation, Outcome, compare_paired, load_metric
from ragc.project import starter

DATA = Path(os.environ.get("RAGC_BENCH_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
QUESTIONS = DATA / "xquad_en" / "examples.jsonl"
CONFIGURATION = """
[project]
name = "xquad"
version = "0"

[tool.ragc]
lm = "{lm}"
tracking = "off"

[tool.ragc.tasks.xquad]
program = "programs.grounded:GroundedAnswer"
corpus = "data/xquad/corpus.jsonl"
examples = "data/xquad/examples.jsonl"
metric = "answer_f1"
optimizer = "{optimizer}"
"""


def make_project(folder: Path, arguments: argparse.Namespace) -> None:
    """Write a project with a seeded sample of the questions and every paragraph."""
    for name in ("programs", "optimizers"):
        shutil.copytree(starter() / name, folder / name)
    (folder / "pyproject.toml").write_text(
        CONFIGURATION.format(lm=arguments.lm, optimizer=arguments.optimizer), encoding="utf-8"
    )
    target = folder / "data" / "xquad"
    target.mkdir(parents=True)
    lines = QUESTIONS.read_text("utf-8").splitlines()
    chosen = sorted(random.Random(arguments.seed).sample(range(len(lines)), min(arguments.questions, len(lines))))
    (target / "examples.jsonl").write_text("".join(lines[number] + "\n" for number in chosen), encoding="utf-8")
    with (target / "corpus.jsonl").open("w", encoding="utf-8") as corpus:
        for source in ("xquad_en", "wiki_passages"):
            path = DATA / source / "corpus.jsonl"
            if path.is_file():
                for line in path.read_text("utf-8").splitlines():
                    record = json.loads(line)
                    corpus.write(json.dumps(record, ensure_ascii=False) + "\n")


def exact(evaluation: Evaluation, questions: dict[str, object]) -> Evaluation:
    """The same answers under exact match."""
    metric = load_metric(None, "exact_match")  # type: ignore[arg-type]  # a built-in metric needs no project
    outcomes = []
    for outcome in evaluation.outcomes:
        value = None if outcome.score is None else metric(questions[outcome.example], outcome).value  # type: ignore[arg-type]
        outcomes.append(Outcome(outcome.example, value))
    return Evaluation(tuple(outcomes))


def show(event: Event) -> None:
    """Print finished steps and warnings."""
    if isinstance(event, Finished):
        for number, line in enumerate(event.lines):
            print(f"{event.label if number == 0 else '':<10} {line}", flush=True)
    elif isinstance(event, Warned):
        print(f"warning    {event.text}", flush=True)


def report(result: CompileResult, questions: dict[str, object], seconds: float) -> None:
    """Print the table."""
    before, after = result.baseline_test, result.compiled_test
    if before is None or after is None or result.comparison is None:
        print("not tested")
        return
    strict = compare_paired(exact(before, questions), exact(after, questions))
    print()
    print(f"{'test split':<28}{'baseline':>10}{'compiled':>10}   difference [95% interval], p")
    for name, comparison in (("F1", result.comparison), ("exact match", strict)):
        interval = "too few changes for an interval"
        if comparison.ci_low is not None and comparison.ci_high is not None and comparison.p_value is not None:
            interval = (
                f"[{100 * comparison.ci_low:+.1f}, {100 * comparison.ci_high:+.1f}], p = {comparison.p_value:.4f}"
            )
        print(
            f"{name:<28}{100 * (comparison.baseline or 0):>10.1f}{100 * (comparison.candidate or 0):>10.1f}"
            f"   {100 * (comparison.difference or 0):+.1f} {interval}, n = {comparison.n}"
        )
    for name, left, right in (
        ("recall@k", before.recall, after.recall),
        ("input tokens a question", before.input_tokens_per_question, after.input_tokens_per_question),
        ("calls a question", calls(before), calls(after)),
    ):
        print(f"{name:<28}{left or 0:>10.2f}{right or 0:>10.2f}")
    usage = result.usage
    print(f"{'calls in all':<28}{0 if usage is None else usage.calls:>10}   {seconds / 60:.1f} minutes")


def calls(evaluation: Evaluation) -> float:
    """Mean LM calls a question."""
    return sum(outcome.calls for outcome in evaluation.outcomes) / max(1, len(evaluation.outcomes))


def main() -> int:
    """Compile and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=160)
    parser.add_argument("--budget-calls", type=int, default=500)
    parser.add_argument("--lm", default="local/smollm2-135m-instruct")
    parser.add_argument("--optimizer", default="bootstrap")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not QUESTIONS.is_file():
        print(f"no data at {QUESTIONS}; set RAGC_BENCH_DATA to a folder with xquad_en/ and wiki_passages/")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder, arguments)
        begun = time.perf_counter()
        result = ragc.compile(
            "xquad",
            project=folder,
            budget={"calls": arguments.budget_calls},
            settings=dict(pair.split("=", 1) for pair in arguments.set),
            seed=arguments.seed,
            on_event=show,
        )
        questions: dict[str, object] = {
            example.id: example for example in read_examples(folder / "data" / "xquad" / "examples.jsonl")
        }
        report(result, questions, time.perf_counter() - begun)
    return 0


if __name__ == "__main__":
    sys.exit(main())
