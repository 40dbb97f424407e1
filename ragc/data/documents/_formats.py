"""Which formats are converted, by the suffix of a file's name, and what each needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, util

from ragc._extras import Extra

VERSION = 2
"""Raised when the same file gives another text or other metadata, so that what is kept is converted anew."""


@dataclass(frozen=True)
class Format:
    """A format that is converted."""

    packages: tuple[str, ...] = ()
    """The distributions whose version may change the text."""
    needed: tuple[str, ...] = ()
    """The modules without which it cannot be read; all come with the extra `documents`."""

    @property
    def version(self) -> str:
        """What the text depends on besides the file: our own version and the parsers'."""
        return " ".join([f"ragc {VERSION}", *map(_version, self.packages)])


_HTML = Format(("markitdown", "markdownify", "beautifulsoup4"), ("markitdown",))
FORMATS = {
    ".csv": Format(),
    ".docx": Format(
        ("markitdown", "mammoth", "markdownify", "beautifulsoup4"), ("markitdown", "mammoth", "defusedxml")
    ),
    # A message that is HTML alone needs markitdown; most are not, so that is found out in the message.
    ".eml": Format(_HTML.packages),
    ".htm": _HTML,
    ".html": _HTML,
    ".jsonl": Format(),
    ".msg": Format(("markitdown", "olefile"), ("markitdown", "olefile")),
    ".pdf": Format(
        ("markitdown", "pdfminer.six", "pdfplumber", "pypdfium2"), ("markitdown", "pdfplumber", "pypdfium2")
    ),
    ".pptx": Format(("markitdown", "python-pptx", "markdownify"), ("markitdown", "pptx", "defusedxml")),
    ".tsv": Format(),
    ".xlsx": Format(("openpyxl",), ("openpyxl", "defusedxml")),
}
EXTRA = Extra(
    "documents",
    tuple(sorted({module for format_ in FORMATS.values() for module in format_.needed})),
    "PDF, DOCX, PPTX, XLSX, HTML and MSG in a corpus",
)
"""What brings the parsers."""
OLD_FORMATS = {
    ".doc": ".docx",
    ".dot": ".docx",
    ".odp": ".pptx",
    ".ods": ".xlsx",
    ".odt": ".docx",
    ".pot": ".pptx",
    ".ppt": ".pptx",
    ".rtf": ".docx",
    ".xls": ".xlsx",
    ".xlsb": ".xlsx",
}
"""What is not read, and what it can be saved as."""


def missing_extra(suffix: str) -> str | None:
    """Return why a file of this suffix cannot be read here, with the line to type; None where it can."""
    absent = [module for module in FORMATS[suffix].needed if not _is_there(module)]
    return f"{suffix} needs {_listed(absent)}; {EXTRA.install}" if absent else None


def _is_there(module: str) -> bool:
    return util.find_spec(module) is not None


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} none"
