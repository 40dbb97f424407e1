"""Labelled questions: what they are, and how a file of them is read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragc._files import canonical_json, digest
from ragc._messages import shown_path
from ragc._text import normalise
from ragc.data._lines import BadLine, BadLines, json_lines, shown
from ragc.data._table import derived_id, table_rows
from ragc.errors import DataError

SPLITS = ("train", "validation", "test")
ORIGINS = ("written", "drafted", "mended", "accepted")
_KNOWN = ("id", "question", "answers", "evidence", "slice", "split", "origin")


@dataclass(frozen=True)
class Evidence:
    """A gold document, or a quote or a page of one."""

    document: str
    quote: str | None = None
    page: int | None = None
    """The page, slide or sheet, counted from 1; with a quote, the one that it stands on."""


@dataclass(frozen=True)
class Example:
    """One labelled question."""

    id: str
    question: str
    answers: tuple[str, ...]
    """All of them are accepted; none means that the corpus does not know."""
    evidence: tuple[Evidence, ...] = ()
    slice: str | None = None
    """Groups scores."""
    split: str | None = None
    """What the user asked for, `train`, `validation` or `test`; None: assigned."""
    inputs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Other keys: they reach the program's inputs by name."""
    line: int | None = field(default=None, compare=False)
    """Where it stands in its file, counted from 1."""
    origin: str | None = field(default=None, compare=False)
    """Who wrote it: a person (None or `written`), a model (`drafted`), or a model and then a person, who `accepted` it
    as it was or `mended` it. What is `drafted` alone never comes into the test split."""

    @property
    def answerable(self) -> bool:
        """Whether the corpus knows."""
        return bool(self.answers)

    @property
    def named(self) -> str:
        """How messages name it: its id, or its question where the file gives none, and its line."""
        name = shown(self.question if self.id == derived_id(self.question) else self.id)
        return name if self.line is None else f"{name} (line {self.line})"


def read_examples(path: Path) -> tuple[Example, ...]:
    """Return the examples of a `.jsonl` or `.csv` file, in the file's order.

    A `.csv` has the same columns: answers are parted by `|`, an empty cell means none; evidence is documents parted by
    `|`, or the JSON list that a `.jsonl` has. Without a column `id`, ids derive from the questions, so that rows may be
    moved. Raises DataError in one line that names the file, every bad line (the first five and their number), what was
    found and what was expected; also for duplicate ids and an empty file.
    """
    bad = BadLines(path)
    match path.suffix.lower():
        case ".jsonl" | ".csv" if not path.exists():
            raise DataError(f"no file {shown_path(path)}; check `examples` in pyproject.toml")
        case ".jsonl":
            records = json_lines(path, bad)
        case ".csv":
            records = table_rows(path, bad, _KNOWN)
        case suffix:
            raise DataError(f"{shown_path(path)}: expected a .jsonl or .csv file, found {suffix or 'no suffix'}")
    examples: dict[str, Example] = {}
    for line, record in records:
        try:
            example = checked_example(record, line)
        except BadLine as error:
            bad.add(line, str(error))
            continue
        if example.id in examples:
            bad.add(line, _duplicate(example, examples[example.id]))
            continue
        examples[example.id] = example
    bad.check()
    if not examples:
        raise DataError(f"{shown_path(path)}: no examples in it; write one question a line, 150 are a good start")
    return tuple(examples.values())


def examples_fingerprint(examples: Iterable[Example]) -> str:
    """Return the SHA-256 over the labels, whatever their order; their splits are not part of it."""
    labels = [
        [e.id, e.question, e.answers, [_labelled(x) for x in e.evidence], e.slice, dict(e.inputs)]
        for e in sorted(examples, key=lambda e: e.id)
    ]
    return digest(canonical_json(labels))


def _labelled(evidence: Evidence) -> list[str | int | None]:
    return [evidence.document, evidence.quote, *([] if evidence.page is None else [evidence.page])]


