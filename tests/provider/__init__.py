"""A scripted provider on loopback: chat, embeddings, rankings; for tests that need a hosted model and have none.

    with Provider(knows({"How many days?": "five"})) as provider:
        lm = make_lm(ModelSettings(model="openai/any", base_url=provider.base_url))

It speaks OpenAI's, Anthropic's, Cohere's and Voyage's wire, answers by a function, counts what it is asked by content,
and misbehaves on order (`FAULTS`). `RemoteProvider` is the same in a process of its own (`python -m tests.provider`),
for tests that end the one they run in.
"""

from __future__ import annotations

from ._delivery import Delivery
from ._faults import (
    FAULTS,
    Fault,
    Plan,
    always,
    at_rates,
    first_times,
    lognormal,
    rate_limit_headers,
    rate_limited,
    schedule,
)
from ._remote import RemoteProvider
from ._retrieval import relevance
from ._server import Provider, Served
from ._values import Answer, Asked, Script, Tokens, content_of, fields, knows, text_of, vector

__all__ = [
    "Answer",
    "Asked",
    "Delivery",
    "FAULTS",
    "Fault",
    "Plan",
    "Provider",
    "RemoteProvider",
    "Script",
    "Served",
    "Tokens",
    "always",
    "at_rates",
    "content_of",
    "fields",
    "first_times",
    "knows",
    "lognormal",
    "rate_limit_headers",
    "rate_limited",
    "relevance",
    "schedule",
    "text_of",
    "vector",
]
