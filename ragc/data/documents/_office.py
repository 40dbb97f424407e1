"""DOCX and PPTX through markitdown, and what all Office files share: an archive, looked at before it is opened."""

from __future__ import annotations

import io
import re
import zipfile

from ragc.data._markdown import heading
from ragc.data._places import places_metadata
from ragc.data.documents._conversion import Conversion, Converted, Unreadable, clean, real_title
from ragc.data.documents._pdf import joined
from ragc.data.documents._tables import with_headers

MOST_UNPACKED = 256 * 1024 * 1024
"""Bytes that an Office file may unpack to: a long document with its pictures takes a tenth of them."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_CORE = "docProps/core.xml"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_SLIDE = re.compile(r"^<!-- Slide number: (\d+) -->$", re.MULTILINE)
_SLIDE_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def check_archive(data: bytes, suffix: str) -> None:
    """Raise Unreadable when `data` is no Office file that can be opened: encrypted, older, broken, or a zip bomb."""
    if data.startswith(_OLE):
        if _ENCRYPTED in data:
            raise Unreadable("encrypted: it needs a password; save it without one")
        raise Unreadable(f"an Office file from before 2007 in spite of its name; save it as {suffix}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise Unreadable(f"not a {suffix} file that can be opened; it is broken or cut short") from error
    if sum(member.file_size for member in members) > MOST_UNPACKED:
        raise Unreadable(f"it unpacks to more than {MOST_UNPACKED // 2**20} MiB, as a zip bomb does")
    if any(member.flag_bits & 1 for member in members):
        raise Unreadable("encrypted: it needs a password; save it without one")


def core_title(data: bytes) -> str | None:
    """Return the title that an Office file has in its properties."""
    import defusedxml.ElementTree

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if _CORE not in archive.namelist():
                return None
            root = defusedxml.ElementTree.fromstring(archive.read(_CORE))
    except (zipfile.BadZipFile, ValueError, SyntaxError, OSError):
        return None
    return next((str(element.text) for element in root.iter(_DC_TITLE) if element.text), None)


def convert_docx(data: bytes) -> Conversion:
    """Return a Word file as one document; its title is its first heading, or the one in its properties.

    It has no pages: where they break is the printer's matter. Raises Unreadable.
    """
    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter

    check_archive(data, ".docx")
    converter = DocxConverter()  # type: ignore[no-untyped-call]
    markdown = converter.convert(io.BytesIO(data), StreamInfo(extension=".docx")).markdown
    text = with_headers(clean(markdown))
    return Conversion((Converted(text, heading(text) or real_title(core_title(data)), {"format": "docx"}),))


def convert_pptx(data: bytes) -> Conversion:
    """Return a presentation as one document, a section a slide; its title is the first slide's. Raises Unreadable."""
    from markitdown import StreamInfo
    from markitdown.converters import PptxConverter

    check_archive(data, ".pptx")
    converter = PptxConverter()  # type: ignore[no-untyped-call]
    markdown = converter.convert(io.BytesIO(data), StreamInfo(extension=".pptx")).markdown
    slides: list[str] = []
    first = None
    for number, part in enumerate(_slides(markdown), 1):
        title = _SLIDE_TITLE.search(part)
        first = title[1] if number == 1 and title is not None else first
        body = with_headers(clean(part if title is None else part[: title.start()] + part[title.end() :])).strip()
        name = " ".join(title[1].split()) if title is not None else f"Slide {number}"
        slides.append(f"## {name}\n\n{body}".strip() if body or title is not None else "")
    if not any(slides):
        raise Unreadable("no text in its slides: if they are pictures, it needs OCR")
    starts, text = joined(slides)
    metadata = {"format": "pptx", **places_metadata("slide", starts)}
    return Conversion((Converted(text, real_title(first, core_title(data)), metadata),))


def _slides(markdown: str) -> list[str]:
    """Part at markitdown's remarks; one that a slide itself holds does not count up."""
    slides: list[str] = []
    position = None
    for mark in _SLIDE.finditer(markdown):
        if int(mark[1]) == len(slides) + (1 if position is None else 2):
            if position is not None:
                slides.append(markdown[position : mark.start()])
            position = mark.end()
    return slides if position is None else [*slides, markdown[position:]]