def _duplicate(example: Example, first: Example) -> str:
    if example.id == derived_id(example.question):
        return f"the same question as line {first.line}; make one row of both, with their answers parted by |"
    if normalise(first.question) == normalise(example.question):
        return f'duplicate id "{example.id}", the same question as line {first.line}; remove one'
    return f'duplicate id "{example.id}", first in line {first.line}; give it another'


def checked_example(record: Mapping[str, Any], line: int | None = None) -> Example:
    """Return the example that a line of a file holds. Raises BadLine."""
    for key in ("id", "question", "answers"):
        if key not in record:
            raise BadLine(f'missing key "{key}"{_like(key, record)}')
    for key in record:
        known = _misspelt(key)
        if known is not None:
            raise BadLine(f'unknown key "{key}", did you mean "{known}"?')
    question = _text(record, "question")
    split = _optional(record, "split")
    if split is not None and split not in SPLITS:
        raise BadLine(f'"split": expected train, validation or test, found {shown(split)}')
    origin = _optional(record, "origin")
    if origin is not None and origin not in ORIGINS:
        raise BadLine(f'"origin": expected {", ".join(ORIGINS[:-1])} or {ORIGINS[-1]}, found {shown(origin)}')
    if origin == "drafted" and split == "test":
        raise BadLine('"split": a drafted label is not for the test split until a person has accepted it (ragc label)')
    return Example(
        id=_text(record, "id"),
        question=question,
        answers=_answers(record["answers"]),
        evidence=_evidence(record.get("evidence")),
        slice=_optional(record, "slice"),
        split=split,
        origin=origin,
        inputs={key: value for key, value in record.items() if key not in _KNOWN},
        line=line,
    )


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record[key]
    if not isinstance(value, str):
        raise BadLine(f'"{key}": expected text, found {shown(value)}')
    if not value.strip():
        raise BadLine(f'"{key}": expected text, found none')
    if key == "id" and (value != value.strip() or not value.isprintable()):
        raise BadLine(f'"id": expected no spaces around it and no control characters, found {shown(value)}')
    return value


def _optional(record: Mapping[str, Any], key: str) -> str | None:
    return None if record.get(key) is None else _text(record, key)


def _answers(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BadLine(f'"answers": expected a list of texts, found {shown(value)}')
    for answer in value:
        if not isinstance(answer, str) or not answer.strip():
            raise BadLine(f'"answers": expected a list of texts, found {shown(answer)} in it')
    return tuple(value)


def _evidence(value: object) -> tuple[Evidence, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadLine(f'"evidence": expected a list, found {shown(value)}')
    return tuple(_one_evidence(item) for item in value)


def _one_evidence(item: object) -> Evidence:
    expected = '"evidence": expected a document\'s id or {"document": …} with "quote": … or "page": …'
    if isinstance(item, str):
        item = {"document": item}
    if not isinstance(item, dict) or not set(item) <= {"document", "quote", "page"}:
        raise BadLine(f"{expected}, found {shown(item)}")
    document, quote, page = item.get("document"), item.get("quote"), item.get("page")
    if not isinstance(document, str) or not document.strip():
        raise BadLine(f"{expected}, found {shown(item)}")
    if quote is not None and (not isinstance(quote, str) or not quote.strip()):
        raise BadLine(f"{expected}, found {shown(item)}")
    if page is not None and (not isinstance(page, int) or isinstance(page, bool) or page < 1):
        raise BadLine(f'"evidence": expected a "page" counted from 1, found {shown(page)}')
    return Evidence(unicodedata.normalize("NFC", document), quote, page)


def _misspelt(key: str) -> str | None:
    """Return the known key that `key` differs from by its case or a final s alone: it would be lost as an input."""
    if key in _KNOWN:
        return None
    plain = key.strip().lower().removesuffix("s")
    return next((known for known in _KNOWN if known.removesuffix("s") == plain), None)


def _like(missing: str, record: Mapping[str, Any]) -> str:
    found = [key for key in record if _misspelt(key) == missing]
    if found:
        return f', found "{found[0]}"'
    return f"; found {', '.join(record)}" if record else ""
