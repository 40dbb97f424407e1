"""The retrieved unit, and the text of it that is embedded and indexed. Knows neither DSPy nor any store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

Scalar = str | int | float | bool | None
"""A value of a document's metadata."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that was retrieved for a question."""

    id: str
    """Derived from document and span (see `passage_id`): the same in every store, and after indexing again."""
    document: str
    """The id of the document."""
    title: str
    """The document's title."""
    text: str
    """What is shown to the model; a section's heading line stands in `heading` instead. Where a table is cut, its
    header stands again before the passage's own text."""
    score: float = 0.0
    """What it was ranked by: 0 to 1, higher is better, comparable within one search only."""
    metadata: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    """The document's metadata, and the passage's `page` (or `slide`, `sheet`) where the document has pages."""
    start: int = 0
    """Where it begins in the document's text, in characters; the span includes a section's heading line."""
    end: int = 0
    """Where it ends, exclusive."""
    heading: tuple[str, ...] = ()
    """The headings it stands under, outermost first, the document's title left out."""
    text_score: float | None = None
    """BM25 of the text leg, higher is better; None: not among the best of that leg, or the leg was not asked."""
    vector_score: float | None = None
    """Cosine similarity of the vector leg, -1 to 1; None as for `text_score`."""
    rerank_score: float | None = None
    """What a reranker gave it, 0 to 1, and then `score` as well; None: it was not reranked."""

    @property
    def own(self) -> int:
        """Where its own text begins in the document: from there to `end` is what its text ends with."""
        return self.end - min(len(self.text), self.end - self.start)

    @property
    def source(self) -> str:
        """Title and headings on one line: `Annual leave > Carrying over`."""
        return " > ".join(part for part in (self.title, *self.heading) if part)

    @property
    def place(self) -> str:
        """Where in the document it stands: `page 12`, `pages 12–13`, `slide 3`; empty where there are no pages."""
        from ragc.data import place_in_words

        return place_in_words(self.metadata)


def passage_id(document: str, start: int, end: int) -> str:
    """Return the id of the passage at `start` to `end` of `document`: 16 hexadecimal digits."""
    return hashlib.sha256(f"{document}\0{start}\0{end}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def indexed_text(title: str, heading: tuple[str, ...], text: str) -> str:
    """Return what is embedded and text-indexed for a passage: title, heading path and text, a line each."""
    return "\n".join(part for part in (title, " > ".join(heading), text) if part)
