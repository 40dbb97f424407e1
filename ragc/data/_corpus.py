"""The documents that questions are answered from."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ragc._files import canonical_json, digest
from ragc._messages import counted, shown_path
from ragc.data._encoding import UnknownEncodingError, decode
from ragc.data._findings import Finding, boilerplate, duplicates
from ragc.data._lines import BadLine, BadLines, json_lines
from ragc.data._markdown import FrontMatterError, heading, split_front_matter
from ragc.data._places import Places, read_places
from ragc.data._records import checked_record
from ragc.errors import DataError

if TYPE_CHECKING:
    from ragc.data.documents import Conversion, Source

Scalar = str | int | float | bool | None
_MARKDOWN = (".md", ".markdown")
_TEXTS = (*_MARKDOWN, ".txt")
_READ = ".csv, .docx, .eml, .html, .jsonl, .md, .msg, .pdf, .pptx, .txt and .xlsx"

MOST_BYTES = 64 * 1024 * 1024
"""How large a file of a corpus folder may be: documents are smaller, and what is larger is an export or a dump."""

Report = Callable[[int, int], None]
"""Told how many of how many files are read."""


@dataclass(frozen=True)
class Document:
    """One document: `text` keeps the characters of a text file, so that spans into it hold."""

    id: str
    title: str
    text: str
    metadata: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 over title, text and metadata."""
        return digest(canonical_json([self.title, self.text, dict(self.metadata)]))

    @cached_property
    def places(self) -> Places | None:
        """Where its pages, slides or sheets begin; None: it has none."""
        return read_places(self.metadata)


@dataclass(frozen=True)
class Skipped:
    """A file of a corpus folder that was not read."""

    path: str
    """Relative to the corpus."""
    reason: str


@dataclass(frozen=True)
class Corpus:
    """Documents in the order of their ids, and what was skipped."""

    documents: tuple[Document, ...]
    skipped: tuple[Skipped, ...] = ()
    noted: tuple[Finding, ...] = ()
    """What came up while files were read: an encoding that was detected, pages that need OCR, what was left out."""

    @cached_property
    def by_id(self) -> Mapping[str, Document]:
        """The documents by their ids."""
        return {document.id: document for document in self.documents}

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 over ids and digests of the documents."""
        return digest(canonical_json(sorted([document.id, document.digest] for document in self.documents)))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What a person should know about documents that were read: `noted`, duplicates, lines that most have."""
        texts = {document.id: document.text for document in self.documents}
        return (*self.noted, *duplicates(texts), *boilerplate(texts))


def read_corpus(path: Path, *, strict: bool = False, report: Report | None = None) -> Corpus:
    """Return the documents of a folder, or of a `.jsonl` file of `{"id", "title", "text", …metadata}`.

    In a folder, Markdown and text files are read at any depth, and what `ragc.data.documents` converts: PDF, Office,
    HTML, e-mail, CSV, JSON Lines, in processes of their own and once for each content. The path below the folder is the
    document's id; a line of a `.jsonl` adds `#` and its own. Hidden files are ignored. A file that cannot be read
    (another format, broken, encrypted, larger than MOST_BYTES, a link out of the folder) is skipped and named; with
    `strict` it is an error. Bad lines of a `.jsonl` that is the corpus always are. Raises DataError in one line, also
    when there is no document at all. `report` is told how far the conversion is, where there is one.
    """
    if path.is_dir():
        corpus = _read_folder(path, report)
    elif path.suffix.lower() == ".jsonl":
        corpus = Corpus(_read_lines(path))
    elif path.exists():
        raise DataError(f"{shown_path(path)}: expected a folder or a .jsonl file as the corpus")
    else:
        raise DataError(
            f"no corpus at {shown_path(path)}; check `corpus` in pyproject.toml, or put your documents there"
        )
    if corpus.skipped and (strict or not corpus.documents):
        raise DataError(f"{shown_path(path)}: {_summary(corpus.skipped)}{'' if strict else '; no document is left'}")
    if not corpus.documents:
        raise DataError(f"{shown_path(path)}: no documents in it; put {_READ} files into it")
    return corpus


