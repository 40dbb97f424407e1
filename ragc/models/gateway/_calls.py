"""What a run is told of its calls: one record a call, and their sum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Kind = Literal["lm", "embedding", "rerank"]
"""What a call asked: a language model, or an embedder or a reranker that is no part of this process."""


@dataclass(frozen=True)
class Call:
    """One finished call of a model, answered by its provider or by the journal."""

    model: str
    input_tokens: int
    """Tokens of the prompt, cached ones included."""
    output_tokens: int
    """Tokens of the response, reasoning included."""
    cached_input_tokens: int
    usd: float | None
    """US dollars at the price first paid; None: no price is known."""
    seconds: float
    """Model time of the attempt that counted: neither retries nor waiting for a turn."""
    error: str | None = None
    """Why there is no answer; None: there is one."""
    key: str | None = None
    """What the journal knows it by."""
    hit: bool = False
    """Whether the journal had it already."""
    kind: Kind = "lm"
    refused: bool = False
    """Whether it was not made: the budget did not hold it, or the run was stopped."""

    @property
    def has_response(self) -> bool:
        """Whether a response came; one that holds no answer (withheld) is paid for all the same."""
        return self.error is None or self.input_tokens > 0


@dataclass(frozen=True)
class Usage:
    """What a number of calls amounts to."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    usd: float | None = 0.0
    """None: at least one call had no known price."""


class Recording(list[Call]):
    """The calls made inside `Gateway.recording()`, for one example where it is named."""

    def __init__(self, example: str | None = None) -> None:
        super().__init__()
        self.example = example


class Tally:
    """A sum of calls that grows; exact, so that it does not depend on the order in which they end."""

    def __init__(self) -> None:
        self._sum = Usage()
        self._usd = Fraction()

    def add(self, call: Call) -> None:
        """Count one more."""
        known, usd = self._sum, None
        if known.usd is not None and call.usd is not None:
            self._usd += Fraction(call.usd)
            usd = float(self._usd)
        self._sum = Usage(
            known.calls + 1,
            known.input_tokens + call.input_tokens,
            known.output_tokens + call.output_tokens,
            known.cached_input_tokens + call.cached_input_tokens,
            usd,
        )

    @property
    def usage(self) -> Usage:
        """The sum so far."""
        return self._sum


def total(calls: Iterable[Call]) -> Usage:
    """The sum of `calls`, whatever their order: floats are added exactly."""
    from math import fsum

    given = list(calls)
    prices = [call.usd for call in given]
    return Usage(
        len(given),
        sum(call.input_tokens for call in given),
        sum(call.output_tokens for call in given),
        sum(call.cached_input_tokens for call in given),
        None if any(usd is None for usd in prices) else fsum(usd for usd in prices if usd is not None),
    )
