"""The gateway: the one object through which every call of a run goes.

Each of its promises stands in a file of its own, with its invariant at the top: `_account` (spend never passes a cap),
`_journal` (nothing that was received is lost, or asked for again), `_limiter` (one refusal slows all threads alike),
`_retry` (no failure is tried for ever).
"""

from __future__ import annotations

from ragc.models.gateway._account import Account, Amounts, Reservation
from ragc.models.gateway._bounds import Counted, actual, embedding_actual, embedding_worst_case, worst_case

__all__ = [
    "Account",
    "Amounts",
    "Counted",
    "Reservation",
    "actual",
    "embedding_actual",
    "embedding_worst_case",
    "worst_case",
]
