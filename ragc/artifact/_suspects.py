"""Labels that independent programs agree against: what several of them answer alike may be right."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragc._text import answer_key
from ragc.artifact._manifest import ANSWERS, Verified, read
from ragc.errors import ArtifactError
from ragc.evaluation import is_abstention

if TYPE_CHECKING:
    from ragc.data import Example
    from ragc.project import Project, TaskSettings

ARMS = ".ragc/arms"
"""Where a comparison seals its arms."""
FEWEST = 2
"""Programs that must agree. Two with one model, or the same source, are not independent: they err alike."""


@dataclass(frozen=True)
class Suspect:
    """A label that programs agree against."""

    example: Example
    answer: str
    """What they answer."""
    programs: tuple[str, ...]
    """Which ones: model and program, a line each."""


def find_suspects(project: Project, task: TaskSettings, examples: Sequence[Example]) -> tuple[Suspect, ...]:
    """Return the examples to which independent programs gave one answer that the label does not accept.

    Read are the answers that lie sealed in the task's artifact and in the arms of its comparisons; nobody is asked.
    Programs are independent when they differ in model or in source. At least two must agree, more than half of those
    that answered, and none may have given an accepted answer. Answers are compared as exact match does. An artifact
    that was touched is left out. Examples that were changed since are, too.
    """
    given: dict[str, dict[str, str]] = defaultdict(dict)
    for verified in _artifacts(project, task):
        for id_, question, answer in _answers(verified):
            given[f"{id_}\n{question}"][_program(verified)] = answer
    found = (_suspect(example, given.get(f"{example.id}\n{example.question}", {})) for example in examples)
    return tuple(one for one in found if one is not None)


def _suspect(example: Example, given: dict[str, str]) -> Suspect | None:
    accepted = {answer_key(answer) for answer in example.answers}
    by_answer: dict[str, list[str]] = defaultdict(list)
    for program, answer in given.items():
        by_answer[answer_key(answer)].append(program)
    if not by_answer or accepted & by_answer.keys():
        return None
    key, programs = max(by_answer.items(), key=lambda pair: len(pair[1]))
    if not key or len(programs) < FEWEST or 2 * len(programs) <= len(given):
        return None
    return Suspect(example, given[programs[0]], tuple(sorted(programs)))


def _artifacts(project: Project, task: TaskSettings) -> Iterator[Verified]:
    folders = [project.compiled_path(task), *(one.parent for one in _manifests(project.path(ARMS)))]
    for folder in folders:
        try:
            verified = read(folder)
        except ArtifactError:
            continue
        if verified.manifest.task == task.name and ANSWERS in verified.files:
            yield verified


def _manifests(folder: Path) -> list[Path]:
    return sorted(folder.rglob("manifest.json")) if folder.is_dir() else []


def _answers(verified: Verified) -> Iterator[tuple[str, str, str]]:
    """Id, question and answer of the sealed program; refusals and errors are no answers."""
    side = "compiled" if verified.manifest.verdict["sealed"] == "candidate" else "baseline"
    document: dict[str, Any] = json.loads(verified.files[ANSWERS])
    for id_, one in document["answers"].items():
        answer = one["given"].get(side)
        if isinstance(answer, str) and answer.strip() and not is_abstention(answer):
            yield id_, one["question"], answer


def _program(verified: Verified) -> str:
    identity = verified.manifest.identity
    return f"{identity['model']['model']}, {identity['program']['spec']}"
