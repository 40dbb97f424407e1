"""One search as a store is asked for it, checked once for all stores."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypedDict, Union

from ragc.errors import ConfigError
from ragc.retrieval._filters import Condition, Filters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vector: TypeAlias = Union["array[float]", "NDArray[np.float32]"]
"""Float32 numbers; a question's need no numpy, whose import would double what a first answer takes."""

LEG_DEPTH = 100
"""How deep text and vectors are read before their scores are normalised and fused, at least."""


class SearchSettings(TypedDict, total=False):
    """How a search is made; `Index.search` has the defaults and says what each means."""

    k: int
    alpha: float
    fetch_k: int | None
    filters: Filters | None
    reranker: str | None


@dataclass(frozen=True, eq=False)
class Query:
    """What to search for. Raises ConfigError on a number out of range."""

    text: str
    """The question, as data: no operator in it means anything."""
    vector: Vector | None
    """The question's vector, normalised; None where alpha is 0."""
    k: int
    """How many passages, at most."""
    alpha: float = 0.5
    """The weight of vectors: 0 text alone, 1 vectors alone."""
    fetch_k: int | None = None
    """How deep either leg is read; None: LEG_DEPTH."""
    conditions: tuple[Condition, ...] = ()
    """What the document's metadata must fulfil."""

    def __post_init__(self) -> None:
        check_count("k", self.k)
        if self.fetch_k is not None:
            check_count("fetch_k", self.fetch_k)
        check_alpha(self.alpha)

    @property
    def depth(self) -> int:
        """How deep either leg is read."""
        return max(self.fetch_k or LEG_DEPTH, self.k)


def check_count(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise ConfigError(f"{name} is a whole number from 1, not {value!r}")


def check_alpha(value: object) -> None:
    """Raise ConfigError unless `value` is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigError(f"alpha is a number from 0 (text) to 1 (vectors), not {value!r}")
