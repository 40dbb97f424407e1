"""What is the same for every store about what is written: its checks, its form as JSON, the version of a document."""

from __future__ import annotations

import hashlib
import json

from ragc.errors import StoreError
from ragc.retrieval._store import Entry, IndexedDocument


def check_vector(entry: Entry, dimensions: int) -> None:
    """Raise StoreError on a vector of another length, or with NaN in it."""
    import numpy as np

    if entry.vector.shape != (dimensions,) or not np.isfinite(entry.vector).all():
        raise StoreError(
            f"{entry.passage.document}: the embedder gave {entry.vector.shape[0]} numbers, "
            f"{dimensions} finite ones were expected"
        )


def made_anew(location: str, task: str) -> StoreError:
    """Return the error of an index that is no longer the one that was opened."""
    return StoreError(f"{location}: the index of {task} was made anew with other settings; open it again")


def half_a_character(shown: str) -> StoreError:
    """Return the error of a text that no encoding has a form for."""
    return StoreError(f"{shown}: a text holds half a character (a lone surrogate); mend the document")


def as_json(document: IndexedDocument, value: object) -> str:
    """Return what is kept of a document as JSON. Raises StoreError on metadata that JSON has no form for."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"{document.id}: metadata holds what JSON has no form for ({error}); use text, numbers, true or false"
        ) from error


def version_of(document: IndexedDocument) -> str:
    """Return a digest of all that is written for a document: the same again means that there is nothing to write."""
    whole = hashlib.sha256()
    parts = [document.id, document.digest, document.title, repr(sorted(document.metadata.items()))]
    for entry in document.entries:
        passage = entry.passage
        parts += [passage.id, repr(passage.heading), passage.title, passage.text, entry.key]
        parts.append(repr(sorted(passage.metadata.items())))
        whole.update(entry.vector.tobytes())
    for part in parts:
        whole.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return whole.hexdigest()[:16]
