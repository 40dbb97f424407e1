"""Labels against the corpus: which still hold, and which stretches of the documents are gold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ragc._messages import counted
from ragc._text import find_span
from ragc.data._corpus import Corpus, Document
from ragc.data._examples import Evidence, Example
from ragc.data._lines import shown
from ragc.errors import DataError

MOST_STALE = 0.2


@dataclass(frozen=True)
class Stale:
    """An example whose label the corpus no longer supports, or may not."""

    example: Example
    reason: str
    """Why, in a few words."""


@dataclass(frozen=True)
class Labels:
    """The examples whose evidence holds, and those set aside because theirs does not."""

    valid: tuple[Example, ...]
    stale: tuple[Stale, ...]


@dataclass(frozen=True)
class Span:
    """A gold stretch of a document: from character `start` up to `end`."""

    document: str
    start: int
    end: int

    def overlaps(self, document: str, start: int, end: int) -> bool:
        """Return whether a passage, given by its document and span, is gold: it shares a character with this one."""
        return document == self.document and start < self.end and end > self.start


def check_labels(examples: Sequence[Example], corpus: Corpus) -> Labels:
    """Part the examples whose evidence is in the corpus from the stale ones.

    Raises DataError, naming the first three, when more than 20% of the examples are stale.
    """
    stale = find_stale(examples, corpus)
    refused = too_many_stale(stale, len(examples))
    if refused is not None:
        raise DataError(refused)
    gone = {one.example.id for one in stale}
    return Labels(tuple(example for example in examples if example.id not in gone), stale)


def find_stale(examples: Sequence[Example], corpus: Corpus) -> tuple[Stale, ...]:
    """Return the examples whose evidence is not in the corpus, in their order, with the reason."""
    return tuple(Stale(example, reason) for example in examples if (reason := _fault(example, corpus)) is not None)


def too_many_stale(stale: Sequence[Stale], labels: int) -> str | None:
    """Return the line that refuses so many stale labels of so many, naming the first three; None where few are."""
    if len(stale) <= MOST_STALE * labels:
        return None
    named = "; ".join(f"{one.example.named}: {one.reason}" for one in stale[:3])
    return (
        f"{len(stale)} of {labels} labels are stale, at most {MOST_STALE:.0%} may be: {named}"
        f"{'; …' if len(stale) > 3 else ''}; mend their evidence or see whether this is the right corpus"
    )


def gold_spans(example: Example, corpus: Corpus) -> tuple[Span, ...]:
    """Return one span for each evidence of `example`: where its quote stands, else its page, else the whole document.

    Evidence that is not in the corpus has none.
    """
    spans = (_span(evidence, corpus) for evidence in example.evidence)
    return tuple(span for span in spans if span is not None)


def is_gold(spans: Iterable[Span], document: str, start: int, end: int) -> bool:
    """Return whether the passage of `document` from `start` to `end` overlaps one of the gold spans."""
    return any(span.overlaps(document, start, end) for span in spans)


def _fault(example: Example, corpus: Corpus) -> str | None:
    return next((fault for one in example.evidence if (fault := evidence_fault(one, corpus)) is not None), None)


def evidence_fault(evidence: Evidence, corpus: Corpus) -> str | None:
    """Return why an evidence is not in the corpus, in a few words; None where it is."""
    document = corpus.by_id.get(evidence.document)
    if document is None:
        return f'unknown document "{evidence.document}"'
    if evidence.page is not None:
        if document.places is None:
            return f"page {evidence.page}, but {document.id} has no pages"
        start, end = _stretch(evidence, document)
        if start == end:
            unit, number = document.places.unit, len(document.places)
            return (
                f"{unit} {evidence.page} of {document.id} holds no text"
                if evidence.page <= number
                else f"{unit} {evidence.page}, but {document.id} has {counted(number, unit)}"
            )
    if _span(evidence, corpus) is None:
        place = "" if evidence.page is None else f"page {evidence.page} of "
        return f"quote {shown(evidence.quote)} does not occur in {place}{evidence.document}"
    return None


def _span(evidence: Evidence, corpus: Corpus) -> Span | None:
    document = corpus.by_id.get(evidence.document)
    if document is None:
        return None
    start, end = _stretch(evidence, document)
    if evidence.quote is None:
        return Span(document.id, start, end) if evidence.page is None or start < end else None
    text = document.text[start:end]
    place = text.find(evidence.quote)  # as it stands, nearly always: no need to normalise the document
    if place >= 0 and _alone(text, place, place + len(evidence.quote)):
        return Span(document.id, start + place, start + place + len(evidence.quote))
    found = find_span(evidence.quote, text)
    return Span(document.id, start + found[0], start + found[1]) if found is not None else None


def _stretch(evidence: Evidence, document: Document) -> tuple[int, int]:
    """Where the page that is named begins and ends, without one the whole document; an empty stretch: no such page."""
    if evidence.page is None:
        return 0, len(document.text)
    places = document.places
    found = places.span(evidence.page, len(document.text)) if places is not None else None
    return found or (0, 0)


def _alone(text: str, start: int, end: int) -> bool:
    """Return whether the stretch begins and ends at a word's edge; if not, `find_span` looks for a better place."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isalnum() and text[start].isalnum()) and not (after.isalnum() and text[end - 1].isalnum())
