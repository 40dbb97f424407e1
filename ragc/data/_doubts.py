"""Labels that the documents may no longer support: the whole list, and the lines that sum it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ragc._messages import counted
from ragc.data._corpus import Corpus
from ragc.data._examples import Example
from ragc.data._labels import Stale, find_stale, too_many_stale
from ragc.data._lines import shown
from ragc.data._verbatim import unsupported_answers


@dataclass(frozen=True)
class Doubts:
    """The labels of a file that the documents no longer support, or may not."""

    valid: tuple[Example, ...]
    """Those whose evidence holds."""
    stale: tuple[Stale, ...]
    """Their evidence is gone: a run sets them aside."""
    unsupported: tuple[Stale, ...]
    """Of the valid ones, those without a quote as evidence of which no document holds an accepted answer."""

    @property
    def refused(self) -> str | None:
        """The line with which a run refuses so many stale labels; None where it does not."""
        return too_many_stale(self.stale, len(self.valid) + len(self.stale))

    @property
    def lines(self) -> tuple[str, ...]:
        """One line on each kind that there is, with the first label and what to do."""
        lines = []
        if self.refused is not None:
            lines.append(self.refused)
        elif self.stale:
            first = self.stale[0]
            named = f"{first.example.named}: {first.reason}"
            lines.append(f"{counted(len(self.stale), 'stale label')}, such as {named}; mend them")
        if self.unsupported:
            lines.append(_unsupported_line([one.example for one in self.unsupported], len(self.valid)))
        return tuple(lines)

    def listed(self, file: str) -> list[dict[str, Any]]:
        """Return every one of them as JSON: `file`, `line`, `id`, `kind` (stale, unsupported) and `why`."""
        return [
            {"file": file, "line": one.example.line, "id": one.example.id, "kind": kind, "why": one.reason}
            for kind, found in (("stale", self.stale), ("unsupported", self.unsupported))
            for one in found
        ]


def doubt_labels(examples: Sequence[Example], corpus: Corpus) -> Doubts:
    """Return the labels that `corpus` no longer supports. Unlike `check_labels` it refuses nothing."""
    stale = find_stale(examples, corpus)
    gone = {one.example.id for one in stale}
    valid = tuple(example for example in examples if example.id not in gone)
    unheld = set(unsupported_answers(valid, corpus))
    unsupported = (
        Stale(example, f"{shown(example.answers[0])} stands in no document")
        for example in valid
        if example.id in unheld
    )
    return Doubts(valid, stale, tuple(unsupported))


def unsupported_in_words(examples: Sequence[Example], corpus: Corpus) -> str | None:
    """Return one line on the labels that `unsupported_answers` finds, with the first one and what to do; None: none."""
    gone = set(unsupported_answers(examples, corpus))
    found = [example for example in examples if example.id in gone]
    return _unsupported_line(found, len(examples)) if found else None


def _unsupported_line(found: Sequence[Example], labels: int) -> str:
    verb = "has an answer that stands" if len(found) == 1 else "have an answer that stands"
    return (
        f"{len(found):,} of {counted(labels, 'label')} {verb} in no document, such as "
        f'"{found[0].answers[0]}" to {found[0].named}: mend the labels whose documents changed'
    )
