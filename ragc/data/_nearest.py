"""Evidence that is gone, with the text that comes nearest to it now: what a person needs to mend a label."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ragc._text import similar_span, tokens
from ragc.data._corpus import Corpus, Document
from ragc.data._examples import Evidence, Example
from ragc.data._labels import evidence_fault

LEAST_ALIKE = 0.5
"""Below this nothing is near: two sentences of the same length have about half of their letters in common anyway."""
_ELSEWHERE = 0.1
"""How much more alike another document must be than the one that the label names."""
_LOOKED_THROUGH = 20
"""Other documents that are looked through, those with most of the quote's words."""
_MOST_AROUND = 200
"""How far a stretch is widened on either side to whole sentences, in characters."""
_ENDS = ".!?\n"


@dataclass(frozen=True)
class Nearest:
    """A stretch of a document that may say now what a quote said."""

    document: str
    line: int
    """Where it begins in the document's text, counted from 1."""
    text: str
    """The sentences that it stands in."""
    similarity: float
    """0 to 1; 1 where the very quote stands there."""


@dataclass(frozen=True)
class Lost:
    """One evidence of an example that is not in the corpus."""

    example: Example
    evidence: Evidence
    why: str
    nearest: Nearest | None
    """None where nothing is near, or the label has no quote."""
    document: str | None = None
    """For a document that is unknown, the one with the nearest name."""


def find_lost(examples: Sequence[Example], corpus: Corpus) -> tuple[Lost, ...]:
    """Return every evidence that is not in the corpus, in the order of the examples, with what is nearest to it."""
    library = _Library(corpus)
    return tuple(
        Lost(example, evidence, why, library.nearest(evidence), library.renamed(evidence))
        for example in examples
        for evidence in example.evidence
        if (why := evidence_fault(evidence, corpus)) is not None
    )


class _Library:
    """The documents, and the words of each, read once when they are first needed."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def renamed(self, evidence: Evidence) -> str | None:
        if evidence.document in self._corpus.by_id:
            return None
        return next(iter(difflib.get_close_matches(evidence.document, self._corpus.by_id, n=1)), None)

    def nearest(self, evidence: Evidence) -> Nearest | None:
        if evidence.quote is None:
            return None
        named = self._corpus.by_id.get(evidence.document)
        own = None if named is None else _within(named, evidence.quote)
        others = [_within(document, evidence.quote) for document in self._likely(evidence)]
        best = max(filter(None, others), key=lambda one: one.similarity, default=None)
        if own is not None and (best is None or best.similarity < own.similarity + _ELSEWHERE):
            best = own
        return best if best is not None and best.similarity >= LEAST_ALIKE else None

    def _likely(self, evidence: Evidence) -> list[Document]:
        wanted = set(tokens(evidence.quote or ""))
        shares = [
            (-len(wanted & words), document.id)
            for document, words in zip(self._corpus.documents, self._words, strict=True)
            if document.id != evidence.document
        ]
        return [self._corpus.by_id[id_] for common, id_ in sorted(shares)[:_LOOKED_THROUGH] if common]

    @cached_property
    def _words(self) -> list[set[str]]:
        return [set(tokens(document.text)) for document in self._corpus.documents]


def _within(document: Document, quote: str) -> Nearest | None:
    found = similar_span(quote, document.text)
    if found is None:
        return None
    start, end, similarity = found
    start, end = _widened(document.text, start, end)
    text = document.text[start:end]
    start += len(text) - len(text.lstrip())
    line = document.text.count("\n", 0, start) + 1
    return Nearest(document.id, line, " ".join(text.split()), similarity)


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch with the rest of the sentences, or lines, that it begins and ends in."""
    before = text[max(0, start - _MOST_AROUND) : start]
    opening = max(before.rfind(character) for character in _ENDS)
    after = text[end : end + _MOST_AROUND]
    is_whole = text[end - 1 : end] in tuple(_ENDS)
    closing = min((place for place in map(after.find, _ENDS) if place >= 0), default=len(after) - 1)
    return start - len(before) + opening + 1, end if is_whole else end + closing + 1
