"""PDF: page by page, so that every page keeps its number and one that is broken costs itself alone."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ragc._messages import counted
from ragc.data._places import places_metadata
from ragc.data.documents._conversion import Beat, Conversion, Converted, Unreadable, clean, real_title
from ragc.data.documents._tables import with_headers

MOST_PAGES = 5_000
_GLYPH_NUMBERS = re.compile(r"\(cid:\d+\)")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_EDGE = 3
"""How many lines at the top and at the bottom of a page may be a running header or footer."""
_FEWEST_PAGES = 4
_MOST_SHARE = 0.6


def convert_pdf(data: bytes, beat: Beat) -> Conversion:
    """Return a PDF as one document with its pages. Raises Unreadable: broken, encrypted, or no text in it.

    Headings are the lines that the outline names; a PDF knows no others.
    """
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("encrypted: it needs a password; save it without one") from error
        raise Unreadable("not a PDF that can be opened; it is broken or cut short") from error
    try:
        return _converted(pdf, beat)
    finally:
        pdf.close()


def _converted(pdf: Any, beat: Beat) -> Conversion:
    if len(pdf) > MOST_PAGES:
        raise Unreadable(f"{len(pdf):,} pages, at most {MOST_PAGES:,} are read; split it")
    pages: list[str] = []
    pictures: list[int] = []
    for number in range(1, len(pdf) + 1):
        text, is_picture = _page(pdf, number - 1)
        pages.append(text)
        if is_picture:
            pictures.append(number)
        beat()
    if not any(pages):
        raise Unreadable(
            f"no text in its {counted(len(pages), 'page')}: it needs OCR, such as `ocrmypdf in.pdf out.pdf`"
        )
    notes = []
    if pictures:
        notes.append(("no text", f"{_listed(pictures)} of {len(pages):,} hold pictures alone: they need OCR"))
    notes += [("boilerplate", text) for text in _running_lines(pages)]
    _mark_headings(pages, _outline(pdf))
    starts, text = joined(pages)
    metadata = {"format": "pdf", **places_metadata("page", starts)}
    return Conversion((Converted(text, real_title(pdf.get_metadata_dict().get("Title")), metadata),), tuple(notes))


def joined(pages: Sequence[str]) -> tuple[list[int], str]:
    """Return where each of `pages` begins in the text of all, a blank line between two, and that text."""
    starts: list[int] = []
    text = ""
    parts: list[str] = []
    length = 0
    for page in pages:
        if page and parts:
            parts.append("\n\n")
            length += 2
        starts.append(length)
        parts.append(page)
        length += len(page)
    text = "".join(parts)
    return [min(start, len(text)) for start in starts], text


def _page(pdf: Any, index: int) -> tuple[str, bool]:
    """Return the text of one page, and whether it has none but shows pictures."""
    import pypdfium2
    import pypdfium2.raw

    try:
        page = pdf[index]
        letters = page.get_textpage().get_text_range()
        if not letters.strip():
            return "", any(page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE], max_depth=4))
    except pypdfium2.PdfiumError:
        return "", False
    text = _markdown(pdf, index)
    if text is None:
        text = letters
    if len("".join(_GLYPH_NUMBERS.findall(text))) > len(text) / 4:  # fonts that do not say which letters they draw
        return "", True
    return clean(with_headers(text.translate(_LIGATURES))).strip(), False


def _markdown(pdf: Any, index: int) -> str | None:
    """Return one page as markitdown has it; None where its parser stumbles over what pdfium can read."""
    import pypdfium2
    from markitdown import StreamInfo
    from markitdown.converters import PdfConverter

    single = pypdfium2.PdfDocument.new()
    try:
        single.import_pages(pdf, [index])
        content = io.BytesIO()
        single.save(content)
        content.seek(0)
        return str(PdfConverter().convert(content, StreamInfo(extension=".pdf")).markdown)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a parser of a stranger's bytes: any error in it is this page's
        return None
    finally:
        single.close()


def _outline(pdf: Any) -> list[tuple[int, int, str]]:
    """Return page index, level and title of every entry of the outline; none where it is broken."""
    import pypdfium2

    found = []
    try:
        for bookmark in pdf.get_toc(max_depth=6):
            target = bookmark.get_dest()
            index = target.get_index() if target is not None else None
            if index is not None and (title := " ".join((bookmark.get_title() or "").split())):
                found.append((index, bookmark.level, title))
    except (pypdfium2.PdfiumError, UnicodeDecodeError, ValueError):
        return []
    return found


def _mark_headings(pages: list[str], outline: Sequence[tuple[int, int, str]]) -> None:
    for index, level, title in outline:
        if not 0 <= index < len(pages):
            continue
        lines = pages[index].split("\n")
        wanted = _plain(title)
        place = next((i for i, line in enumerate(lines) if _plain(line) == wanted and not line.startswith("#")), None)
        if place is not None:
            lines[place] = f"\n{'#' * min(level + 1, 6)} {title}\n"
            pages[index] = clean("\n".join(lines))


def _plain(line: str) -> str:
    return re.sub(r"\W+", "", line).casefold()


def _running_lines(pages: Sequence[str]) -> list[str]:
    """Return one remark for every line, page numbers aside, that stands at the edge of most pages."""
    written = [page for page in pages if page]
    if len(written) < _FEWEST_PAGES:
        return []
    counts: Counter[str] = Counter()
    for page in written:
        lines = [line for line in (one.strip() for one in page.split("\n")) if line]
        counts.update({re.sub(r"\d+", "#", line) for line in (*lines[:_EDGE], *lines[-_EDGE:])} - {"#"})
    return [
        f'"{line[:80]}" stands on {count:,} of {len(written):,} pages'
        for line, count in counts.most_common()
        if count >= _MOST_SHARE * len(written) and any(map(str.isalpha, line)) and "---" not in line
    ]


def _listed(pages: Sequence[int]) -> str:
    named = ", ".join(map(str, pages[:5]))
    more = f" and {len(pages) - 5:,} more" if len(pages) > 5 else ""
    return f"{'page' if len(pages) == 1 else 'pages'} {named}{more}"
