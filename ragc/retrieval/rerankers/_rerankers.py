"""The rerankers that the programs of a project may name, each opened when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragc.errors import ConfigError
from ragc.retrieval.rerankers._names import named
from ragc.retrieval.rerankers._reranker import Reranker

if TYPE_CHECKING:
    from ragc.models import Amounts, Gateway
    from ragc.project import RerankerSettings


class Rerankers:
    """Rerankers by name, reached as the project's tables say. May be shared by threads."""

    def __init__(self, tables: Sequence[RerankerSettings] = (), gateway: Gateway | None = None) -> None:
        """`tables` say how those are reached whose names do not say it; calls go through `gateway`."""
        self._tables = {table.model: table for table in reversed(tables)}
        self._gateway = gateway
        self._lock = threading.Lock()
        self._open: dict[str, Reranker] = {}

    def get(self, name: str) -> Reranker:
        """Raises ConfigError for a name that is none, BudgetError for a cap in USD where it has no known price."""
        with self._lock:
            if name not in self._open:
                from ragc.models import Ranking

                self._open[name] = Reranker(Ranking(self.settings(name), gateway=self._gateway))
            return self._open[name]

    def settings(self, name: str) -> RerankerSettings:
        """The table of a reranker; its name alone where there is none."""
        from ragc.project import RerankerSettings

        if named(name) is None:
            raise ConfigError(f"{name!r} is no reranker")
        return self._tables.get(name) or RerankerSettings(model=name)

    def takes(self, name: str, *, query: int, passages: Sequence[int]) -> Amounts:
        """About what ranking passages of so many tokens for a query takes, for estimates. Asks nothing."""
        from fractions import Fraction

        from ragc.models import Amounts, Ranking

        endpoint = Ranking(self.settings(name))
        taken = endpoint.expected(query, passages)
        return Amounts(1, taken.tokens, 0, endpoint.usd(taken) or Fraction())

    def close(self) -> None:
        """Gives back connections."""
        with self._lock:
            opened = list(self._open.values())
        for reranker in opened:
            reranker.close()
