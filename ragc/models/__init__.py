"""Language models: from a model string to a `dspy.LM` whose calls are metered, and the model that runs in the process.

Imports dspy, and neither litellm nor xllamacpp before a model is called that needs it. Names are loaded on first use:
an artifact that only answers needs no gateway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragc._lazy import on_first_use
from ragc._secrets import redact

if TYPE_CHECKING:
    from ragc.models._embedding_wires import Use
    from ragc.models._embeddings import Embedded, Embeddings
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
    from ragc.models._prices import estimate_tokens, find_price
    from ragc.models._ranking import Ranked, Ranking
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
        SharedGateway,
        Status,
        Step,
        StopAt,
        Usage,
    )

_HOME = {
    "Amounts": "gateway",
    "AsyncEngine": "_engine",
    "BudgetReached": "_errors",
    "Call": "gateway",
    "Embedded": "_embeddings",
    "Embeddings": "_embeddings",
    "Engine": "_engine",
    "Gateway": "gateway",
    "Journal": "gateway",
    "NotCounted": "_exact",
    "NotInJournal": "gateway",
    "NotSent": "_unsent",
    "PlainAdapter": "_plain",
    "Ranked": "_ranking",
    "Ranking": "_ranking",
    "RepairingChatAdapter": "_repair",
    "RepairingJSONAdapter": "_repair",
    "Replay": "gateway",
    "RunChanges": "gateway",
    "RunInterrupted": "_errors",
    "RunRecord": "gateway",
    "RunState": "gateway",
    "SharedGateway": "gateway",
    "Status": "gateway",
    "Step": "gateway",
    "StopAt": "gateway",
    "Usage": "gateway",
    "Use": "_embedding_wires",
    "check_model": "_lm",
    "context_window": "_lm",
    "describe": "_lm",
    "exact_counter": "_exact",
    "estimate_tokens": "_prices",
    "find_price": "_prices",
    "make_adapter": "_lm",
    "make_lm": "_lm",
    "prepare_model": "_lm",
    "text_of": "_unsent",
    "token_counter": "_lm",
    "unsent": "_unsent",
}

__all__ = [
    "Amounts",
    "AsyncEngine",
    "BudgetReached",
    "Call",
    "Embedded",
    "Embeddings",
    "Engine",
    "Gateway",
    "Journal",
    "NotCounted",
    "NotInJournal",
    "NotSent",
    "PlainAdapter",
    "Ranked",
    "Ranking",
    "RepairingChatAdapter",
    "RepairingJSONAdapter",
    "Replay",
    "RunChanges",
    "RunInterrupted",
    "RunRecord",
    "RunState",
    "SharedGateway",
    "Status",
    "Step",
    "StopAt",
    "Usage",
    "Use",
    "check_model",
    "context_window",
    "describe",
    "estimate_tokens",
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

__getattr__, __dir__ = on_first_use(__name__, _HOME)
