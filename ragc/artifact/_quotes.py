"""What demonstrations quote: passages of documents that may have changed, or gone, since they were sealed.

A demonstration shows the model passages as they were when the task was compiled, and they stay in the prompt until it
is compiled again. Each stands there fenced, with its id; which document it is from is sealed beside it (`quoted`). A
passage holds while its text stands in that document, under the same title and headings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ragc._fence import Fenced, fenced_source, fenced_text, passages_in
from ragc._messages import counted
from ragc._tables import stands
from ragc.artifact import _figures as figures
from ragc.artifact._manifest import Verified

if TYPE_CHECKING:
    from ragc.data import Corpus, Document
    from ragc.retrieval import Passage

_NAMED = 5
"""Documents that the line names; the others are counted."""


@dataclass(frozen=True)
class Outdated:
    """Demonstrations that quote what their documents no longer hold."""

    task: str
    demonstrations: int
    """How many."""
    documents: tuple[str, ...]
    """Ids of the documents, sorted."""

    def __str__(self) -> str:
        """One line, with what to do."""
        quote = "quotes" if self.demonstrations == 1 else "quote"
        which = (
            "a document that changed or is gone" if len(self.documents) == 1 else "documents that changed or are gone"
        )
        names = ", ".join(self.documents[:_NAMED])
        if (more := len(self.documents) - _NAMED) > 0:
            names += f" and {more} more"
        return (
            f"{counted(self.demonstrations, 'demonstration')} {quote} {which} ({names}): "
            f"`ragc compile {self.task}` takes {'it' if self.demonstrations == 1 else 'them'} out"
        )


@dataclass(frozen=True)
class Quotes:
    """What the demonstrations of an artifact quote."""

    task: str
    corpus_version: str
    """The fingerprint of the documents when it was sealed: of these, every quote holds."""
    demonstrations: tuple[tuple[tuple[str, Fenced], ...], ...]
    """For each demonstration that quotes, the documents with what it shows of them."""

    @classmethod
    def of(cls, verified: Verified) -> Quotes:
        """Return what the artifact's demonstrations quote; passages of which no document is sealed are left out."""
        manifest = verified.manifest
        documents: Mapping[str, str] = manifest.built.get("quoted") or {}
        found = (
            tuple((documents[one.id], one) for one in _shown(demonstration) if one.id in documents)
            for prompt in figures.prompts(verified.state)
            for demonstration in prompt.demonstrations
        )
        version = str(manifest.identity["fingerprints"].get("corpus"))
        return cls(manifest.task, version, tuple(filter(None, found)))

    @property
    def documents(self) -> list[str]:
        """The documents that are quoted."""
        return sorted({document for quotes in self.demonstrations for document, _ in quotes})

    def outdated(self, passages: Iterable[Passage]) -> Outdated | None:
        """Return the demonstrations that quote what is in none of `passages`; None where all of it is.

        `passages` are what `documents` hold now, in their order.
        """
        held: dict[str, list[Passage]] = {}
        for passage in passages:
            held.setdefault(passage.document, []).append(passage)
        gone = [
            {document for document, quote in quotes if not _stands(quote, held.get(document, []))}
            for quotes in self.demonstrations
        ]
        documents = tuple(sorted(set().union(*gone)))
        return Outdated(self.task, sum(map(bool, gone)), documents) if documents else None


def quoted_by(demonstration: Any, documents: Mapping[str, str]) -> frozenset[str] | None:
    """Return the documents that a demonstration quotes; None where that cannot be told for a passage in it.

    `documents`: those of passages by id, as they were sealed. Passages that were retrieved in this process say theirs.
    """
    from ragc.retrieval import Passages

    found: set[str | None] = set()
    for value in dict(demonstration).values():
        if isinstance(value, Passages):
            found.update(passage.document for passage in value)
        else:
            found.update(documents.get(quote.id) for quote in _shown(value))
    known = frozenset(document for document in found if document is not None)
    return known if len(known) == len(found) else None


def quoted_documents(state: Mapping[str, Any], corpus: Corpus) -> dict[str, str]:
    """Return the document of each passage that the demonstrations in `state` quote, by the passage's id.

    For `Content.quoted`. A passage that stands in no document of `corpus` as it is quoted is left out.
    """
    quotes = [one for prompt in figures.prompts(state) for shown in prompt.demonstrations for one in _shown(shown)]
    by_title: dict[str, list[Document]] = {}
    for document in corpus.documents if quotes else ():
        by_title.setdefault(fenced_source(document.title), []).append(document)
    texts = cache(lambda id_: fenced_text(corpus.by_id[id_].text))
    found: dict[str, str] = {}
    for quote in quotes:
        words = quote.source.split(" > ")
        titles = ["", *(" > ".join(words[:length]) for length in range(1, len(words) + 1))]
        titled = (document.id for title in titles for document in by_title.get(title, ()))
        first = next((id_ for id_ in titled if stands(quote.text, texts(id_).__contains__)), None)
        if first is not None:
            found[quote.id] = first
    return found


def _shown(value: Any) -> Iterator[Fenced]:
    """Yield the passages in the fields of a demonstration, however deep they stand."""
    if isinstance(value, str):
        yield from passages_in(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _shown(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _shown(part)


def _stands(quote: Fenced, passages: Sequence[Passage]) -> bool:
    """Whether the quote stands in a document, given its passages: in one section, wherever that is cut by now."""
    section = [one for one in passages if fenced_source(one.source) == quote.source]
    if any(fenced_text(one.text) == quote.text for one in section):
        return True
    text, end = "", 0
    for one in section:
        own = one.text[len(one.text) - (one.end - one.own) :]
        text += own[end - one.own :] if one.own < end else f" {own}"
        end = max(end, one.end)
    words = _words(fenced_text(text))
    return stands(quote.text, lambda part: _words(part) in words)


def _words(text: str) -> str:
    """The text with one space around each word, so that whole words are found in it."""
    return f" {' '.join(text.split())} "
