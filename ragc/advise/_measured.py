"""What a project already knows about its task: its labels, and what its artifact was measured at. Nothing is asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ragc.advise._facts import Facts

if TYPE_CHECKING:
    from ragc.artifact import Manifest, Verified
    from ragc.project import Project, TaskSettings

SPLITS = ("test", "validation")
"""Where figures are taken from: the first that was measured."""
FEWEST = 10
"""Test questions of a slice below which its score is not called weak."""


@dataclass(frozen=True)
class Measured:
    """The own measurements. What needs an artifact is None where there is none."""

    task: str
    labels: int
    slices: Mapping[str, int] = field(default_factory=dict)
    """Labels of each slice."""
    artifact: str | None = None
    """Its id, eight digits."""
    model: str | None = None
    verdict: str | None = None
    sentence: str | None = None
    """The verdict in words."""
    score: float | None = None
    recall: float | None = None
    """Share of the evidence that retrieval finds."""
    weakest: tuple[str, float, int] | None = None
    """The slice that scores lowest: name, score, questions."""
    tone: float | None = None
    """The score, where the task's metric is the tone."""
    latency_p95: float | None = None
    """Seconds of LM time."""
    latency_limit: float | None = None
    """The task's `limits.latency_p95`."""
    input_tokens: Fraction | None = None
    """Of one question."""
    output_tokens: Fraction | None = None
    plain_input_tokens: Fraction | None = None
    """The same for the program before compiling."""
    plain_output_tokens: Fraction | None = None
    prompt_tokens: int | None = None
    """About: instructions and demonstrations, four bytes to a token."""

    @property
    def facts(self) -> Facts:
        """What the rules can use of it."""
        faster = None
        if self.latency_p95 is not None and self.latency_limit is not None:
            faster = max(1.0, self.latency_p95 / self.latency_limit)
        return Facts(labels=self.labels, faster=faster, prompt_tokens=self.prompt_tokens)

    @property
    def says(self) -> str | None:
        """What the own test split says about compiling; None where nothing was tested."""
        if self.verdict is None or self.verdict == "not tested":
            return None
        return f"your own test split: {self.sentence}"

    def as_json(self) -> dict[str, Any]:
        """The measurements for a program to read."""
        names = ("input_tokens", "output_tokens", "plain_input_tokens", "plain_output_tokens")
        numbers: dict[str, Fraction | None] = {name: getattr(self, name) for name in names}
        return {
            **vars(self),
            "slices": dict(self.slices),
            "weakest": None if self.weakest is None else dict(zip(("slice", "score", "n"), self.weakest, strict=True)),
            **{name: None if value is None else float(value) for name, value in numbers.items()},
        }


def measure(project: Project, task: TaskSettings) -> Measured:
    """Return what is known of `task`. Reads its examples and, where there is one, its artifact's manifest.

    Raises DataError for examples that cannot be read, ArtifactError for an artifact that was touched.
    """
    from ragc.artifact import read
    from ragc.data import read_examples

    examples = read_examples(project.path(task.examples))
    slices = Counter(example.slice for example in examples if example.slice)
    path = project.compiled_path(task)
    known: dict[str, Any] = {"latency_limit": task.limits.latency_p95}
    if path.is_dir():
        known |= _of(read(path))
    return Measured(task.name, len(examples), dict(slices), **known)


def _of(verified: Verified) -> dict[str, Any]:
    from ragc.artifact import sealed_side

    manifest = verified.manifest
    side = sealed_side(manifest)
    results = manifest.results
    found: Mapping[str, Any] = next((part[side] for name in SPLITS if (part := results.get(name) or {}).get(side)), {})
    scored = {name: part for name, part in (found.get("slices") or {}).items() if part["n"] >= FEWEST}
    weakest = min(scored.items(), key=lambda item: item[1]["score"], default=None)
    inputs, outputs = _tokens(manifest, found)
    plain: Mapping[str, Any] = next(
        (part["baseline"] for name in SPLITS if (part := results.get(name) or {}).get("baseline")), {}
    )
    before = _tokens(manifest, plain) if plain else (None, None)
    return {
        "artifact": manifest.name,
        "model": str(manifest.identity["lm"]["model"]),
        "verdict": str(manifest.verdict["word"]),
        "sentence": str(manifest.verdict.get("sentence") or ""),
        "score": found.get("score"),
        "recall": found.get("recall"),
        "weakest": None if weakest is None else (weakest[0], weakest[1]["score"], weakest[1]["n"]),
        "tone": found.get("score") if str(manifest.identity["metric"]).partition("(")[0] == "tone" else None,
        "latency_p95": found.get("latency_p95"),
        "input_tokens": inputs,
        "output_tokens": outputs,
        "plain_input_tokens": before[0],
        "plain_output_tokens": before[1],
        "prompt_tokens": _prompt_tokens(verified.state),
    }


def _tokens(manifest: Manifest, found: Mapping[str, Any]) -> tuple[Fraction | None, Fraction | None]:
    """Input and output tokens of a question. Of the output, older artifacts know what a call of their run had."""
    inputs, outputs = found.get("input_tokens_per_question"), found.get("output_tokens_per_question")
    cost = manifest.identity["cost"]
    if outputs is None and cost.get("calls"):
        outputs = cost["output_tokens"] / cost["calls"]
    return _exact(inputs), _exact(outputs)


def _exact(value: float | None) -> Fraction | None:
    return None if value is None else Fraction(str(value))


def _prompt_tokens(state: Mapping[str, Any]) -> int:
    """About how many tokens of every prompt are the program's own."""
    from ragc.artifact import prompts
    from ragc.models import estimate_tokens

    texts = [
        json.dumps([one.instructions, *one.demonstrations], ensure_ascii=False, default=str) for one in prompts(state)
    ]
    return sum(map(estimate_tokens, texts))
