"""An audit for a terminal and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ragc._messages import counted, shown_path
from ragc.artifact.answers._audit import Audit, Behind, Near
from ragc.report import write

_SIGNS = {"eq": "=", "ne": "≠", "gt": ">", "gte": "≥", "lt": "<", "lte": "≤", "in": "in"}
WITHHELD = "not logged"


def audit_rows(audit: Audit) -> Iterator[tuple[str, ...]]:
    """Yield what `ragc audit` prints: a label and its lines."""
    record = audit.record
    artifact = str(record.get("artifact"))
    yield "answer", f"{record['id']}   {record.get('time')}, {record.get('task')} {artifact[:8]}"
    if "withheld" in record:
        yield "content", f"{WITHHELD}: {record['withheld']}"
    yield "question", _text(record.get("question")), *(f"{k}: {_text(v)}" for k, v in _items(record, "inputs"))
    if error := record.get("error"):
        yield "failed", f"{error.get('type')}: {error.get('message')}"
    else:
        yield "answered", _text(record.get("answer")), *(f"{k}: {_text(v)}" for k, v in _items(record, "outputs"))
    yield from _passages(audit)
    if filters := [_filter(one) for one in record.get("filters") or ()]:
        yield "filters", *filters
    if dropped := record.get("dropped"):
        yield "dropped", f"{counted(len(dropped), 'passage')}: {', '.join(dropped)}"
    yield "model", f"{record.get('model')}, {_measured(record)}"
    yield "corpus", _corpus(audit)
    yield from _artifact(audit)
    if audit.nearest:
        yield "nearest", *(line for near in audit.nearest for line in _near(near))
    yield "log", f"{shown_path(audit.logged.file)} line {audit.logged.line}"


def audit_details(audit: Audit) -> dict[str, Any]:
    """Return what `ragc audit --json` prints: the logged record, and what became of all that it names."""
    manifest = audit.artifact
    return {
        **audit.record,
        "passages": [
            {
                **one.passage,
                "cited": one.cited,
                "document_now": {"state": one.document, "sha256": one.sha256, "passage_stands": one.stands},
            }
            for one in audit.passages
        ],
        "corpus_version_now": audit.corpus_version,
        "artifact_now": {
            "path": None if manifest is None else str(manifest.path),
            "instead": audit.instead,
            "verdict": None if manifest is None else dict(manifest.verdict),
        },
        "labels_now": {"examples": audit.labels, "splits": audit.splits},
        "nearest": [
            {
                "id": near.example.id,
                "question": near.example.question,
                "answers": list(near.example.answers),
                "slice": near.example.slice,
                "split": near.split,
                "likeness": near.likeness,
                "score": near.score,
            }
            for near in audit.nearest
        ],
        "log": {"file": str(audit.logged.file), "line": audit.logged.line},
    }


def _items(record: Mapping[str, Any], part: str) -> Iterator[tuple[str, Any]]:
    yield from (record.get(part) or {}).items()


def _text(value: Any) -> str:
    return WITHHELD if value is None else " ".join(str(value).split())


def _passages(audit: Audit) -> Iterator[tuple[str, ...]]:
    """Cited passages with their text, all of them where none is cited; of the others, what they are."""
    cited = [one for one in audit.passages if one.cited]
    if not cited and audit.passages and not audit.record.get("error"):
        yield "cited", "nothing: no retrieved passage holds this answer"
    for one in audit.passages:
        lines = [_named(one.passage), _became(one)]
        if one.cited or not cited:
            lines[1:1] = [_text(one.passage.get("text"))]
        yield "cited" if one.cited else "retrieved", *lines


def _named(passage: Mapping[str, Any]) -> str:
    place = passage.get("place") or _span(passage)
    source = " > ".join(filter(None, (passage.get("title"), *(passage.get("heading") or ()))))
    return f"{passage.get('document')}, {place}: {source}" if source else f"{passage.get('document')} {place}".strip()


def _span(passage: Mapping[str, Any]) -> str:
    start, end = passage.get("start"), passage.get("end")
    return "" if start is None or end is None else f"characters {start:,} to {end:,}"


def _became(one: Behind) -> str:
    """What became of the passage's document."""
    then = str(one.passage.get("sha256") or "")[:8]
    match one.document:
        case "unchanged":
            return f"the document is unchanged ({then})"
        case "gone":
            return f"the document is gone (it was {then or 'there'})"
        case "changed":
            stands = {True: "; this passage still stands in it", False: "; this passage no longer stands in it"}
            tail = "" if one.stands is None else stands[one.stands]
            return f"the document has changed ({then}, now {str(one.sha256)[:8]}){tail}"
    return "what became of the document cannot be told from here"


def _filter(condition: Mapping[str, Any]) -> str:
    operator = str(condition.get("operator"))
    value = condition.get("value")
    shown = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"{condition.get('field')} {_SIGNS.get(operator, operator)} {shown}"


def _measured(record: Mapping[str, Any]) -> str:
    differs = record.get("differs") or ()
    if record.get("measured"):
        return "as it was measured"
    return f"not as it was measured: other {' and '.join(differs)}" if differs else "no answer came of it"


def _corpus(audit: Audit) -> str:
    then, now = audit.record.get("corpus_version"), audit.corpus_version
    if then is None:
        return "no documents were searched, or they were being updated"
    if now is None:
        return f"{then[:8]}; what it is now cannot be told from here"
    return f"{then[:8]}, the same now" if then == now else f"{then[:8]}, now {now[:8]}"


def _artifact(audit: Audit) -> Iterator[tuple[str, ...]]:
    record, manifest = audit.record, audit.artifact
    id_, sealed = str(record.get("artifact")), record.get("sealed") or {}
    if manifest is not None:
        yield "artifact", f"{id_[:8]}, {shown_path(manifest.path)}"
    else:
        instead = "" if audit.instead is None else f"; there is {_instead(audit.instead)}"
        yield "artifact", f"{id_[:8]}, no longer in compiled/{instead}; version control may have it"
    verdict = sealed.get("verdict") or {}
    yield "verdict", verdict.get("sentence") or str(verdict.get("word"))
    if test := _test(sealed):
        yield "test", test
    prints = sealed.get("fingerprints") or {}
    states = ("labels", "examples", audit.labels), ("splits", "splits", audit.splits)
    yield "labels", ", ".join(f"{name} {str(prints.get(key))[:8]} ({state})" for name, key, state in states)


def _instead(found: str) -> str:
    return f"{found[:8]} by now" if " " not in found else f"one that cannot be read: {found}"


def _test(sealed: Mapping[str, Any]) -> str:
    sides = sealed.get("test") or {}
    told = [
        f"{side} {write(found['score'], 'points')} of {found.get('n')}"
        for side in ("baseline", "compiled")
        if (found := sides.get(side) or {}).get("score") is not None
    ]
    which = "candidate" if (sealed.get("verdict") or {}).get("sealed") == "candidate" else "baseline"
    return f"{sealed.get('metric')}: {', '.join(told)}; the {which} was sealed" if told else ""


def _near(near: Near) -> list[str]:
    accepted = " | ".join(near.example.answers) or "not in the corpus: should say so"
    score = "" if near.score is None else f", scored {write(near.score, 'points')}"
    about = ", ".join(filter(None, (near.split or "in no split", near.example.slice)))
    return [f"{near.example.question} ({near.example.id}: {about}{score})", f"  accepted: {accepted}"]
