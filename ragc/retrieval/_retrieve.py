"""Retrieval as a parameter of a program: its settings are searched by optimizers and sealed with the artifact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dspy
from dspy.predict.parameter import Parameter

from ragc.errors import ConfigError, ExampleError, RagcError, StoreError
from ragc.retrieval._access import record_search
from ragc.retrieval._budget import estimated_tokens, fitted
from ragc.retrieval._expand import Expand, Expanded, check_expand, expanded, joined
from ragc.retrieval._filters import Condition, Filters, parse_filters
from ragc.retrieval._passage import Passage
from ragc.retrieval._passages import Passages
from ragc.retrieval._query import check_alpha, check_count
from ragc.retrieval.rerankers import check_reranker_name

if TYPE_CHECKING:
    from ragc.retrieval._index import Index

_SETTINGS = ("k", "alpha", "fetch_k", "reranker", "expand", "max_tokens", "filters")


@dataclass(frozen=True)
class _Binding:
    index: Index
    count_tokens: Callable[[str], int]
    filters: tuple[Condition, ...]


class Retrieve(Parameter):  # type: ignore[misc]  # DSPy ships no types
    """Finds passages for a question: `self.retrieve = ragc.Retrieve(k=5)`, then `self.retrieve(question)`.

    A plain DSPy Parameter and, unlike `dspy.Predict`, not a Module: its state is its settings. It is bound to an
    index when the program is loaded or compiled (`bind`); copies of the program share the index. Settings may be
    assigned at any time; they are checked when they are used, with ConfigError.
    """

    def __init__(
        self,
        k: int = 5,
        alpha: float = 0.5,
        fetch_k: int | None = None,
        max_tokens: int | None = None,
        filters: dict[str, Any] | None = None,
        expand: Expand = 0,
        reranker: str | None = None,
    ) -> None:
        self.k = k
        """How many passages are found, at most; `expand` adds to them."""
        self.alpha = alpha
        """The weight of vectors in the hybrid score: 0 text alone, 1 vectors alone."""
        self.fetch_k = fetch_k
        """How deep either leg is read before the scores are fused; None: 100. Never less than k.

        With a reranker also how many passages it is given, of which k remain; None: 50.
        """
        self.reranker = None if reranker == "none" else reranker
        """What puts the passages into a better order, such as `cohere/rerank-v3.5`; None: the store's order stands."""
        self.expand = expand
        """How many neighbours on either side of a passage are added to it, or "document" for all of its document."""
        self.max_tokens = max_tokens
        """The token budget of the rendered passages; what does not fit is dropped whole and named. None: no budget."""
        self.filters = filters
        """Conditions on metadata, see `ragc.retrieval.Condition`. They narrow what a binding allows, never widen it."""
        self._binding: _Binding | None = None
        self._check()

    def bind(
        self, index: Index, count_tokens: Callable[[str], int] | None = None, filters: Filters | None = None
    ) -> None:
        """Use `index` from now on, and `count_tokens` for the token budget (default: bytes / 4).

        `filters` hold for every search, whatever a question, a model or a compiled setting asks for.
        """
        self._binding = _Binding(index, count_tokens or estimated_tokens, parse_filters(filters))

    def __call__(self, query: str) -> Passages:
        """Return the passages for `query`, best first. Raises StoreError when unbound or the index cannot be read."""
        binding, asked = self._prepare(query)
        found = self._rest(binding, binding.index.search(query, **asked))
        record_search(query, asked["filters"], found)
        return found

    async def acall(self, query: str) -> Passages:
        """Unlike calling it: does not block the event loop."""
        binding, asked = self._prepare(query)
        hits = await binding.index.asearch(query, **asked)
        found = await asyncio.to_thread(self._rest, binding, hits) if self.expand else self._rest(binding, hits)
        record_search(query, asked["filters"], found)
        return found

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """Return the settings, JSON-able."""
        return {name: getattr(self, name) for name in _SETTINGS}

    def load_state(self, state: dict[str, Any]) -> Retrieve:
        """Take over settings that `dump_state` wrote; on ConfigError nothing has changed."""
        unknown = sorted(set(state) - set(_SETTINGS))
        if unknown:
            raise ConfigError(f"Retrieve: unknown setting {unknown[0]!r}; known are {', '.join(_SETTINGS)}")
        loaded = Retrieve(**{**self.dump_state(), **state})
        for name in _SETTINGS:
            setattr(self, name, getattr(loaded, name))
        return self

    def reset(self) -> None:
        """Keep the settings, as `dspy.Predict` keeps its instructions."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Retrieve:
        filters = dict(self.filters) if isinstance(self.filters, dict) else self.filters
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__, filters=filters)
        return copied

    def __repr__(self) -> str:
        return f"Retrieve({', '.join(f'{name}={getattr(self, name)!r}' for name in _SETTINGS)})"

    def _prepare(self, query: object) -> tuple[_Binding, dict[str, Any]]:
        if self._binding is None:
            raise StoreError(
                "Retrieve is not bound to an index: run the program through ragc (compile, eval, load), "
                "or call ragc.retrieval.bind(program, index)"
            )
        if not isinstance(query, str):
            raise ExampleError(f"Retrieve was given {type(query).__name__}; a question is text")
        conditions = self._check()
        asked = {"k": self.k, "alpha": self.alpha, "fetch_k": self.fetch_k, "reranker": self.reranker}
        return self._binding, {**asked, "filters": (*self._binding.filters, *conditions)}

    def _rest(self, binding: _Binding, found: list[Passage]) -> Passages:
        """What follows the search: neighbours are added, then what the token budget does not hold is dropped."""
        version = binding.index.corpus_version
        return self._fit(binding, expanded(found, self.expand, binding.index.passages), version)

    def _fit(self, binding: _Binding, found: Expanded, version: str | None) -> Passages:
        kept: tuple[Passage, ...] = found.passages
        dropped: tuple[str, ...] = ()
        if self.max_tokens is not None:
            kept, dropped = fitted(found.passages, self.max_tokens, binding.count_tokens, found.worth)
        return Passages(passages=joined(kept, found.added), added=found.added, dropped=dropped, corpus_version=version)

    def _check(self) -> tuple[Condition, ...]:
        try:
            for name in ("k", "fetch_k", "max_tokens"):
                if name == "k" or getattr(self, name) is not None:
                    check_count(name, getattr(self, name))
            check_alpha(self.alpha)
            check_reranker_name(self.reranker)
            check_expand(self.expand)
            return parse_filters(self.filters)
        except RagcError as error:
            raise ConfigError(f"Retrieve: {error}") from None


def bind(
    program: dspy.Module,
    index: Index,
    count_tokens: Callable[[str], int] | None = None,
    filters: Filters | None = None,
) -> None:
    """Bind every Retrieve in `program`, sub-modules and compiled ones included, to `index` (see `Retrieve.bind`)."""
    for _, retrieve in program.named_sub_modules(type_=Retrieve):
        retrieve.bind(index, count_tokens, filters)