def _summary(skipped: tuple[Skipped, ...]) -> str:
    named = "; ".join(f"{one.path}: {one.reason}" for one in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{counted(len(skipped), 'file')} cannot be read: {named}{more}"


class _Reading:
    """What a folder gives, file by file."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.skipped: list[Skipped] = []
        self.noted: list[Finding] = []

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(name, reason))

    def add(self, name: str, documents: Iterable[Document]) -> None:
        for document in documents:
            if document.id in self.documents:
                self.skip(name, "another file has the same name in another Unicode form")
            else:
                self.documents[document.id] = document


def _read_folder(folder: Path, report: Report | None) -> Corpus:
    reading = _Reading()
    sources: list[Source] = []
    for name, file in _files(folder, reading.skipped):
        try:
            suffix = _checked_suffix(file, folder)
            if suffix in _TEXTS:
                reading.add(name, [_read_text(name, file, reading)])
            else:
                from ragc.data.documents import Source

                sources.append(Source(name, file, suffix))
        except BadLine as error:
            reading.skip(name, str(error))
    if sources:
        from ragc.data.documents import convert_files

        conversions = convert_files(sources, report)
        for source in sources:
            _take(source, conversions[source.name], reading)
    ordered = tuple(reading.documents[id_] for id_ in sorted(reading.documents))
    return Corpus(
        ordered,
        tuple(sorted(reading.skipped, key=lambda one: one.path)),
        tuple(sorted(reading.noted, key=lambda one: one.path)),
    )


def _take(source: Source, conversion: Conversion, reading: _Reading) -> None:
    if conversion.failure is not None:
        reading.skip(source.name, conversion.failure)
        return
    id_ = unicodedata.normalize("NFC", source.name)
    reading.add(
        source.name,
        [
            Document(
                id_ if one.key is None else f"{id_}#{one.key}",
                one.title or source.path.stem if one.key is None else one.title or one.key,
                one.text,
                MappingProxyType(dict(one.metadata)),
            )
            for one in conversion.documents
        ],
    )
    reading.noted += [Finding(kind, source.name, text) for kind, text in conversion.notes]


def _files(folder: Path, skipped: list[Skipped]) -> Iterator[tuple[str, Path]]:
    """Yield the name below `folder` and the path of every file that is not hidden; note what cannot be entered."""

    def cannot_enter(error: OSError) -> None:
        skipped.append(Skipped(_name(Path(error.filename), folder), (error.strerror or str(error)).lower()))

    for place, folders, files in os.walk(folder, onerror=cannot_enter):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if (link := Path(place, name)).is_symlink():
                skipped.append(Skipped(_name(link, folder), "a link to a folder"))
        for name in sorted(files):
            if not name.startswith("."):
                yield _name(Path(place, name), folder), Path(place, name)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix().encode("utf-8", "backslashreplace").decode("utf-8")


def _checked_suffix(file: Path, folder: Path) -> str:
    """Return the suffix of a file that can be read as far as its name and size tell. Raises BadLine."""
    if file.is_symlink() and not file.resolve().is_relative_to(folder.resolve()):
        raise BadLine("a link out of the folder")
    suffix = file.suffix.lower()
    if suffix not in _TEXTS:
        _check_format(suffix)
    if not file.is_file():
        raise BadLine("a broken link" if file.is_symlink() else "not a plain file")
    if any("\udc80" <= character <= "\udcff" for character in str(file.relative_to(folder))):
        raise BadLine("its name is not UTF-8")
    if (size := file.stat().st_size) > MOST_BYTES:
        raise BadLine(f"{size / 2**20:,.0f} MiB, at most {MOST_BYTES // 2**20} are read; split it")
    return suffix


def _check_format(suffix: str) -> None:
    from ragc.data.documents import FORMATS, OLD_FORMATS, missing_extra

    if suffix not in FORMATS:
        advice = f"save it as {OLD_FORMATS[suffix]}" if suffix in OLD_FORMATS else f"only {_READ} are read"
        raise BadLine(f"{suffix or 'without a suffix'}: {advice}")
    lacking = missing_extra(suffix)
    if lacking is not None:
        raise BadLine(lacking)


def _read_text(name: str, file: Path, reading: _Reading) -> Document:
    try:
        decoded = decode(file.read_bytes())
    except UnknownEncodingError as error:
        raise BadLine(str(error)) from error
    except OSError as error:
        raise BadLine((error.strerror or str(error)).lower()) from error
    document = _document(unicodedata.normalize("NFC", name), file, decoded.text)
    if decoded.encoding is not None:
        reading.noted.append(Finding("encoding", name, f"read as {decoded.encoding}"))
    return document


def _document(id_: str, file: Path, text: str) -> Document:
    metadata: dict[str, Any] = {}
    title = None
    if file.suffix.lower() in _MARKDOWN:
        try:
            metadata, text = split_front_matter(text)
        except FrontMatterError as error:
            raise BadLine(f"bad front matter: {error}") from error
        title = metadata.pop("title", None) or heading(text)
    if not text.strip():
        raise BadLine("empty")
    if "\0" in text:
        raise BadLine("not a text: it holds NUL characters")
    return Document(id_, str(title or file.stem), text, MappingProxyType(metadata))


def _read_lines(path: Path) -> tuple[Document, ...]:
    bad = BadLines(path)
    documents: dict[str, Document] = {}
    lines: dict[str, int] = {}
    for line, record in json_lines(path, bad):
        try:
            document = _line_document(record)
        except BadLine as error:
            bad.add(line, str(error))
            continue
        if document.id in documents:
            bad.add(line, f'duplicate id "{document.id}", first in line {lines[document.id]}')
            continue
        documents[document.id], lines[document.id] = document, line
    bad.check()
    return tuple(documents[id_] for id_ in sorted(documents))


def _line_document(record: Mapping[str, Any]) -> Document:
    id_, title, metadata = checked_record(record)
    return Document(id_, title or id_, record["text"], MappingProxyType(metadata))
