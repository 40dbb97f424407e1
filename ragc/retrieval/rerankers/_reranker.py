"""A reranker: passages in, the same passages in its order out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragc.errors import ConfigError, ExampleError
from ragc.retrieval._passage import Passage, indexed_text

if TYPE_CHECKING:
    from ragc.models import Ranking


class Reranker:
    """One behind a provider's endpoint. May be shared by threads and used after a fork."""

    def __init__(self, endpoint: Ranking) -> None:
        self.name = endpoint.settings.model
        self._endpoint = endpoint

    def check(self, candidates: int = 1) -> None:
        """Raises ModelError where the key is missing, ConfigError for more candidates than it takes. Asks nothing."""
        self._check_count(candidates)
        self._endpoint.check_key()

    def rerank(self, query: str, passages: Sequence[Passage]) -> list[Passage]:
        """Return `passages`, best first, each with the reranker's score, 0 to 1; the parts of the old one are kept.

        It reads what is indexed: title, headings and text. Equal scores keep their order, and a passage without text
        comes last. Raises ExampleError for an empty query, one that the endpoint refuses, or a call that failed with
        its retries, ModelError where it refuses for good, ConfigError for more passages than it takes, and in a run
        what its gateway does.
        """
        texts = [_encodable(indexed_text(one.title, one.heading, one.text)) for one in passages]
        asked = [number for number, text in enumerate(texts) if text.strip()]
        if not asked:
            return list(passages)
        if not query.strip():
            raise ExampleError(f"{self.name}: the question is empty, and nothing can be ranked by it")
        self._check_count(len(asked))
        ranked = self._endpoint.rank(self._endpoint.request(_encodable(query), [texts[number] for number in asked]))
        scores = dict(zip(asked, ranked.scores, strict=True))
        scored = [_scored(passage, scores.get(number, 0.0)) for number, passage in enumerate(passages)]
        order = sorted(range(len(scored)), key=lambda number: (number not in scores, -scored[number].score, number))
        return [scored[number] for number in order]

    def close(self) -> None:
        """Gives back connections; it opens new ones when it is used again."""
        self._endpoint.close()

    def _check_count(self, candidates: int) -> None:
        most = self._endpoint.wire.most
        if candidates > most:
            raise ConfigError(f"fetch_k and k: {self.name} takes {most:,} passages at most, not {candidates:,}")


def _scored(passage: Passage, score: float) -> Passage:
    return replace(passage, score=score, rerank_score=score)


def _encodable(text: str) -> str:
    # JSON can spell half a surrogate pair, the wire cannot.
    return text.encode("utf-8", "replace").decode("utf-8")
