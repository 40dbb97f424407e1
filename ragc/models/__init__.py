"""Language models: from a model string to a `dspy.LM` whose calls are metered, and the model that runs in the process.

Imports dspy, and neither litellm nor xllamacpp before a model is called that needs it.
"""

from __future__ import annotations

from ragc._secrets import redact
from ragc.models._engine import AsyncEngine, Engine
from ragc.models._errors import BudgetReached, RunInterrupted
from ragc.models._exact import NotCounted, exact_counter
from ragc.models._lm import (
    check_model,
    context_window,
    describe,
    make_adapter,
    make_lm,
    prepare_model,
    token_counter,
)
from ragc.models._plain import PlainAdapter
from ragc.models._prices import find_price
from ragc.models._repair import RepairingChatAdapter, RepairingJSONAdapter
from ragc.models._unsent import NotSent, text_of, unsent
from ragc.models.gateway import (
    Amounts,
    Call,
    Gateway,
    Journal,
    NotInJournal,
    Replay,
    RunChanges,
    RunRecord,
    RunState,
    Status,
    Step,
    StopAt,
    Usage,
)

__all__ = [
    "Amounts",
    "AsyncEngine",
    "BudgetReached",
    "Call",
    "Engine",
    "Gateway",
    "Journal",
    "NotCounted",
    "NotInJournal",
    "NotSent",
    "PlainAdapter",
    "RepairingChatAdapter",
    "RepairingJSONAdapter",
    "Replay",
    "RunChanges",
    "RunInterrupted",
    "RunRecord",
    "RunState",
    "Status",
    "Step",
    "StopAt",
    "Usage",
    "check_model",
    "context_window",
    "describe",
    "exact_counter",
    "find_price",
    "make_adapter",
    "make_lm",
    "prepare_model",
    "redact",
    "text_of",
    "token_counter",
    "unsent",
]
