"""The documents that questions are answered from."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ragc._files import canonical_json, digest
from ragc._messages import counted, shown_path
from ragc.data._lines import BadLine, BadLines, json_lines, shown
from ragc.data._markdown import FrontMatterError, heading, scalars, split_front_matter
from ragc.errors import DataError

Scalar = str | int | float | bool | None
_MARKDOWN = (".md", ".markdown")
_SUFFIXES = (*_MARKDOWN, ".txt")


@dataclass(frozen=True)
class Document:
    """One document: `text` keeps the characters of the file, so that spans into it hold."""

    id: str
    title: str
    text: str
    metadata: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 over title, text and metadata."""
        return digest(canonical_json([self.title, self.text, dict(self.metadata)]))


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

    @cached_property
    def by_id(self) -> Mapping[str, Document]:
        """The documents by their ids."""
        return {document.id: document for document in self.documents}

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 over ids and digests of the documents."""
        return digest(canonical_json(sorted([document.id, document.digest] for document in self.documents)))


def read_corpus(path: Path, *, strict: bool = False) -> Corpus:
    """Return the documents of a folder, or of a `.jsonl` file of `{"id", "title", "text", …metadata}`.

    In a folder, `.md`, `.markdown` and `.txt` are read, at any depth; the path below the folder is the document's id.
    Hidden files are ignored. A file that cannot be read (another suffix or encoding, bad front matter, a link out of
    the folder) is skipped and named; with `strict` it is an error. Bad lines of a `.jsonl` always are. Raises DataError
    in one line, also when there is no document at all.
    """
    if path.is_dir():
        corpus = _read_folder(path)
    elif path.suffix.lower() == ".jsonl":
        corpus = Corpus(_read_lines(path))
    elif path.exists():
        raise DataError(f"{shown_path(path)}: expected a folder or a .jsonl file as the corpus")
    else:
        raise DataError(
            f"no corpus at {shown_path(path)}; check `corpus` in pyproject.toml, or put .md or .txt files there"
        )
    if corpus.skipped and (strict or not corpus.documents):
        raise DataError(f"{shown_path(path)}: {_summary(corpus.skipped)}{'' if strict else '; no document is left'}")
    if not corpus.documents:
        raise DataError(f"{shown_path(path)}: no documents in it; put .md or .txt files into it")
    return corpus


def _summary(skipped: tuple[Skipped, ...]) -> str:
    named = "; ".join(f"{one.path}: {one.reason}" for one in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return f"{counted(len(skipped), 'file')} cannot be read: {named}{more}"


def _read_folder(folder: Path) -> Corpus:
    documents: dict[str, Document] = {}
    skipped: list[Skipped] = []
    for name, file in _files(folder, skipped):
        try:
            document = _read_file(name, file, folder)
        except BadLine as error:
            skipped.append(Skipped(name, str(error)))
            continue
        if document.id in documents:
            skipped.append(Skipped(name, "another file has the same name in another Unicode form"))
        else:
            documents[document.id] = document
    ordered = tuple(documents[id_] for id_ in sorted(documents))
    return Corpus(ordered, tuple(sorted(skipped, key=lambda one: one.path)))


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


def _read_file(name: str, file: Path, folder: Path) -> Document:
    if file.is_symlink() and not file.resolve().is_relative_to(folder.resolve()):
        raise BadLine("a link out of the folder")
    suffix = file.suffix.lower()
    if suffix not in _SUFFIXES:
        raise BadLine(f"{suffix or 'without a suffix'}: only .md, .markdown and .txt are read")
    if not file.is_file():
        raise BadLine("a broken link" if file.is_symlink() else "not a plain file")
    if any("\udc80" <= character <= "\udcff" for character in str(file.relative_to(folder))):
        raise BadLine("its name is not UTF-8")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadLine(f"not UTF-8 (byte {error.start + 1})") from error
    except OSError as error:
        raise BadLine((error.strerror or str(error)).lower()) from error
    return _document(unicodedata.normalize("NFC", name), file, text)


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
    for key in ("id", "text"):
        if key not in record:
            raise BadLine(f'missing key "{key}"; found {", ".join(record)}')
        if not isinstance(record[key], str) or not record[key].strip():
            raise BadLine(f'"{key}": expected text, found {shown(record[key])}')
    title = record.get("title")
    if title is not None and not isinstance(title, str):
        raise BadLine(f'"title": expected text, found {shown(title)}')
    others = {key: value for key, value in record.items() if key not in ("id", "title", "text")}
    id_ = unicodedata.normalize("NFC", record["id"])
    return Document(id_, title or id_, record["text"], MappingProxyType(scalars(others)))
