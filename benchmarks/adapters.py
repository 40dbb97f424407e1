"""Which adapter lets the embedded model answer: PlainAdapter, DSPy's ChatAdapter or its JSONAdapter.

Gold passages of XQuAD, cut to 300 characters around the answer, 40 questions, without demonstrations and with three.
Prints token F1 with a 95% interval (bootstrap over questions), failed parses, seconds and input tokens a call.

    python benchmarks/adapters.py [--questions 40] [--model local/smollm2-135m-instruct]

The data is looked for in RAGC_BENCH_DATA, then in ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import statistics
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from ragc.data import Example
from ragc.evaluation.metrics import answer_f1
from ragc.models import Gateway, PlainAdapter, make_lm, prepare_model
from ragc.project import ModelSettings

REPOSITORY = Path(__file__).resolve().parent.parent
PASSAGE = 300
"""Characters of a passage."""
LONGEST = 128
"""Tokens of a response: room for the markers of ChatAdapter, an end for a model that repeats itself."""
DEMONSTRATIONS = (0, 3)


class AnswerFromPassage(dspy.Signature):  # type: ignore[misc]  # dspy ships no types
    """Answer the question from the passage, in as few words as possible."""

    passage: str = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


@dataclass(frozen=True)
class Row:
    """One adapter with one number of demonstrations."""

    adapter: str
    demonstrations: int
    scores: list[float]
    unparsed: int
    seconds: float
    input_tokens: float

    def line(self) -> str:
        """The row as it is printed."""
        low, high = interval(self.scores)
        score = f"{statistics.fmean(self.scores):.3f}  [{low:.3f}, {high:.3f}]"
        cost = f"{self.unparsed:>8}  {self.seconds:>8.2f}  {self.input_tokens:>6.0f}"
        return f"{self.adapter:<14} {self.demonstrations:>5}   {score}  {cost}"


def find_data() -> Path | None:
    """The folder of XQuAD's English part; None, said where it was looked for, when there is none."""
    roots = [Path(os.environ["RAGC_BENCH_DATA"])] if "RAGC_BENCH_DATA" in os.environ else []
    roots.append(REPOSITORY.parent / "shared" / "data")
    for root in roots:
        if (root / "xquad_en" / "examples.jsonl").is_file():
            return root / "xquad_en"
    print(f"no xquad_en in {' or '.join(map(str, roots))}: set RAGC_BENCH_DATA to the folder that holds it")
    return None


def read(folder: Path, questions: int) -> tuple[list[dspy.Example], list[tuple[Example, str]]]:
    """Demonstrations and test questions, each with its passage; a seeded sample in which no passage is in both."""
    texts = {line["id"]: line["text"] for line in map(json.loads, (folder / "corpus.jsonl").open(encoding="utf-8"))}
    rows = [json.loads(line) for line in (folder / "examples.jsonl").open(encoding="utf-8")]
    random.Random(0).shuffle(rows)
    shown: list[dspy.Example] = []
    seen: set[str] = set()
    tests: list[tuple[Example, str]] = []
    for row in rows:
        document, answer = row["evidence"][0], row["answers"][0]
        passage = around(texts[document], answer)
        if len(shown) < max(DEMONSTRATIONS):
            if document not in seen:
                shown.append(dspy.Example(passage=passage, question=row["question"], answer=answer))
                seen.add(document)
        elif document not in seen and len(tests) < questions:
            tests.append((Example(id=row["id"], question=row["question"], answers=tuple(row["answers"])), passage))
    return shown, tests


def around(text: str, answer: str, size: int = PASSAGE) -> str:
    """The part of `text` of about `size` characters, whole words, with `answer` in the middle."""
    at = max(0, text.find(answer))
    start = max(0, min(at - (size - len(answer)) // 2, len(text) - size))
    part = text[start : start + size]
    if start:
        part = part.partition(" ")[2]
    return part if start + size >= len(text) else part.rpartition(" ")[0]


def measure(
    settings: ModelSettings,
    adapter: dspy.Adapter,
    demos: list[dspy.Example],
    tests: list[tuple[Example, str]],
) -> Row:
    """Ask every question once. A completion that does not parse scores 0 here, and is counted."""
    gateway = Gateway()
    predict = dspy.Predict(AnswerFromPassage)
    predict.demos = demos
    scores, unparsed = [], 0
    with dspy.context(lm=make_lm(settings, gateway=gateway), adapter=adapter), gateway.recording() as calls:
        for example, passage in tests:
            try:
                answer: Any = predict(passage=passage, question=example.question).answer
            except AdapterParseError:
                answer, unparsed = "", unparsed + 1
            scores.append(answer_f1(example, SimpleNamespace(answer=answer)).value)
    seconds = sum(call.seconds for call in calls) / len(calls)
    return Row(
        type(adapter).__name__, len(demos), scores, unparsed, seconds, gateway.usage.input_tokens / gateway.usage.calls
    )


def interval(scores: list[float], draws: int = 2000) -> tuple[float, float]:
    """The 95% interval of the mean: percentile bootstrap over questions."""
    chance = random.Random(0)
    means = sorted(statistics.fmean(chance.choices(scores, k=len(scores))) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws)]


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--questions", type=int, default=40)
    arguments.add_argument("--model", default="local/smollm2-135m-instruct")
    given = arguments.parse_args()
    data = find_data()
    if data is None:
        return
    logging.getLogger("dspy.clients.lm").setLevel(logging.ERROR)  # which warns of every answer that was cut off
    settings = ModelSettings(model=given.model, max_tokens=LONGEST)
    prepare_model(settings)
    shown, tests = read(data, given.questions)
    print(f"{settings.model}, {len(tests)} questions of xquad_en, gold passage of {PASSAGE} characters")
    print("adapter        demos   answer_f1               unparsed  s a call  tokens")
    adapters = [
        PlainAdapter(),
        dspy.ChatAdapter(use_json_adapter_fallback=False),
        dspy.JSONAdapter(),
    ]
    for adapter in adapters:
        for number in DEMONSTRATIONS:
            print(measure(settings, adapter, shown[:number], tests).line(), flush=True)


if __name__ == "__main__":
    main()
