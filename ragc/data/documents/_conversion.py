"""What a conversion gives: documents and remarks, or the reason why there are none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Beat = Callable[[], None]
"""Called by a converter for every page that is done, to show that it does not hang."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\([^)\n]*\)")
_NAMED_BY_A_PROGRAM = re.compile(
    r"(Picture|Image|Grafik|Bild|Content Placeholder|Placeholder|Object) ?\d*|", re.IGNORECASE
)
_NO_TITLE = re.compile(
    r"\s*|untitled.*|microsoft word - .*|powerpoint[- ]pr\w+|word document|presentation\d*|document\d*|slide ?\d*|"
    r".*\.(docx?|pptx?|xlsx?|pdf|indd|dotx?)",
    re.IGNORECASE,
)


class Unreadable(ValueError):
    """A file out of which no text can be had: the reason in a few words, and what to do."""


@dataclass(frozen=True)
class Converted:
    """One document out of a file."""

    text: str
    title: str | None = None
    """None: the file says none, and its name must do."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    """What tells it from the other documents of the same file; None: the file is one document."""


@dataclass(frozen=True)
class Conversion:
    """What became of one file: documents, or a failure."""

    documents: tuple[Converted, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    """Kind and text of what a person should know about the file although it was read."""
    failure: str | None = None
    passing: bool = False
    """Whether the failure may have to do with this machine at this moment: too slow, too little memory."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Conversion:
        """Read what `as_json` returned. Raises KeyError and TypeError on anything else."""
        return cls(
            tuple(Converted(**document) for document in value["documents"]),
            tuple((kind, text) for kind, text in value["notes"]),
            value["failure"],
            value["passing"],
        )


def clean(text: str) -> str:
    """Return converted text without what is no text.

    Control characters, soft hyphens, halves of characters, spaces at the ends of lines and runs of blank lines go, and
    an image leaves its description, if a person wrote one.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", " ").replace("\xad", "")
    text = _CONTROLS.sub("", text.encode("utf-8", "ignore").decode("utf-8"))
    text = _IMAGE.sub(lambda image: "" if _NAMED_BY_A_PROGRAM.fullmatch(image[1].strip()) else image[1], text)
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text)).strip("\n")


def real_title(*candidates: str | None) -> str | None:
    """Return the first candidate that a person may have chosen, on one line; None where all are a program's own."""
    for candidate in candidates:
        if candidate and not _NO_TITLE.fullmatch(candidate):
            return " ".join(_CONTROLS.sub(" ", candidate).split())[:200]
    return None
