"""What people say of answers: `judgements.jsonl`, one line a label, added to and never rewritten.

A line stands by itself: it keeps the answer that was judged, so that the judge can be asked about it after the program
that gave it is gone. Who gave it (model, artifact) is kept as well, and shown to nobody who judges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragc._files import append_lines, canonical_json, digest, locked
from ragc._messages import shown_path
from ragc.data import json_records
from ragc.errors import DataError
from ragc.evaluation.judge._levels import LEVELS, Level

_TEXTS = ("example", "metric", "question", "given")
_LISTS = ("accepted", "context")


@dataclass(frozen=True)
class Item:
    """An answer to be judged."""

    example: str
    """Id of the example."""
    metric: str
    """What it is judged for: `semantic_f1`, `faithfulness`, `tone`."""
    question: str
    accepted: tuple[str, ...]
    given: str
    """The answer."""
    context: tuple[str, ...] = ()
    """The texts that it is judged against besides: passages, or rules of style."""
    model: str | None = None
    """The model that gave it."""
    source: str | None = None
    """The artifact that gave it, or `uncompiled`."""

    @property
    def id(self) -> str:
        """16 hexadecimal digits of everything that the judgement is about; who gave the answer is no part of it."""
        about = [self.example, self.metric, self.question, self.accepted, self.given, self.context]
        return digest(canonical_json(about))[:16]

    def shown(self) -> dict[str, Any]:
        """What somebody who judges may see: neither who gave the answer nor what the judge thinks of it."""
        return {
            "id": self.id,
            "metric": self.metric,
            "question": self.question,
            "accepted": list(self.accepted),
            "answer": self.given,
            "context": list(self.context),
        }


@dataclass(frozen=True)
class Judgement:
    """An answer and what a person said of it."""

    item: Item
    label: Level


def judgements_beside(examples: Path) -> Path:
    """Where the judgements of a file of examples are: `judgements.jsonl` beside `examples.…`."""
    return beside(examples, "judgements.jsonl")


def beside(examples: Path, name: str) -> Path:
    """`name` beside `examples.…`; `faq.NAME` beside another file, such as `faq.csv`."""
    return examples.with_name(name if examples.stem == "examples" else f"{examples.stem}.{name}")


def read_judgements(path: Path, examples: Collection[str]) -> dict[str, Judgement]:
    """The judgements in a file by the id of their item, the last of each; none where there is no file.

    Raises DataError, in one line with the line's number, for what is no judgement, an id that is not that of its item,
    and an example that is not among `examples`: it may come back, so that nothing is taken out of the file.
    """
    if not path.exists():
        return {}
    found: dict[str, Judgement] = {}
    for line, record in json_records(path):
        where = f"{shown_path(path)} line {line}"
        judgement = _read(record, where)
        if record.get("id") != judgement.item.id:
            raise DataError(f'{where}: unknown id "{record.get("id")}": the line was changed; judge that answer again')
        if judgement.item.example not in examples:
            raise DataError(
                f'{where}: judges example "{judgement.item.example}", which the task no longer has; bring the example '
                "back, or take the line out"
            )
        found[judgement.item.id] = judgement
    return found


def add_judgements(path: Path, judgements: Iterable[Judgement]) -> None:
    """Appends judgements, and waits until they are on the disk. Raises RagcError where it cannot be written."""
    with locked(path):
        append_lines(path, [_record(one) for one in judgements])


def read_labels(path: Path, items: Mapping[str, Item]) -> list[Judgement]:
    """Labels from elsewhere, lines of `{"id": …, "label": "right"}`, for `items` by their id.

    Raises DataError, in one line, for an id that is not among them and a label that is none; then none is taken.
    """
    found = []
    for line, record in json_records(path):
        where = f"{shown_path(path)} line {line}"
        item = items.get(str(record.get("id")))
        if item is None:
            raise DataError(f'{where}: unknown id "{record.get("id")}": take ids from `ragc judge TASK --json`')
        found.append(Judgement(item, _label(record, where)))
    return found


def _record(one: Judgement) -> dict[str, Any]:
    item = one.item
    return {
        "id": item.id,
        "label": one.label,
        "example": item.example,
        "metric": item.metric,
        "question": item.question,
        "accepted": list(item.accepted),
        "given": item.given,
        **({"context": list(item.context)} if item.context else {}),
        "model": item.model,
        "source": item.source,
    }


def _read(record: Mapping[str, Any], where: str) -> Judgement:
    for key in _TEXTS:
        if not isinstance(record.get(key), str):
            raise DataError(f'{where}: "{key}": expected text')
    for key in _LISTS:
        value = record.get(key, [])
        if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
            raise DataError(f'{where}: "{key}": expected a list of texts')
    item = Item(
        **{key: record[key] for key in _TEXTS},
        accepted=tuple(record.get("accepted", ())),
        context=tuple(record.get("context", ())),
        model=record.get("model"),
        source=record.get("source"),
    )
    return Judgement(item, _label(record, where))


def _label(record: Mapping[str, Any], where: str) -> Level:
    label = record.get("label")
    for level in LEVELS:
        if label == level:
            return level
    raise DataError(f'{where}: "label": expected {", ".join(LEVELS)}, found "{label}"')
