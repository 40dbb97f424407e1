"""A reranker's endpoint: one request, from a query and documents to a score for each of these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ragc._secrets import redact
from ragc.errors import BudgetError, ConfigError
from ragc.models._kinds import BadReply
from ragc.models._prices import MILLION, list_entry, up
from ragc.models._ranking_wires import LEAST_PART, PART_TOKENS, WIRES, RankingWire, Taken
from ragc.models._remote import Remote, Reply
from ragc.models._replies import bad_reply

if TYPE_CHECKING:
    from ragc.models.gateway import Gateway
    from ragc.models.gateway._retry import Retry
    from ragc.project import RerankerSettings

_UNITS = {"search": "USD per thousand searches", "input": "USD per million tokens"}


@dataclass(frozen=True)
class Ranked:
    """The scores of some documents for a query, as the endpoint gave them."""

    scores: tuple[float, ...]
    """In the order of the documents; higher is better."""
    model: str
    """The model that says it answered; empty: it does not say."""
    taken: Taken | None
    """None: not reported."""

    @property
    def input_tokens(self) -> int | None:
        """Tokens that were billed; None: not reported, or none are."""
        return None if self.taken is None else self.taken.tokens

    def as_json(self) -> dict[str, Any]:
        """The reply as the journal keeps it."""
        taken = None if self.taken is None else {"searches": self.taken.searches, "tokens": self.taken.tokens}
        return {"model": self.model, "scores": list(self.scores), "taken": taken}

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Ranked:
        """What `as_json` wrote."""
        taken = reply["taken"]
        return cls(tuple(reply["scores"]), str(reply["model"]), None if taken is None else Taken(**taken))


class Ranking(Remote):
    """An endpoint of `cohere/…` or `voyage/…`, or one that speaks the wire of one of these."""

    table = "reranker"

    def __init__(
        self, settings: RerankerSettings, *, gateway: Gateway | None = None, retry: Retry | None = None
    ) -> None:
        """See Remote. Raises ConfigError as well, for a provider that is not known or a price in another unit."""
        provider = settings.model.partition("/")[0]
        if provider not in WIRES:
            raise ConfigError(f"reranker {settings.model}: no such wire; known: {', '.join(WIRES)}")
        self.wire: RankingWire = WIRES[provider]
        self.settings = settings
        if settings.price is not None and getattr(settings.price, self.wire.billed) is None:
            raise ConfigError(
                f"reranker {settings.model}: its provider bills in another unit: price = {{ {self.wire.billed} = … }} "
                f"({_UNITS[self.wire.billed]})"
            )
        super().__init__(settings, self.wire, gateway=gateway, retry=retry)

    def require_price(self) -> None:
        """Raises BudgetError, with the line to write, where no price is known."""
        if self._rate is None:
            unit = self.wire.billed
            raise BudgetError(
                f"budget.usd cannot hold: no price is known for {self.settings.model}: write rerankers = [{{ model = "
                f'"{self.settings.model}", price = {{ {unit} = … }} }}] ({_UNITS[unit]}), or leave usd out'
            )

    def request(self, query: str, documents: Sequence[str]) -> dict[str, Any]:
        """What is asked, as the journal knows it."""
        return {"model": self.route.model, "query": query, "documents": list(documents)}

    def rank(self, request: Mapping[str, Any]) -> Ranked:
        """The scores of the documents of `request`. Raises what a failure means after the retries.

        In a run they come through its gateway; otherwise they leave no trace.
        """
        if self.gateway is not None:
            return self.gateway.rank(self, request)
        return self._tried(lambda: self.send(request))

    def send(self, request: Mapping[str, Any]) -> Ranked:
        """One attempt, within `timeout` seconds in all. Raises lm15's errors (see `ragc.models._kinds`)."""
        reply = self._post(self.wire.path, {**request, **self.wire.always})
        return _read(reply, self.wire, len(request["documents"]))

    def most(self, query: int, documents: Sequence[int]) -> Taken:
        """The most that a query takes with documents of so many tokens, at most, each."""
        return self.wire.takes(query, documents, LEAST_PART)

    def expected(self, query: int, documents: Sequence[int]) -> Taken:
        """Unlike `most`: about what it takes, for estimates."""
        return self.wire.takes(query, documents, max(LEAST_PART, PART_TOKENS - query))

    def usd(self, taken: Taken) -> Fraction | None:
        """US dollars; None: no price is known."""
        if self._rate is None:
            return None
        cost = self._rate * (taken.searches if self.wire.billed == "search" else taken.tokens)
        return up(cost.numerator, cost.denominator)

    @property
    def _rate(self) -> Fraction | None:
        """US dollars for a search or a token, whichever is billed; None: not known."""
        unit = self.wire.billed
        if self.settings.price is not None:
            given = getattr(self.settings.price, unit)
            return Fraction(str(given)) / (1000 if unit == "search" else MILLION)
        key = "input_cost_per_query" if unit == "search" else "input_cost_per_token"
        listed = list_entry(self.route.provider, self.route.model).get(key)
        return Fraction(str(listed)) if isinstance(listed, int | float) and listed > 0 else None


def _read(reply: Reply, wire: RankingWire, count: int) -> Ranked:
    """The reply to a request with `count` documents. Raises BadReply for what is none."""
    body, status = reply.read(), reply.status
    given = body.get(wire.results) if isinstance(body, dict) else None
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise bad_reply(body, status)
    scores = {one.get("index"): one.get("relevance_score") for one in given}
    strange = [index for index in scores if isinstance(index, bool) or index not in range(count)]
    if strange:
        raise BadReply(f"the reply ranks document {strange[0]}, of 0 to {count - 1}", status=status)
    if len(given) != count or len(scores) != count:
        raise BadReply(f"the reply ranks {len(scores)} of {count} documents", status=status)
    placed = [scores[index] for index in range(count)]
    if not all(_is_score(score) for score in placed):
        raise BadReply("the reply holds a score that is no number", status=status)
    return Ranked(tuple(float(score) for score in placed), redact(str(body.get("model") or "")), wire.taken(body))


def _is_score(score: object) -> bool:
    return isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
