"""Files that are not text by themselves, converted: PDF, Office, HTML, e-mail, tables, JSON Lines.

Conversion runs in processes of its own, so that a file that hangs its parser, crashes it or eats memory hurts nothing
but itself; what came out is kept by the content of the file. markitdown and the parsers are imported there alone.
"""

from __future__ import annotations

from ragc.data.documents._conversion import Conversion, Converted, Unreadable
from ragc.data.documents._formats import EXTRA, FORMATS, OLD_FORMATS, Format, missing_extra
from ragc.data.documents._run import Source, convert_files

__all__ = [
    "EXTRA",
    "FORMATS",
    "OLD_FORMATS",
    "Conversion",
    "Converted",
    "Format",
    "Source",
    "Unreadable",
    "convert_files",
    "missing_extra",
]
