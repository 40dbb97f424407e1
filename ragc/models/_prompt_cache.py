"""The provider's prompt cache: a beginning that many prompts share is paid in full once.

A prompt is instructions and demonstrations, then, in the last message, passages and a question. So all messages but the
last are the same for every question, as long as the program is. Some providers cache such a beginning by themselves
(OpenAI before gpt-5.6, Gemini, most compatible servers): nothing is to be done. Others want it marked, and charge for
writing it (Anthropic's models anywhere, OpenAI's from gpt-5.6: 1.25 times the input's price) and less for reading it
(0.1 times). Below a size of theirs (1,024 to 4,096 tokens) a mark does nothing and costs nothing.

Rule: a beginning is marked when it was sent before within a cache's life, and not the first time. A question an hour so
costs what it did; a hundred in a row cost one full beginning, one written, and 98 read.

Marks are no part of a request: they change what is paid and not what is answered. So they are set below the gateway, on
the way out, and a journal key does not depend on what was sent before.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from dspy.lm15 import CacheConfig

from ragc.models._prices import listed
from ragc.models._routes import Route, base_url

if TYPE_CHECKING:
    from dspy.lm15 import Request

    from ragc.project import ModelSettings

LIFE = 300.0
"""Seconds that a provider keeps what was read or written: the shortest that Anthropic and OpenAI promise."""
_MOST = 1000
"""Beginnings that are remembered."""


def prompt_cache(settings: ModelSettings, found: Route) -> PromptCache | None:
    """The marks for a hosted model; None where the provider needs none, or where it is not known what they cost.

    A price of the configuration says what reading costs and not what writing does, so that no mark is set with one. An
    OpenAI endpoint of one's own gets none either: what it would make of them is not known.
    """
    entry = listed(found) if settings.price is None else {}
    if not (entry.get("cache_creation_input_token_cost") and entry.get("cache_read_input_token_cost")):
        return None
    if _is_anthropic(found):
        return _shared(found.provider, found.model, base_url(settings), unasked=False)
    if _is_openai(found) and base_url(settings) is None:
        return _shared(found.provider, found.model, None, unasked=True)
    return None


class PromptCache:
    """Marks the longest beginning of each request that was sent before. Safe in threads."""

    def __init__(self, *, unasked: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """`unasked`: the provider writes, and charges for it, also where nothing is marked, unless told not to."""
        self._unasked = unasked
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: dict[bytes, float] = {}

    def marked(self, request: Request) -> Request:
        """`request` as it goes out; a mark that a program has set itself stays."""
        if request.config.cache is not None:
            return request
        length = self._longest(_beginnings(request))
        if length is None:
            cache = CacheConfig(mode="off") if self._unasked else None
        else:
            cache = CacheConfig(prefix_until_index=length - 1) if length else CacheConfig(prefix="stable")
        return request if cache is None else replace(request, config=replace(request.config, cache=cache))

    def _longest(self, beginnings: list[bytes]) -> int | None:
        """The messages in the longest beginning that was sent before; remembers that the whole one is sent now."""
        now = self._clock()
        with self._lock:
            known = [number for number, one in enumerate(beginnings) if self._sent.get(one, -LIFE) > now - LIFE]
            for number in {*known[-1:], len(beginnings) - 1}:
                self._sent.pop(beginnings[number], None)
                self._sent[beginnings[number]] = now  # the latest stand last
            while len(self._sent) > _MOST:
                del self._sent[next(iter(self._sent))]
        return known[-1] if known else None


@functools.lru_cache(maxsize=64)
def _shared(provider: str, model: str, url: str | None, *, unasked: bool) -> PromptCache:
    """One for all engines that ask the same model at the same address: they read what any of them had written."""
    return PromptCache(unasked=unasked)


os.register_at_fork(after_in_child=_shared.cache_clear)  # a lock may have been held at that moment


def _beginnings(request: Request) -> list[bytes]:
    """Digests of the instructions alone, and of what ends with each message but the last."""
    config = request.config
    so_far = hashlib.blake2b(repr((request.system, request.tools, config.response_format)).encode(), digest_size=16)
    digests = [so_far.digest()]
    for message in request.messages[:-1]:
        said = [part.text if part.type == "text" else repr(part) for part in message.parts]
        so_far.update(repr((message.role, said)).encode())
        digests.append(so_far.digest())
    return digests


def _is_anthropic(found: Route) -> bool:
    from dspy._vendor.lm15.registry import lookup

    definition = lookup(found.provider)
    return definition is not None and definition.dialect == "anthropic" and definition.compat is None


def _is_openai(found: Route) -> bool:
    from dspy._vendor.lm15.providers.openai import openai_model_has_cache_options

    return found.provider in ("openai-chat", "openai") and bool(openai_model_has_cache_options(found.model))
