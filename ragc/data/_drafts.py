"""Labels that a model drafted, and what a person decided on each.

`drafts.jsonl` stands beside the examples and is committed. Its lines, each with `schema` and `kind`:

`draft`     a question with its answer and evidence as the model wrote them, and the passage that it is from
`dropped`   a passage whose draft could not be used, and why: it is not drafted from again
`decision`  what a person did with a draft: accepted, mended or rejected it, and the example that came of it

A line is never changed, so that what the model wrote stays told apart from what a person made of it. Only what a person
accepts or mends, one by one, becomes an example, with `origin` saying so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ragc._files import append_lines, digest, locked
from ragc._messages import shown_path
from ragc.data._examples import Example, read_examples
from ragc.data._lines import BadLine, read_each, shown
from ragc.errors import ConfigError, DataError

SCHEMA = 1
FILE = "drafts.jsonl"
DECISIONS = ("accepted", "mended", "rejected")
Decision = Literal["accepted", "mended", "rejected"]

_TEXTS = {
    "draft": ("draft", "time", "model", "passage", "document", "question", "quote"),
    "dropped": ("time", "passage", "why"),
    "decision": ("draft", "time", "decision"),
}


@dataclass(frozen=True)
class Draft:
    """A label as a model wrote it."""

    id: str
    """The example's too, when there is one."""
    passage: str
    """A digest of the document and the text that it was drafted from."""
    document: str
    question: str
    answers: tuple[str, ...]
    quote: str
    """The stretch of the document that holds the answer."""
    model: str
    slice: str | None = None
    time: str = ""
    decision: Decision | None = None
    """None: nobody has decided yet."""

    def record(self) -> dict[str, Any]:
        """The label as a line of `examples.jsonl` has it, but for its origin."""
        evidence = [{"document": self.document, "quote": self.quote}]
        plain = {"id": self.id, "question": self.question, "answers": list(self.answers), "evidence": evidence}
        return plain if self.slice is None else {**plain, "slice": self.slice}


