"""One answer as the log holds it: enough to say, years later, what was answered from what, and by what.

schema, id, time           version of this form; the answer's id; when it was given (UTC)
task, artifact, sealed     the artifact's id, and of its manifest what an audit asks for: verdict, test figures,
                           fingerprints of labels and splits. It stays here when the artifact is replaced.
model, measured, differs   as in the answer's provenance
corpus_version, seconds    the documents that were searched; how long the answer took
question, inputs           what was asked; further inputs by name
answer, outputs            what was answered; further outputs by name (a reasoning)
citations                  ids of the passages that support it
passages                   every passage that was retrieved for it, with text, span and its document's hash;
                           `shown`: it came back with the answer
searches                   every search: query, filters that had to hold, ids of what was found and what was dropped
dropped                    ids of what was found and left out
filters                    what the program was bound to
error                      null, or type and message of what the question ended in
withheld                   only where `redact` failed: why the content is missing
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ragc._secrets import redact as redact_message
from ragc.artifact._manifest import Manifest

if TYPE_CHECKING:
    import dspy

    from ragc.retrieval import Condition, Index, Passage, Search

SCHEMA = 1
"""The form that this ragc writes, and the newest it reads."""
_OWN = ("answer", "passages", "citations", "provenance")


@dataclass(frozen=True)
class Asked:
    """A question on its way to an answer."""

    id: str
    """The answer's id: 20 hexadecimal digits."""
    inputs: Mapping[str, Any]
    model: str
    """As it resolves here."""
    conditions: Sequence[Condition]
    """What the program is bound to."""


def sealed(manifest: Manifest) -> dict[str, Any]:
    """Return what a record holds of the artifact."""
    identity, test = manifest.identity, manifest.results.get("test") or {}
    sides = {side: test.get(side) or {} for side in ("baseline", "compiled")}
    return {
        "verdict": {key: manifest.verdict.get(key) for key in ("word", "sentence", "sealed")},
        "metric": identity.get("metric"),
        "test": {side: {key: found.get(key) for key in ("score", "n", "errors")} for side, found in sides.items()},
        "fingerprints": dict(identity.get("fingerprints") or {}),
    }


class Digests:
    """The hashes of an index's documents, read once for each state of the corpus."""

    def __init__(self, index: Index | None) -> None:
        self._index = index
        self._held: tuple[str | None, Mapping[str, str]] = (None, {})

    def of(self, corpus_version: str | None) -> Mapping[str, str]:
        """Return document id → hash. Without a version an update is under way, and they are read as they are."""
        if self._index is None:
            return {}
        version, held = self._held
        if corpus_version is None or corpus_version != version:
            held = self._index.digests()
            if corpus_version is not None and self._index.corpus_version == corpus_version:
                self._held = (corpus_version, held)
        return held


def record(
    asked: Asked,
    artifact: Mapping[str, Any],
    searches: Sequence[Search],
    digests: Digests,
    seconds: float,
    outcome: dspy.Prediction | Exception,
) -> dict[str, Any]:
    """Return the record of an answer, or of the error that a question ended in; `artifact`: the fields that name it."""
    given = dict(outcome.items()) if not isinstance(outcome, Exception) else {}
    told = given.get("provenance") or {}
    version = told.get("corpus_version") or next((s.passages.corpus_version for s in reversed(searches)), None)
    shown = [one for one in _listed(given.get("passages")) if _is_passage(one)]
    hashes = digests.of(version) if shown or any(len(search.passages) for search in searches) else {}
    dropped = [*_listed(told.get("dropped")), *(id_ for search in searches for id_ in search.passages.dropped)]
    return {
        "schema": SCHEMA,
        "id": asked.id,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **artifact,
        "model": asked.model,
        "measured": told.get("measured"),
        "differs": _plain(_listed(told.get("differs"))),
        "corpus_version": version,
        "seconds": round(seconds, 3),
        "question": _plain(asked.inputs.get("question")),
        "inputs": {name: _plain(value) for name, value in asked.inputs.items() if name != "question"},
        "answer": _plain(given.get("answer")),
        "outputs": {name: _plain(value) for name, value in given.items() if name not in _OWN},
        "citations": [str(id_) for id_ in _listed(given.get("citations"))],
        "citation_method": _plain(told.get("citation_method")),
        "passages": list(_passages(shown, searches, hashes)),
        "searches": [_search(search) for search in searches],
        "dropped": list(dict.fromkeys(map(str, dropped))),
        "filters": [_condition(one) for one in asked.conditions],
        "error": _error(outcome) if isinstance(outcome, Exception) else None,
    }


def _passages(
    shown: Sequence[Passage], searches: Sequence[Search], hashes: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """What came back with the answer, then what else was retrieved for it; none twice."""
    seen: set[str] = set()
    found = [(one, True) for one in shown] + [(one, False) for search in searches for one in search.passages]
    for passage, is_shown in found:
        if passage.id in seen:
            continue
        seen.add(passage.id)
        yield {
            "id": passage.id,
            "document": passage.document,
            "sha256": hashes.get(passage.document),
            "title": passage.title,
            "heading": list(getattr(passage, "heading", ())),
            "place": getattr(passage, "place", ""),
            "start": getattr(passage, "start", None),
            "end": getattr(passage, "end", None),
            "score": _plain(getattr(passage, "score", None)),
            "text": passage.text,
            "metadata": _plain(getattr(passage, "metadata", {})),
            "shown": is_shown,
        }


def _listed(value: Any) -> Sequence[Any]:
    """`value` where it is a list of some kind: a program may call anything by these names."""
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else ()


def _is_passage(value: Any) -> bool:
    return all(isinstance(getattr(value, name, None), str) for name in ("id", "document", "title", "text"))


def _search(search: Search) -> dict[str, Any]:
    return {
        "query": search.query,
        "filters": [_condition(one) for one in search.conditions],
        "passages": [passage.id for passage in search.passages],
        "dropped": list(search.passages.dropped),
    }


def _condition(condition: Condition) -> dict[str, Any]:
    return {"field": condition.field, "operator": condition.operator, "value": _plain(condition.value)}


def _error(error: Exception) -> dict[str, str]:
    return {"type": type(error).__name__, "message": redact_message(str(error))}


def _plain(value: Any) -> Any:
    """`value` as JSON has it; what JSON has no form for, as text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return str(value)
