"""What providers of embeddings take and send back, a row each; what they have in common is `ragc.models._embeddings`.

Their limits are their documentation's: OpenAI's reference of `create embeddings` (2,048 texts and 300,000 tokens a
request), Cohere's of `v2/embed` (96 texts) and of its models (128,000 tokens a text), Voyage's pages on text embeddings
(1,000 texts; 320,000 tokens for voyage-3.5, 1,000,000 for the lite models, 120,000 for the others).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ragc.errors import ConfigError
from ragc.models._hosts import COHERE, OPENAI, VOYAGE, Host

Use = Literal["document", "query"]
"""What a text is embedded as; some models have a side for each."""


@dataclass(frozen=True)
class EmbeddingWire:
    """How a provider is asked for vectors."""

    host: Host
    path: str
    texts: str
    """The name of the list of texts."""
    shorten: str
    """The name of the number of dimensions that is asked for."""
    uses: Mapping[Use, str] = field(default_factory=dict)
    """How its input types are called; empty: questions and documents are embedded alike."""
    always: Mapping[str, Any] = field(default_factory=dict)
    """What every request has: no text is cut short to fit, unseen."""
    most_texts: int = 2048
    """Texts that one request may hold."""
    most_tokens: Callable[[str], int] = lambda model: 300_000
    """Tokens that one request of a model may hold; a token has at least a byte: so many bytes never have more."""
    own: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By model, the numbers of dimensions that it can have, the first its own; one alone: any smaller one as well."""

    def own_dimensions(self, model: str) -> int | None:
        """The length of a vector where none is asked for; None: not known."""
        return self.own[model][0] if model in self.own else None

    def check_dimensions(self, name: str, model: str, asked: int | None) -> None:
        """Raises ConfigError for a number that the model is known not to have."""
        known = self.own.get(model)
        if asked is None or known is None:
            return
        if len(known) == 1 and asked > known[0]:
            raise ConfigError(f"embedder {name} has {known[0]} dimensions at most, not {asked}")
        if len(known) > 1 and asked not in known:
            *most, last = sorted(known)
            raise ConfigError(f"embedder {name} has {', '.join(map(str, most))} or {last} dimensions, not {asked}")

    def request(self, model: str, texts: Sequence[str], use: Use, shorten_to: int | None) -> dict[str, Any]:
        """What is asked, as the journal knows it."""
        asked: dict[str, Any] = {"model": model, self.texts: list(texts)}
        if self.uses:
            asked["input_type"] = self.uses[use]
        return asked if shorten_to is None else {**asked, self.shorten: shorten_to}

    def given(self, reply: object) -> list[Any] | None:
        """The items of a reply that hold the vectors, each with its place where that is said; None: it is no reply."""
        if not isinstance(reply, dict):
            return None
        if self.host is COHERE:
            embeddings = reply.get("embeddings")
            vectors = embeddings.get("float") if isinstance(embeddings, dict) else None
            return [{"embedding": one} for one in vectors] if isinstance(vectors, list) else None
        data = reply.get("data")
        return (
            data
            if isinstance(data, list) and all(isinstance(one, dict) and "embedding" in one for one in data)
            else None
        )

    def tokens(self, reply: Mapping[str, Any]) -> int | None:
        """Tokens of the texts, as far as they are reported; an endpoint that counts none says 0."""
        if self.host is COHERE:
            meta = reply.get("meta")
            return first_count(meta.get("billed_units") if isinstance(meta, dict) else None, "input_tokens")
        return first_count(reply.get("usage"), "prompt_tokens", "total_tokens")


def first_count(usage: object, *names: str) -> int | None:
    """The first of these counts that is a whole number and not 0; some providers write it as a float."""
    counts = [usage.get(name) for name in names] if isinstance(usage, dict) else []
    whole = [int(count) if isinstance(count, float) and count.is_integer() else count for count in counts]
    return next((count for count in whole if isinstance(count, int) and not isinstance(count, bool) and count), None)


def _cohere_tokens(model: str) -> int:
    return 128_000


def _voyage_tokens(model: str) -> int:
    if model.endswith("-lite"):
        return 1_000_000
    return 320_000 if model in ("voyage-3.5", "voyage-4") else 120_000


_VOYAGE = (
    *("voyage-3.5", "voyage-3.5-lite", "voyage-3-large", "voyage-code-3"),
    *("voyage-4", "voyage-4-lite", "voyage-4-large", "voyage-code-4"),
)
"""The models that are known to have these sizes."""
WIRES: Mapping[str, EmbeddingWire] = MappingProxyType(
    {
        "openai": EmbeddingWire(
            host=OPENAI,
            path="/embeddings",
            texts="input",
            shorten="dimensions",
            always={"encoding_format": "base64"},
            own={
                "text-embedding-3-large": (3072,),
                "text-embedding-3-small": (1536,),
                "text-embedding-ada-002": (1536,),
            },
        ),
        "cohere": EmbeddingWire(
            host=COHERE,
            path="/embed",
            texts="texts",
            shorten="output_dimension",
            uses={"document": "search_document", "query": "search_query"},
            always={"embedding_types": ["float"], "truncate": "NONE"},
            most_texts=96,
            most_tokens=_cohere_tokens,
            own={"embed-v4.0": (1536, 256, 512, 1024)},
        ),
        "voyage": EmbeddingWire(
            host=VOYAGE,
            path="/embeddings",
            texts="input",
            shorten="output_dimension",
            uses={"document": "document", "query": "query"},
            always={"encoding_format": "base64", "truncation": False},
            most_texts=1000,
            most_tokens=_voyage_tokens,
            own=dict.fromkeys(_VOYAGE, (1024, 256, 512, 2048)),
        ),
    }
)
"""By what a model string begins with."""
