"""One thing that `ragc doctor` looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    """What; for a part of a task `TASK.part`, for an extra `extra.NAME`."""
    status: Literal["ok", "problem", "note"]
    """`note`: nothing is wrong, and there is something to know."""
    found: str
    """What was found, or for a problem what is wrong and what to do about it."""
    labels: Sequence[Mapping[str, Any]] = ()
    """The labels that the documents no longer support, or may not: `file`, `line`, `id`, `kind`, `why`."""

    @property
    def label(self) -> str:
        """What stands before it in print."""
        first, _, last = self.name.partition(".")
        return first if first == "extra" else last or first
