"""`card.md`: what an artifact is, how good, what it cost and how to use it, for a person."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ragc.artifact import _figures as figures
from ragc.artifact._manifest import Manifest
from ragc.report import write

_ESCAPED = re.compile(r"([\\`*_{}\[\]<>|#])")


def render(manifest: Manifest, state: Mapping[str, Any]) -> str:
    """Return the card as Markdown. Text from data stands in code blocks or escaped, so that it formats nothing."""
    return "\n".join(
        [
            f"# {manifest.task} {manifest.name}",
            "",
            f"**{_text(figures.sentence(manifest))}**",
            "",
            *(_text(line) for line in figures.notes(manifest)),
            "",
            "## How to use it",
            "",
            "```python",
            f"from compiled import {manifest.task}",
            "",
            f'{manifest.task}(question="…").answer',
            "```",
            "",
            "## How good it is",
            "",
            *_scores(manifest),
            *_wrong(manifest),
            "## What it cost",
            "",
            _text(figures.cost(manifest)),
            "",
            "## What it is",
            "",
            *(f"- {_text(name)}: {_text(value)}" for name, value in figures.about(manifest, state)),
            "",
            f"The id is {manifest.id}.",
            "",
            "## What the model is told",
            "",
            *_prompts(state),
        ]
    )


def _scores(manifest: Manifest) -> Iterator[str]:
    for split, rows in figures.evaluations(manifest):
        yield from _table((split, "baseline", "compiled"), rows)
    if slices := figures.slices(manifest):
        points = [
            (part.name, str(part.n), write(part.baseline, "points"), write(part.compiled, "points")) for part in slices
        ]
        yield from _table(("slice of test", "questions", "baseline", "compiled"), points)
    gain = manifest.results.get("detectable_gain")
    if gain is not None:
        yield f"This test could show a gain of {100 * gain:.0f} points (80% power). Scores are 0 to 100."
        yield ""


def _wrong(manifest: Manifest) -> Iterator[str]:
    counted = figures.wrong(manifest)
    if counted is not None:
        yield f"{counted[0]} of {counted[1]} test questions are not fully right; report.html lists them and why."
        yield ""


def _prompts(state: Mapping[str, Any]) -> Iterator[str]:
    for prompt in figures.prompts(state):
        yield f"### {_text(prompt.name)}"
        yield ""
        yield from _block(prompt.instructions)
        for number, demonstration in enumerate(prompt.demonstrations, 1):
            yield f"Demonstration {number} of {len(prompt.demonstrations)}"
            yield ""
            yield from _block("\n".join(f"{name}: {value}" for name, value in demonstration.items()))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(map(_text, head)) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for cells in rows:
        yield "| " + " | ".join(map(_text, cells)) + " |"
    yield ""


def _block(text: str) -> Iterator[str]:
    """A fence longer than any in the text, which nothing in the text can close."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    yield from (fence + "text", text, fence, "")


def _text(value: str) -> str:
    """Text in a line of Markdown, with nothing in it that formats."""
    return _ESCAPED.sub(r"\\\1", " ".join(value.split()))
