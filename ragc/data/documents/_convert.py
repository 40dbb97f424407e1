"""One file, by its suffix, to a conversion. Runs in a worker: the parsers are imported by what needs them."""

from __future__ import annotations

from pathlib import Path

from ragc._messages import counted
from ragc.data._encoding import UnknownEncodingError, decode
from ragc.data._lines import BadLine, BadLines, json_lines
from ragc.data._records import checked_record
from ragc.data.documents._conversion import Beat, Conversion, Converted, Unreadable
from ragc.data.documents._formats import EXTRA
from ragc.errors import DataError

MOST_TEXT = 20_000_000
"""Characters that one file may hold; a long book has one million."""


def convert(path: Path, suffix: str, data: bytes, beat: Beat) -> Conversion:
    """Return what is in a file whose content is `data`; a failure is a part of what is returned.

    Whatever else a parser raises on a stranger's bytes is a broken file. MemoryError is raised.
    """
    try:
        conversion = _convert(path, suffix, data, beat)
    except Unreadable as error:
        return Conversion(failure=str(error))
    except RecursionError:
        return Conversion(failure="nested too deeply")
    except ModuleNotFoundError as error:
        return Conversion(failure=f"{suffix} needs {error.name}; {EXTRA.install}", passing=True)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - parsers of four libraries, each with errors of its own
        return Conversion(failure=f"broken: {_short(error)}")
    if not any(document.text.strip() for document in conversion.documents):
        return Conversion(failure="no text in it")
    if sum(len(document.text) for document in conversion.documents) > MOST_TEXT:
        return Conversion(failure=f"more than {MOST_TEXT // 10**6} million characters of text; split it")
    return conversion


def _convert(path: Path, suffix: str, data: bytes, beat: Beat) -> Conversion:
    # Imported here: only the room of the format at hand.
    match suffix:
        case ".pdf":
            from ragc.data.documents._pdf import convert_pdf

            return convert_pdf(data, beat)
        case ".docx":
            from ragc.data.documents._office import convert_docx

            return convert_docx(data)
        case ".pptx":
            from ragc.data.documents._office import convert_pptx

            return convert_pptx(data)
        case ".xlsx":
            from ragc.data.documents._workbook import convert_xlsx

            return convert_xlsx(data, beat)
        case ".msg":
            from ragc.data.documents._outlook import convert_msg

            return convert_msg(data)
        case ".eml" | ".htm" | ".html":
            from ragc.data.documents import _mail

            return (_mail.convert_eml if suffix == ".eml" else _mail.convert_html)(data)
        case ".csv" | ".tsv":
            return _csv(data)
        case ".jsonl":
            return _records(path)
    raise Unreadable(f"{suffix}: no format that is read")


def _csv(data: bytes) -> Conversion:
    from ragc.data.documents._tables import convert_csv

    try:
        decoded = decode(data)
    except UnknownEncodingError as error:
        raise Unreadable(str(error)) from error
    if "\0" in decoded.text:
        raise Unreadable("not a text: it holds NUL characters")
    conversion = convert_csv(decoded.text)
    notes = (("encoding", f"read as {decoded.encoding}"),) if decoded.encoding else ()
    return Conversion(conversion.documents, notes)


def _records(path: Path) -> Conversion:
    bad = BadLines(path)
    documents: dict[str, Converted] = {}
    try:
        for line, record in json_lines(path, bad):
            try:
                key, title, metadata = checked_record(record, line)
            except BadLine as error:
                bad.add(line, str(error))
                continue
            if key in documents:
                bad.add(line, f'duplicate id "{key}"')
                continue
            documents[key] = Converted(record["text"], title, metadata, key)
    except DataError as error:
        raise Unreadable(str(error)) from error
    if bad.found:
        line, reason = min(bad.found)
        more = f"; and {counted(len(bad.found) - 1, 'other bad line')}" if len(bad.found) > 1 else ""
        raise Unreadable(f"line {line}: {reason}{more}")
    return Conversion(tuple(documents.values()))


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    named = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return named if len(named) <= 120 else f"{named[:119]}…"
