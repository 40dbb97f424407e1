"""What an embedder is, and how a name in the configuration becomes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ragc.errors import ConfigError, DataError
from ragc.retrieval._query import Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragc.models import Gateway
    from ragc.project import EmbedderSettings
    from ragc.retrieval._store import MadeWith

KNOWN = (
    "local/wordllama-256",
    "openai/text-embedding-3-small",
    "openai/text-embedding-3-large",
    "cohere/embed-v4.0",
    "voyage/voyage-3.5",
    "voyage/voyage-code-3",
    "fastembed/NAME",
    "sentence-transformers/NAME",
    "openai/NAME with a base_url",
)
"""The embedders there are, for messages."""
_HOSTED = ("openai/", "cohere/", "voyage/")
_IN_PROCESS = ("local/", "fastembed/", "sentence-transformers/")
_ELSEWHERE = ("base_url", "api_key_env", "rpm", "tpm")
"""Keys of the table that say how an embedder is reached."""


class NotEmbedded(DataError):
    """One of the texts cannot be embedded, however often it is tried: it is too long, or refused for what it says."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number
        """Which of the texts, from 0."""


class Embedder(Protocol):
    """Turns texts into vectors of unit length, so that their dot product is their cosine similarity.

    Vectors are float32. A text in which the embedder knows nothing gets a vector of zeros. Order is kept. Every
    method may be called from many threads at once, and after a fork. One that is not in this process raises ModelError
    where it is refused for good, ExampleError where a call failed with its retries, and in a run what its gateway does.
    """

    @property
    def name(self) -> str:
        """The name in the configuration."""

    @property
    def fingerprint(self) -> str:
        """A digest of everything that the vectors depend on; two embedders that share it give the same vectors."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""

    def embed_documents(self, texts: list[str]) -> NDArray[np.float32]:
        """Return an array of shape (len(texts), dimensions). Raises NotEmbedded."""

    def embed_query(self, text: str) -> Vector:
        """Return `dimensions` numbers; they may differ from a document's of the same text by float32 rounding."""

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the embedder sees in `text`: the unit of `chunk = { by = "tokens" }`."""

    def calls(self, texts: list[str]) -> int:
        """Return how many requests `embed_documents` would take, refusals left out; 0 for one in this process."""

    def close(self) -> None:
        """Give back connections. The embedder can be used again afterwards and opens new ones."""


def make_embedder(
    settings: EmbedderSettings,
    gateway: Gateway | None = None,
    *,
    held: Callable[[], MadeWith | None] | None = None,
) -> Embedder:
    """Return the embedder; weights are loaded, and a key is looked for, at first use. Calls go through `gateway`.

    `held` tells what the index was made with, for a model whose number of dimensions nothing else tells. Raises
    ConfigError on an unknown embedder, BudgetError where the gateway has a cap in USD and the model no known price.
    """
    local = _in_process(settings)
    if local is not None:
        return local
    if _is_hosted(settings):
        from ragc.models import Embeddings
        from ragc.retrieval.embedders._hosted import Hosted

        return Hosted(Embeddings(settings, gateway=gateway), held=held)
    raise ConfigError(f"unknown embedder {settings.model!r}; known: {', '.join(KNOWN)}")


def _in_process(settings: EmbedderSettings) -> Embedder | None:
    """The embedder that runs in this process; None: it is no such one."""
    if not is_local(settings) or settings.model in _IN_PROCESS:
        return None
    given = [key for key in _ELSEWHERE if getattr(settings, key) is not None]
    if given:
        raise ConfigError(f"embedder {settings.model} runs in this process and takes no {given[0]}; take it out")
    if settings.model.startswith("fastembed/"):
        from ragc.retrieval.embedders._fastembed import FastEmbed

        return FastEmbed(settings)
    if settings.model.startswith("sentence-transformers/"):
        from ragc.retrieval.embedders._sentence_transformers import SentenceTransformers

        return SentenceTransformers(settings)
    if settings.model == "local/wordllama-256":
        from ragc.retrieval.embedders._wordllama import WordLlama

        if settings.dimensions not in (None, WordLlama.dimensions):
            raise ConfigError(f"embedder {settings.model} has 256 dimensions, not {settings.dimensions}")
        return WordLlama()
    return None


def check_embedder(settings: EmbedderSettings) -> None:
    """Raises ConfigError on an unknown embedder, ModelError without its key, its library or its weights.

    Calls and loads nothing.
    """
    check = getattr(make_embedder(settings), "check", None)
    if check is not None:
        check()
    if _is_hosted(settings):
        from ragc.models import Embeddings

        Embeddings(settings).check_key()


def is_local(settings: EmbedderSettings) -> bool:
    """Return whether the embedder runs in this process, without a call that costs or can fail."""
    return settings.model.startswith(_IN_PROCESS)


def _is_hosted(settings: EmbedderSettings) -> bool:
    return settings.model.startswith(_HOSTED) and settings.model not in _HOSTED
