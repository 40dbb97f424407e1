"""The journal: every response that was received, and what it takes to go on from there or to decide again.

`_journal` says what holds at every moment. Beneath it, each with its own invariant: `_writer` (what is returned is on
the disk), `_database` (why it waits for the disk), `_presence` (who lives, and who is alone), `_texts` (what stands in
many requests is stored once), `_damage` and `_salvage` (what is read is what was written).
"""

from __future__ import annotations

from ragc.models.gateway._journal._journal import Journal
from ragc.models.gateway._journal._records import (
    Claimed,
    Cost,
    Entry,
    Failure,
    Pruned,
    RunChanges,
    RunRecord,
    RunState,
    Share,
    StepRecord,
    Summary,
    Use,
)

__all__ = [
    "Claimed",
    "Cost",
    "Entry",
    "Failure",
    "Journal",
    "Pruned",
    "RunChanges",
    "RunRecord",
    "RunState",
    "Share",
    "StepRecord",
    "Summary",
    "Use",
]
