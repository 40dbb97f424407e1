"""The gateway: the one object through which every call of a run goes.

Each of its promises stands in a file of its own, with its invariant at the top: `_account` (spend never passes a cap),
`_journal` (nothing that was received is lost, or asked for again), `_limiter` (one refusal slows all threads alike),
`_retry` (no failure is tried for ever).

Names are loaded on first use: serving an artifact needs no journal, and reading a journal no provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use

if TYPE_CHECKING:
    from ragc.models.gateway._account import Account, Reservation
    from ragc.models.gateway._amounts import Amounts
    from ragc.models.gateway._bounds import (
        Counted,
        actual,
        embedding_actual,
        embedding_worst_case,
        ranking_actual,
        ranking_worst_case,
        worst_case,
    )
    from ragc.models.gateway._calls import Call, Usage
    from ragc.models.gateway._gateway import Gateway, Status
    from ragc.models.gateway._journal import (
        Claimed,
        Cost,
        Entry,
        Failure,
        Journal,
        Pruned,
        RunChanges,
        RunRecord,
        RunState,
        Share,
        StepRecord,
        Summary,
        Use,
    )
    from ragc.models.gateway._replay import NotInJournal, Replay
    from ragc.models.gateway._shared import SharedGateway
    from ragc.models.gateway._steps import Step, StopAt

_HOME = {
    "Account": "_account",
    "Amounts": "_amounts",
    "Call": "_calls",
    "Claimed": "_journal",
    "Cost": "_journal",
    "Counted": "_bounds",
    "Entry": "_journal",
    "Failure": "_journal",
    "Gateway": "_gateway",
    "Journal": "_journal",
    "NotInJournal": "_replay",
    "Pruned": "_journal",
    "Replay": "_replay",
    "Reservation": "_account",
    "RunChanges": "_journal",
    "RunRecord": "_journal",
    "RunState": "_journal",
    "Share": "_journal",
    "SharedGateway": "_shared",
    "Status": "_gateway",
    "Step": "_steps",
    "StepRecord": "_journal",
    "StopAt": "_steps",
    "Summary": "_journal",
    "Usage": "_calls",
    "Use": "_journal",
    "actual": "_bounds",
    "embedding_actual": "_bounds",
    "embedding_worst_case": "_bounds",
    "ranking_actual": "_bounds",
    "ranking_worst_case": "_bounds",
    "worst_case": "_bounds",
}

__all__ = [
    "Account",
    "Amounts",
    "Call",
    "Claimed",
    "Cost",
    "Counted",
    "Entry",
    "Failure",
    "Gateway",
    "Journal",
    "NotInJournal",
    "Pruned",
    "Replay",
    "Reservation",
    "RunChanges",
    "RunRecord",
    "RunState",
    "Share",
    "SharedGateway",
    "Status",
    "Step",
    "StepRecord",
    "StopAt",
    "Summary",
    "Usage",
    "Use",
    "actual",
    "embedding_actual",
    "embedding_worst_case",
    "ranking_actual",
    "ranking_worst_case",
    "worst_case",
]

__getattr__, __dir__ = on_first_use(__name__, _HOME)
