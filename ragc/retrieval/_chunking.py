"""Cuts documents into passages: at headings first, and inside a long section by semantic-text-splitter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragc._tables import Table
from ragc._tables import tables as cut_tables
from ragc.retrieval._passage import Passage, passage_id

if TYPE_CHECKING:
    from ragc.data import Document
    from ragc.project import ChunkSettings

VERSION = 2
"""Raised when the same document and settings give other passages; an index then has to be made anew."""

_HEADING = re.compile(r" {0,3}(?P<level>#{1,6})(?:[ \t]+(?P<text>.*?))?(?:[ \t]+#+)?[ \t]*")
_CODE_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<info>.*)")


def described(settings: ChunkSettings) -> str:
    """Return the chunking in words; two that differ give other passages."""
    return f"{settings.size} {settings.by}, overlap {settings.overlap}, version {VERSION}"


@dataclass(frozen=True)
class _Section:
    heading: tuple[str, ...]
    start: int
    """Where its heading line begins, or that of a section above it that holds nothing itself."""
    body: int
    """Where the text below the heading begins."""
    end: int


class Chunker:
    """Cuts documents as the settings say; `count_tokens` measures where they count tokens."""

    def __init__(self, settings: ChunkSettings, count_tokens: Callable[[str], int]) -> None:
        # Imported here: reading an index needs no splitter.
        from semantic_text_splitter import MarkdownSplitter

        self._size = settings.size
        if settings.by == "tokens":
            self._measure: Callable[[str], int] = count_tokens
            self._splitter = MarkdownSplitter.from_callback(count_tokens, settings.size, settings.overlap)
        else:
            self._measure = len
            self._splitter = MarkdownSplitter(settings.size, settings.overlap)

    def passages(self, document: Document) -> list[Passage]:
        """Return the passages of `document`, in order. None mixes two sections; none is empty.

        A section that fits is one passage. One that begins with a row of a table that is cut says the table's header
        again, which is no part of its span and comes on top of its size, unless it takes more than half of it. Its
        heading path stands in `heading` and not in `text`; its span includes
        the heading line. A heading with nothing of its own below it belongs to the first section under it; without
        one it is a passage itself, unless it is the title.
        """
        return [
            _passage(document, section, start, body, end, header)
            for section in _sections(document.title, document.text)
            for start, body, end, header in self._pieces(section, document.text)
        ]

    def _pieces(self, section: _Section, text: str) -> Iterator[tuple[int, int, int, str]]:
        """Yield where each passage's span begins, its text begins, and both end; and a table's header to repeat."""
        begin, end = _stripped(section, text)
        if self._measure(text[begin:end]) <= self._size:
            yield section.start, begin, end, ""
            return
        tables = [one for one in cut_tables(text[begin:end]) if 2 * self._measure(one.header) <= self._size]
        start = section.start
        for offset, piece in self._splitter.chunk_indices(text[begin:end]):
            if piece.strip():
                piece_begin = begin + offset
                header = _header_at(offset, text[begin:end], tables)
                yield min(start, piece_begin), piece_begin, piece_begin + len(piece), header
                start = len(text)


def sections(document: Document) -> list[Passage]:
    """Return the sections of `document`, each as one passage, however long it is."""
    return [
        _passage(document, section, section.start, *_stripped(section, document.text))
        for section in _sections(document.title, document.text)
    ]


def _header_at(place: int, text: str, tables: Sequence[Table]) -> str:
    """The header of the table of which a row begins at `place`, to stand before it; empty: none does."""
    if place and text[place - 1] != "\n":
        return ""
    return next((f"{one.header}\n" for one in tables if one.start <= place < one.end), "")


def _passage(document: Document, section: _Section, start: int, body: int, end: int, header: str = "") -> Passage:
    return Passage(
        id=passage_id(document.id, start, end),
        document=document.id,
        title=document.title,
        text=header + document.text[body:end],
        metadata=document.metadata,
        start=start,
        end=end,
        heading=section.heading,
    )


def _stripped(section: _Section, text: str) -> tuple[int, int]:
    """Where the text below the heading begins and ends, without the space around it."""
    body = text[section.body : section.end]
    return section.body + len(body) - len(body.lstrip()), section.body + len(body.rstrip())


def _sections(title: str, text: str) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    start = body = 0
    headings = [*_headings(text), (0, "", len(text), len(text))]
    for level, name, line_start, line_end in headings:
        if text[body:line_start].strip():
            yield _Section(_below_title(path, title), start, body, line_start)
            start = line_start
        elif not path:
            start = line_start
        elif level <= path[-1][0]:
            # A heading alone, and what follows does not stand under it: the heading is all the text there is.
            own = path[-1][1]
            if own and not (len(path) == 1 and own == title):
                yield _Section(_below_title(path[:-1], title), start, text.rindex(own, start, body), body)
            start = line_start
        while path and path[-1][0] >= level:
            path.pop()
        path.append((level, name))
        body = line_end


def _below_title(path: list[tuple[int, str]], title: str) -> tuple[str, ...]:
    names = [name for _, name in path if name]
    return tuple(names[1:] if names and names[0] == title else names)


def _headings(text: str) -> Iterator[tuple[int, str, int, int]]:
    """Yield level, text, and the line's start and end, of every ATX heading outside of fenced code."""
    fence = ""
    position = 0
    for line in text.splitlines(keepends=True):
        start, position = position, position + len(line)
        content = line.rstrip("\r\n")
        if fenced := _CODE_FENCE.fullmatch(content):
            marker = fenced["fence"]
            if not fence:
                fence = marker
            elif marker[0] == fence[0] and len(marker) >= len(fence) and not fenced["info"].strip():
                fence = ""
        elif not fence and (heading := _HEADING.fullmatch(content)):
            yield len(heading["level"]), heading["text"] or "", start, position
