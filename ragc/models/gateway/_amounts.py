"""What calls take. Light: whoever only reads the journal imports this and no DSPy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Amounts:
    """What calls take: one call, or many."""

    calls: int = 0
    input_tokens: int = 0
    """Tokens of the prompts, cached ones included."""
    output_tokens: int = 0
    """Tokens of the responses, reasoning included."""
    usd: Fraction = Fraction()
    """US dollars; nothing where no price is known."""

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.usd + other.usd,
        )

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.calls - other.calls,
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.usd - other.usd,
        )

    def covers(self, other: Amounts) -> bool:
        """Whether `other` is no more than this, in every dimension."""
        return (
            self.calls >= other.calls
            and self.input_tokens >= other.input_tokens
            and self.output_tokens >= other.output_tokens
            and self.usd >= other.usd
        )


NOTHING = Amounts()
