"""What is asked and what is answered, the same for all wires."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ._delivery import Delivery

Wire = Literal["openai", "anthropic", "cohere", "voyage"]
Endpoint = Literal["chat", "responses", "messages", "embeddings", "count", "rerank"]

VOLATILE = frozenset({"metadata", "prompt_cache_key", "safety_identifier", "store", "stream", "stream_options", "user"})
"""Parts of a body that change nothing of what is answered."""


@dataclass(frozen=True)
class Tokens:
    """Tokens as a provider reports them; a test may report what it likes."""

    input: int
    """Cached ones and ones written to the cache included; Anthropic's wire reports them apart."""
    output: int
    """Reasoning included."""
    cached: int = 0
    reasoning: int = 0
    written: int = 0
    """Written to the prompt cache."""


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    wire: Wire
    endpoint: Endpoint
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Mapping[str, Any]
    content: str = ""
    """What is asked, as a hash (`content_of`): equal for equal requests, streamed or not."""
    number: int = 1
    """In order of arrival, from 1."""
    occurrence: int = 1
    """How often this content was asked, this time included."""
    at: float = 0.0
    """When it arrived, `time.monotonic`."""

    @property
    def key(self) -> str:
        """The API key that came with it."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation in OpenAI's form, whichever wire it came over; the system's part first."""
        if self.endpoint in ("embeddings", "rerank"):
            return []
        system = self.body.get("system") or self.body.get("instructions")
        given = self.body.get("messages", self.body.get("input", []))
        rest = [{"role": "user", "content": given}] if isinstance(given, str) else [*given]
        return [*([{"role": "system", "content": system}] if system else []), *rest]

    @property
    def text(self) -> str:
        """The text of the last message."""
        return text_of(self.messages[-1]) if self.messages else ""

    @property
    def prompt(self) -> str:
        """The text of all messages."""
        return "\n".join(text_of(message) for message in self.messages)

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def tokens(self) -> int:
        """Tokens of the input, as this provider counts: four characters each."""
        if self.endpoint == "embeddings":
            return sum(len(text) // 4 + 1 for text in self.texts)
        if self.endpoint == "rerank":
            query = len(str(self.body.get("query"))) // 4 + 1
            return sum(query + len(text) // 4 + 1 for text in self.documents)
        return max(1, sum(len(text_of(message)) for message in self.messages) // 4)

    @property
    def texts(self) -> list[str]:
        """What is to be embedded."""
        given = self.body.get("input", self.body.get("texts", []))
        return [given] if isinstance(given, str) else [str(text) for text in given]

    @property
    def documents(self) -> list[str]:
        """What is to be ranked."""
        return [str(text) for text in self.body.get("documents", [])]


@dataclass(frozen=True)
class Answer:
    """What to send back."""

    text: str = "a scripted answer"
    status: int = 200
    code: str = "scripted"
    """The error's own code, when `status` is one."""
    message: str | None = None
    """What the error says; None: a line with the key in it, as a careless endpoint would write it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    usage: Tokens | Literal["counted"] | None = "counted"
    """None: not reported."""
    finish: Literal["stop", "length", "content_filter"] = "stop"
    """OpenAI's word for why the answer ends; Anthropic's wire says it in its own."""
    model: str | None = None
    """The model that says it answered; None: the one that was asked."""
    delay: float = 0.0
    """Seconds before the first byte, the provider's latency apart."""
    delivery: Delivery = Delivery.WHOLE
    seconds: float = 1.0
    """How long a slow delivery takes."""
    raw: bytes | None = None
    """The body, whatever the rest says."""


Script = Callable[[Asked], Answer | str]
"""Runs in a thread of its own and may block. One that raises makes the response an error of status 500."""


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, whether its content is a string or a list of parts."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)


def content_of(endpoint: str, body: Mapping[str, Any]) -> str:
    """The hash of a request's body without its volatile parts."""
    kept = {name: value for name, value in body.items() if name not in VOLATILE}
    return hashlib.sha256(json.dumps([endpoint, kept], sort_keys=True).encode()).hexdigest()[:16]


def fields(**values: str) -> str:
    """The text that DSPy's ChatAdapter reads these output fields from."""
    return "\n\n".join([*(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()), "[[ ## completed ## ]]"])


def knows(answers: Mapping[str, str], otherwise: str = "I do not know.") -> Script:
    """A script that answers a question it finds in the last message, in the fields that are asked for."""

    def script(asked: Asked) -> str:
        last = asked.text
        found = [answer for question, answer in answers.items() if question in last]
        thought = {"reasoning": "It is written there."} if "[[ ## reasoning ## ]]" in last else {}
        return fields(**thought, answer=found[-1] if found else otherwise)

    return script


def vector(text: str, dimensions: int) -> list[float]:
    """An embedding of length 1 that is nearer to another the more words their texts have in common."""
    total = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [text]:
        luck = random.Random(word)
        total = [one + luck.gauss(0, 1) for one in total]
    length = math.sqrt(sum(one * one for one in total)) or 1.0
    return [one / length for one in total]