@dataclass(frozen=True)
class Drafts:
    """All that was drafted for the examples of a task."""

    path: Path
    examples: Path
    """The file that accepted drafts are added to."""
    drafts: tuple[Draft, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Why, by passage."""

    @property
    def open(self) -> tuple[Draft, ...]:
        """Those that nobody has decided on."""
        return tuple(draft for draft in self.drafts if draft.decision is None)

    @property
    def passages(self) -> frozenset[str]:
        """Those that were drafted from, whatever came of it."""
        return frozenset(draft.passage for draft in self.drafts) | self.dropped.keys()

    def add(self, drafts: Sequence[Draft], dropped: Mapping[str, str]) -> Drafts:
        """Record new drafts, and passages of which none came. Raises RagcError when the file cannot be written."""
        lines: list[dict[str, Any]] = [_line("draft", **_plain(draft)) for draft in drafts]
        lines += [_line("dropped", passage=passage, why=why) for passage, why in dropped.items()]
        with locked(self.path):
            append_lines(self.path, lines)
        return read_drafts(self.examples)

    def decide(self, id_: str, decision: Decision, record: Mapping[str, Any] | None = None) -> Drafts:
        """Record what a person decided on one draft; accepted or mended, it is added to the examples first.

        `record` is the label as the person mended it, a line of `examples.jsonl`; it is checked as every example is.
        Raises ConfigError for a draft that is unknown or decided on, DataError for a label that cannot be read, and
        RagcError when a file cannot be written: what was decided before is kept.
        """
        draft = next((one for one in self.drafts if one.id == id_), None)
        if draft is None:
            raise ConfigError(f'no draft "{id_}": `ragc label --json` lists those that are open')
        if draft.decision is not None:
            raise ConfigError(f'draft "{id_}" was {draft.decision} before')
        if decision != "rejected":
            _add_example(self.examples, {**(record or draft.record()), "id": id_, "origin": decision})
        with locked(self.path):
            append_lines(self.path, [_line("decision", draft=id_, decision=decision)])
        return read_drafts(self.examples)


def drafts_beside(examples: Path) -> Path:
    """Return where the drafts for a file of examples are: beside it, named alike."""
    return examples.with_name(FILE if examples.stem == "examples" else f"{examples.stem}.{FILE}")


def read_drafts(examples: Path) -> Drafts:
    """Return the drafts for a file of examples; none where nothing was drafted.

    A draft whose example is there already counts as decided, whatever became of the line that says so. Raises DataError
    for damaged lines, and for a newer schema.
    """
    path = drafts_beside(examples)
    found = Drafts(path, examples)
    if not path.exists():
        return found
    drafts: dict[str, Draft] = {}
    dropped: dict[str, str] = {}
    read_each(path, lambda record: _read_line(record, drafts, dropped, path))
    known = {example.id: example for example in read_known(examples)}
    for id_, draft in drafts.items():
        if draft.decision is None and id_ in known:
            drafts[id_] = replace(draft, decision="mended" if known[id_].origin == "mended" else "accepted")
    return replace(found, drafts=tuple(drafts.values()), dropped=dropped)


def read_known(examples: Path) -> tuple[Example, ...]:
    """Return the examples of a file; none where it is not there or empty, which `read_examples` refuses."""
    if not examples.exists() or not examples.stat().st_size:
        return ()
    return read_examples(examples)


def _add_example(path: Path, record: dict[str, Any]) -> None:
    if path.suffix.lower() != ".jsonl":
        raise DataError(f"{shown_path(path)}: accepted drafts are added to a .jsonl file; save the examples as one")
    from ragc.data._examples import checked_example

    try:
        example = checked_example(record)
    except BadLine as error:
        raise DataError(f'the label of "{record["id"]}" cannot be kept: {error}') from error
    with locked(path):
        if example.id not in {one.id for one in read_known(path)}:
            append_lines(path, [record])


def _read_line(record: Mapping[str, Any], drafts: dict[str, Draft], dropped: dict[str, str], path: Path) -> None:
    schema, kind = record.get("schema"), str(record.get("kind"))
    if isinstance(schema, int) and schema > SCHEMA:
        raise DataError(f"{shown_path(path)}: schema {schema} is newer than this ragc knows ({SCHEMA}); upgrade ragc")
    if schema != SCHEMA or kind not in _TEXTS:
        raise BadLine(f'expected "schema": {SCHEMA} and a "kind" of {", ".join(_TEXTS)}, found {shown(dict(record))}')
    for key in _TEXTS[kind]:
        if not isinstance(record.get(key), str):
            raise BadLine(f'"{key}": expected text, found {shown(record.get(key))}')
    if kind == "dropped":
        dropped[record["passage"]] = record["why"]
    elif kind == "draft":
        answers = record.get("answers")
        if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
            raise BadLine(f'"answers": expected a list of texts, found {shown(answers)}')
        given = {key: record[key] for key in _TEXTS["draft"] if key != "draft"}
        drafts[record["draft"]] = Draft(id=record["draft"], answers=tuple(answers), slice=record.get("slice"), **given)
    elif record["decision"] not in DECISIONS:
        raise BadLine(f'"decision": expected {", ".join(DECISIONS)}, found {shown(record["decision"])}')
    elif record["draft"] in drafts:
        drafts[record["draft"]] = replace(drafts[record["draft"]], decision=record["decision"])


def _plain(draft: Draft) -> dict[str, Any]:
    fields = {name: value for name, value in vars(draft).items() if name not in ("id", "time", "decision")}
    return {"draft": draft.id, **fields, "answers": list(draft.answers)}


def _line(kind: str, **fields: Any) -> dict[str, Any]:
    time = datetime.now(UTC).isoformat(timespec="seconds")
    return json.loads(json.dumps({"schema": SCHEMA, "kind": kind, "time": time, **fields}))  # type: ignore[no-any-return]


def passage_key(document: str, text: str) -> str:
    """Return what a passage is known by, so that none is drafted from twice, wherever it stands in its document."""
    return digest(f"{document}\0{' '.join(text.split())}".encode())[:16]
